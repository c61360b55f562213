"""Each call gives what its name says, or fails before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.database.calling import failure, with_people
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.rows import Row
from toolkit.database.transaction import Transaction
from toolkit.testing import result_of


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
async def test_a_coroutine_function_is_no_transaction_and_nothing_is_kept(opens: Open) -> None:
    database = await opens()

    async def writes(transaction: Transaction) -> None:
        transaction.execute("CREATE TABLE t (x INTEGER)")

    with pytest.raises(TypeError, match="coroutine function or a generator"):
        await database.transaction(writes)  # type: ignore[unused-coroutine] # that is the mistake
