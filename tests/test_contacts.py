"""Contacts are kept, in SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import LogEvent

from tests.database.databases import Open, opener, sqlite_url
from toolkit.contacts import SAMPLE, Contacts, InvalidUser, UnknownContact, UnknownUser, User
from toolkit.database.database import Database
from toolkit.database.errors import UniqueViolation


@pytest.fixture
def opens(reactor: Any) -> Iterator[Open]:
    with opener(reactor) as start:
        yield start


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def database(request: pytest.FixtureRequest, opens: Open, tmp_path: Path) -> Database:
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql")
    else:
        url = "sqlite::memory:" if request.param == "memory" else sqlite_url(tmp_path)
    opened: Database = pytest_twisted.blockon(opens(url))
    return opened


@pytest.fixture
def contacts(database: Database) -> Contacts:
    made = Contacts(database)
    pytest_twisted.blockon(made.prepare(seed=True))
    return made


@pytest_twisted.ensureDeferred
async def test_the_sample_people_are_there_once(contacts: Contacts) -> None:
    await contacts.prepare(seed=True)
    for username, (name, known) in SAMPLE.items():
        assert await contacts.get_user(username) == User(username, name)
        assert await contacts.get_contacts(username) == sorted(known)


@pytest_twisted.ensureDeferred
async def test_sample_people_are_not_mixed_with_others(contacts: Contacts) -> None:
    for username in SAMPLE:
        await contacts.remove_user(username)
    await contacts.add_user(User("zoe", "Zoe Zeller"))
    await contacts.prepare(seed=True)
    assert await contacts.get_user_name("ann") == "(unknown)"


@pytest_twisted.ensureDeferred
async def test_several_that_start_together_seed_once(database: Database) -> None:
    await gatherResults([Contacts(database).prepare(seed=True) for _ in range(5)])
    assert await Contacts(database).get_contacts("ben") == ["ann"]


@pytest_twisted.ensureDeferred
async def test_nobody_is_unknown(contacts: Contacts) -> None:
    with pytest.raises(UnknownUser, match="there is no user 'zoe'"):
        await contacts.get_user("zoe")
    assert await contacts.get_user_name("zoe") == "(unknown)"
    with pytest.raises(UnknownUser):
        await contacts.get_contacts("zoe")
    with pytest.raises(UnknownUser):
        await contacts.remove_user("zoe")


@pytest_twisted.ensureDeferred
async def test_a_look_up_of_several_names_all(contacts: Contacts) -> None:
    found = await contacts.parallel_lookup(["ann", "zoe", "ben", "ann"])
    assert found == {"ann": "Ann Archer", "zoe": "(unknown)", "ben": "Ben Baker"}
    assert list(found) == ["ann", "zoe", "ben"]


@pytest_twisted.ensureDeferred
async def test_a_look_up_that_fails_gives_none(
    contacts: Contacts, database: Database, logged: list[LogEvent]
) -> None:
    await database.stopService()
    assert await contacts.parallel_lookup(["ann"]) == {"ann": None}


@pytest_twisted.ensureDeferred
async def test_a_user_is_added_once_and_may_be_renamed(contacts: Contacts) -> None:
    await contacts.add_user(User("zoe", "Zoe"))
    with pytest.raises(UniqueViolation):
        await contacts.add_user(User("zoe", "Another"))
    assert await contacts.put_user(User("zoe", "Zoe Zeller")) is False
    assert await contacts.put_user(User("yan", "Yan")) is True
    assert await contacts.get_user_name("zoe") == "Zoe Zeller"
    assert await contacts.get_contacts("zoe") == []


@pytest_twisted.ensureDeferred
async def test_who_is_removed_is_nobodys_contact_any_more(contacts: Contacts) -> None:
    await contacts.remove_user("dora")
    assert await contacts.get_contacts("ann") == ["ben", "cleo"]


@pytest_twisted.ensureDeferred
async def test_a_contact_is_added_once_and_removed_once(contacts: Contacts) -> None:
    await contacts.add_contact("emil", "ann")
    with pytest.raises(UniqueViolation):
        await contacts.add_contact("emil", "ann")
    assert await contacts.get_contacts("emil") == ["ann"]
    await contacts.remove_contact("emil", "ann")
    with pytest.raises(UnknownContact, match="'emil' has no contact 'ann'"):
        await contacts.remove_contact("emil", "ann")
    with pytest.raises(UnknownContact, match="'emil' has no contact 'zoe'"):
        await contacts.remove_contact("emil", "zoe")
    with pytest.raises(UnknownUser, match="there is no user 'zoe'"):
        await contacts.remove_contact("zoe", "ann")


@pytest_twisted.ensureDeferred
async def test_all_contacts_are_replaced_or_none(contacts: Contacts) -> None:
    await contacts.put_contacts("ann", ["emil", "ben", "emil"])
    assert await contacts.get_contacts("ann") == ["ben", "emil"]
    with pytest.raises(UnknownUser, match="'zoe'"):
        await contacts.put_contacts("ann", ["cleo", "zoe"])
    assert await contacts.get_contacts("ann") == ["ben", "emil"]
    with pytest.raises(UnknownUser):
        await contacts.add_contact("zoe", "ann")


@pytest_twisted.ensureDeferred
async def test_a_user_that_is_added_and_removed_by_many_is_new_as_often_as_removed(
    contacts: Contacts,
) -> None:
    new: list[bool] = []
    removed = 0

    async def puts(name: str) -> None:
        for _ in range(20):
            new.append(await contacts.put_user(User("zoe", name)))

    async def removes() -> None:
        nonlocal removed
        for _ in range(20):
            try:
                await contacts.remove_user("zoe")
                removed += 1
            except UnknownUser:
                pass

    await gatherResults(
        [Deferred.fromCoroutine(one) for name in "abcd" for one in (puts(name), removes())]
    )
    left = await contacts.get_user_name("zoe") != "(unknown)"
    assert sum(new) == removed + left


@pytest_twisted.ensureDeferred
async def test_contacts_that_are_replaced_while_others_add_them_are_no_conflict(
    contacts: Contacts,
) -> None:
    async def puts() -> None:
        for _ in range(10):
            await contacts.put_contacts("emil", ["ann", "ben", "cleo"])

    async def adds(contact: str) -> None:
        for _ in range(20):
            with suppress(UniqueViolation):
                await contacts.add_contact("emil", contact)
            with suppress(UnknownContact):
                await contacts.remove_contact("emil", contact)

    await gatherResults(
        [Deferred.fromCoroutine(one) for name in ("ann", "ben") for one in (puts(), adds(name))]
    )
    assert set(await contacts.get_contacts("emil")) <= {"ann", "ben", "cleo"}


@pytest.mark.parametrize(
    "user",
    [
        User("x" * 65, "X"),
        User("", "X"),
        User("..", "X"),
        User("a b", "X"),
        User("x", ""),
        User("x", "a\0b"),
        User("x", "a\u202eb"),
        User("x", "y" * 201),
        User(5, "X"),  # type: ignore[arg-type]
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_no_user_can_be_like_is_refused(contacts: Contacts, user: User) -> None:
    for change in (contacts.add_user, contacts.put_user):
        with pytest.raises(InvalidUser, match="a username is 1 to 64 letters"):
            await change(user)
