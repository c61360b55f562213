"""A database answers, on whichever of the three it runs."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredList, gatherResults

from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.rows import Row
from toolkit.database.transaction import Transaction
from toolkit.errors import SettingsError
from toolkit.testing import result_of

PEOPLE = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT UNIQUE, age INTEGER CHECK (age > 0))"
)


async def with_people(database: Database) -> Database:
    await database.execute(PEOPLE)
    rows = [{"id": 1, "name": "ann", "age": 31}, {"id": 2, "name": "ben", "age": 27}]
    await database.execute_many("INSERT INTO people VALUES ({id}, {name}, {age})", rows)
    return database


async def failure(waited: Deferred[Any]) -> BaseException:
    """What a call failed with."""
    try:
        found = await waited
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        return error
    raise AssertionError(f"it did not fail, but gave {found!r}")


@pytest_twisted.ensureDeferred
async def test_rows_are_read_by_name_and_by_position(opens: Open) -> None:
    database = await with_people(await opens())
    rows = await database.query("SELECT name, age FROM people ORDER BY id")
    assert rows == [("ann", 31), ("ben", 27)]
    assert [(row["name"], row[1]) for row in rows] == [("ann", 31), ("ben", 27)]
    assert dict(rows[0]) == {"name": "ann", "age": 31}
    assert isinstance(rows[0], Row)
    name, age = rows[1]
    assert (name, age, repr(rows[1])) == ("ben", 27, "Row(name='ben', age=27)")


@pytest_twisted.ensureDeferred
async def test_one_wants_one_row_and_maybe_one_at_most_one(opens: Open) -> None:
    database = await with_people(await opens())
    by_name = "SELECT id FROM people WHERE name = {name}"
    found = await database.one(by_name, name="ann")
    assert found["id"] == 1
    assert await database.maybe_one(by_name, name="zoe") is None
    maybe = await database.maybe_one(by_name, name="ben")
    assert maybe is not None
    assert maybe[0] == 2
    assert isinstance(await failure(database.one(by_name, name="zoe")), errors.NoRow)
    several: list[Deferred[Any]] = [
        database.one("SELECT id FROM people"),
        database.maybe_one("SELECT id FROM people"),
    ]
    for call in several:
        assert isinstance(await failure(call), errors.TooManyRows)


@pytest_twisted.ensureDeferred
async def test_execute_tells_how_many_rows_it_changed(opens: Open) -> None:
    database = await with_people(await opens())
    assert await database.execute("UPDATE people SET age = age + {years}", years=1) == 2
    assert await database.execute("DELETE FROM people WHERE name = {name}", name="zoe") == 0
    added = [{"id": 10 + n, "name": str(n)} for n in range(5)]
    insert = "INSERT INTO people (id, name) VALUES ({id}, {name})"
    assert await database.execute_many(insert, added) == 5
    assert await database.execute_many(insert, []) == 0
    assert (await database.one("SELECT sum(age) FROM people"))[0] == 60


@pytest_twisted.ensureDeferred
async def test_what_a_statement_that_writes_returns_is_read(opens: Open) -> None:
    database = await with_people(await opens())
    row = await database.one(
        "INSERT INTO people (id, name) VALUES ({id}, {name}) RETURNING id, name", id=7, name="eve"
    )
    assert dict(row) == {"id": 7, "name": "eve"}
    assert (await database.one("SELECT count(*) FROM people"))[0] == 3


@pytest_twisted.ensureDeferred
async def test_a_value_is_never_part_of_the_text(opens: Open) -> None:
    database = await with_people(await opens())
    nasty = "x'); DROP TABLE people; -- {name} {{ % %s ?1 $1"
    await database.execute("INSERT INTO people (id, name) VALUES (3, {name})", name=nasty)
    found = await database.one(
        "SELECT name, '{{100 %}}' FROM people WHERE name = {name}", name=nasty
    )
    assert found == (nasty, "{100 %}")


@pytest_twisted.ensureDeferred
async def test_parameters_that_do_not_fit_fail_before_anything_runs(opens: Open) -> None:
    database = await with_people(await opens())
    before = database.figures().done
    calls: list[Deferred[Any]] = [
        database.query("SELECT {a}"),
        database.execute("DELETE FROM people", a=1),
        database.execute_many("DELETE FROM people WHERE id = {id}", [{"id": 1}, {"ID": 2}]),
        database.query("SELECT '{a}'", a=1),
    ]
    for call in calls:
        with pytest.raises(errors.ParameterError):
            result_of(call)
    assert database.figures().done == before
    assert database.figures().running == 0


@pytest_twisted.ensureDeferred
async def test_each_mistake_has_its_class(opens: Open) -> None:
    database = await with_people(await opens())
    await database.execute("CREATE TABLE pets (owner INTEGER NOT NULL REFERENCES people (id))")
    cases: list[tuple[Deferred[Any], type[errors.DatabaseError]]] = [
        (database.execute("INSERT INTO people VALUES (1, 'x', 1)"), errors.UniqueViolation),
        (database.execute("INSERT INTO people VALUES (9, 'ann', 1)"), errors.UniqueViolation),
        (database.execute("INSERT INTO pets VALUES (5)"), errors.ForeignKeyViolation),
        (database.execute("INSERT INTO pets VALUES (NULL)"), errors.ConstraintViolation),
        (database.execute("INSERT INTO people VALUES (9, 'z', 0)"), errors.ConstraintViolation),
        (database.query("SELECT * FROM no_such_table"), errors.StatementError),
        (database.query("SELEC 1"), errors.StatementError),
        (database.query("SELECT {a}", a=object()), errors.StatementError),
        (database.execute("BEGIN"), errors.StatementError),
    ]
    for call, kind in cases:
        error = await failure(call)
        assert type(error) is kind
    assert (await database.one("SELECT count(*) FROM people"))[0] == 2


@pytest_twisted.ensureDeferred
async def test_an_error_shows_the_statement_and_no_value(opens: Open) -> None:
    database = await with_people(await opens())
    secret = "hunter2-of-the-tests"
    calls: list[Deferred[Any]] = [
        database.query("SELECT * FROM people WHERE nme = {value}", value=secret),
        database.query("SELECT * FROM people WHERE id + abs({value}) = 'x' || zzz", value=secret),
        database.execute("INSERT INTO people (id, name) VALUES (1, {value})", value=secret),
        database.execute("INSERT INTO people (id, name) VALUES ({value}, 'q')", value=secret),
    ]
    for call in calls:
        error = await failure(call)
        assert isinstance(error, errors.DatabaseError)
        assert "{value}" in str(error)
        assert "{value}" in error.sql
        assert secret not in str(error)
        assert "\n" not in str(error)
        assert error.native
        assert error.__cause__ is None
        assert error.__suppress_context__


@pytest_twisted.ensureDeferred
async def test_a_transaction_is_kept_whole_or_not_at_all(opens: Open) -> None:
    database = await with_people(await opens())

    def birthday(transaction: Transaction, name: str, *, fails: bool) -> int:
        transaction.execute("UPDATE people SET age = age + 1 WHERE name = {name}", name=name)
        if fails:
            raise LookupError("no cake")
        age: int = transaction.one("SELECT age FROM people WHERE name = {name}", name=name)["age"]
        return age

    assert await database.transaction(birthday, "ann", fails=False) == 32
    assert str(await failure(database.transaction(birthday, "ann", fails=True))) == "no cake"
    assert (await database.one("SELECT age FROM people WHERE id = 1"))[0] == 32


@pytest_twisted.ensureDeferred
async def test_a_savepoint_undoes_only_what_is_in_it(opens: Open) -> None:
    database = await with_people(await opens())

    def adds(transaction: Transaction) -> str:
        transaction.execute("INSERT INTO people VALUES (3, 'eve', 5)")
        try:
            with transaction.savepoint():
                transaction.execute("INSERT INTO people VALUES (4, 'max', 5)")
                transaction.execute_many(
                    "INSERT INTO people VALUES (5, {name}, 5)", [{"name": "ann"}]
                )
        except errors.UniqueViolation as error:
            assert transaction.maybe_one("SELECT 1 FROM people WHERE id = 4") is None
            return error.code
        return "kept"

    assert await database.transaction(adds) == "unique-violation"
    rows = await database.query("SELECT name FROM people ORDER BY id")
    assert [row["name"] for row in rows] == ["ann", "ben", "eve"]


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


@pytest_twisted.ensureDeferred
async def test_the_figures_count_what_was_done(opens: Open) -> None:
    database = await with_people(await opens(slow_seconds=30))
    before = database.figures().done
    await database.query("SELECT 1")
    await failure(database.query("SELECT nothing"))
    figures = database.figures()
    assert (figures.done - before, figures.failed) == (1, 1)
    assert (figures.waiting, figures.running, figures.refused) == (0, 0, 0)
    assert figures.connections >= 1
    assert figures.seconds > 0


@pytest_twisted.ensureDeferred
async def test_a_slow_statement_is_logged_without_its_values(
    opens: Open, logged: list[Any]
) -> None:
    database = await opens(slow_seconds=1e-9)
    await database.query("SELECT {secret}", secret="hunter2")
    (event,) = [one for one in logged if one.get("sql") == "SELECT {secret}"]
    assert event["parameters"] == "secret=****"
    assert event["seconds"] > 0
    assert "hunter2" not in str(event)
    assert database.figures().slow >= 1


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite://x", "mysql://u:pw@h/d", "sqlite:x?y=z"])
def test_a_url_of_no_database_is_told_with_what_would_be_right(reactor: Any, url: str) -> None:
    with pytest.raises(SettingsError, match="expected sqlite:PATH") as raised:
        Database(reactor, url)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "nothing was given"),
        ("  ", "nothing was given"),
        ("sqlite:///abs/path", "without // before the path: sqlite:/absolute/path"),
        ("sqlite:////abs/path", "without // before the path: sqlite:/absolute/path"),
        ("sqlite:x?cache=shared", "after a ? only mode=ro"),
        ("file:x.db", "sqlite: in place of file:"),
        ("site.db", "a path begins with sqlite:"),
        ("C:site.db", "a path begins with sqlite:"),
        ("mysql://h/d", "there is no other kind"),
        ("postgresql+psycopg://h/d", "without the driver's name"),
        ("postgresql://h/a b", "a space in it is written %20"),
        ("postgresql:h", "with // after postgresql:"),
    ],
)
def test_a_url_that_is_nearly_one_is_told_how_it_is_written(
    reactor: Any, url: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        Database(reactor, url)
    assert f"({hint}" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://", "postgresql:///d?host=/tmp"])
def test_both_names_of_postgresql_are_taken(reactor: Any, url: str) -> None:
    assert Database(reactor, url).dialect == "postgresql"


def test_before_its_start_a_database_is_closed(reactor: Any) -> None:
    database = Database(reactor, "sqlite::memory:")
    with pytest.raises(errors.Closed):
        result_of(database.query("SELECT 1"))
    with pytest.raises(errors.Closed):
        database.stream("SELECT 1")


@pytest_twisted.ensureDeferred
async def test_a_transaction_that_has_ended_does_nothing(opens: Open) -> None:
    database = await opens()
    left: list[Transaction] = []
    await database.transaction(left.append)
    with pytest.raises(errors.Closed, match="the transaction has ended"):
        left[0].execute("CREATE TABLE t (x INTEGER)")


@pytest_twisted.ensureDeferred
async def test_a_coroutine_function_is_no_transaction_and_nothing_is_kept(opens: Open) -> None:
    database = await opens()

    async def writes(transaction: Transaction) -> None:
        transaction.execute("CREATE TABLE t (x INTEGER)")

    with pytest.raises(TypeError, match="coroutine function or a generator"):
        await database.transaction(writes)  # type: ignore[unused-coroutine] # that is the mistake
