"""A database answers, on whichever of the three it runs."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredList, gatherResults

from tests.database.calling import answers, failure, with_people
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.testing import result_of


@pytest_twisted.ensureDeferred
async def test_of_many_writes_at_once_those_that_fail_fail_alone(opens: Open) -> None:
    database = await with_people(await opens())
    insert = "INSERT INTO people (id, name) VALUES ({id}, {name})"
    calls = [database.execute(insert, id=10 + n, name=str(n // 2)) for n in range(100)]
    outcomes = await DeferredList(calls, consumeErrors=True)
    # Of two with one name, one is kept: with PostgreSQL either.
    assert sorted(outcomes[n][0] + outcomes[n + 1][0] for n in range(0, 100, 2)) == [1] * 50
    assert (await database.one("SELECT count(*) FROM people"))[0] == 52
    for is_done, outcome in outcomes:
        failed: Any = outcome
        assert is_done or failed.type is errors.UniqueViolation


@pytest_twisted.ensureDeferred
async def test_what_was_written_is_seen_by_the_next_read(opens: Open) -> None:
    database = await with_people(await opens())

    async def turn(number: int) -> bool:
        await database.execute("INSERT INTO people (id) VALUES ({id})", id=number)
        return (
            await database.maybe_one("SELECT 1 FROM people WHERE id = {id}", id=number) is not None
        )

    assert all(await gatherResults([Deferred.fromCoroutine(turn(100 + n)) for n in range(60)]))


def test_before_its_start_a_database_is_closed(reactor: Any) -> None:
    database = Database(reactor, "sqlite::memory:")
    with pytest.raises(errors.Closed):
        result_of(database.query("SELECT 1"))
    with pytest.raises(errors.Closed):
        database.stream("SELECT 1")


@pytest_twisted.ensureDeferred
async def test_a_database_that_was_stopped_can_be_started_again(opens: Open) -> None:
    database: Database = await opens()
    await database.stopService()
    await database.stopService()
    assert isinstance(await failure(database.probe()), errors.Closed)
    await database.startService()
    assert await answers(database)
    await database.probe()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 86_401, "x", None])
def test_a_deadline_that_is_none_is_told(reactor: Any, seconds: Any) -> None:
    database = Database(reactor, "sqlite::memory:")
    with pytest.raises(ValueError, match="a deadline is above 0 and at most 86,400 seconds, not"):
        database.with_deadline(seconds)
