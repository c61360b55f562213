"""Steps are applied once, in order, by one of all the processes that start together."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from tests.database.calling import failure
from tests.database.databases import Open
from tests.processes import Start
from toolkit.database.errors import MigrationError, StatementError

STEPS = [
    "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)",
    "-- a {brace}; and a comment\nALTER TABLE a ADD COLUMN y TEXT DEFAULT ';'",
    "UPDATE a SET x = x + 1;",
]


@pytest_twisted.ensureDeferred
async def test_each_step_is_applied_once(opens: Open) -> None:
    database = await opens()
    assert await database.migrate(STEPS[:1]) == [1]
    assert await database.migrate(STEPS) == [2, 3]
    assert await database.migrate(STEPS) == []
    assert await database.query("SELECT * FROM a") == [(2, ";")]


@pytest_twisted.ensureDeferred
async def test_steps_may_have_numbers_of_their_own(opens: Open) -> None:
    database = await opens()
    assert await database.migrate({20: STEPS[2], 10: STEPS[0]}) == [10, 20]
    assert await database.query("SELECT * FROM a") == [(2,)]


@pytest_twisted.ensureDeferred
async def test_a_step_that_fails_leaves_the_database_as_it_was(opens: Open) -> None:
    database = await opens()
    await database.migrate(STEPS[:1])
    error = await failure(database.migrate([*STEPS, "UPDATE no_such_table SET x = 1"]))
    assert isinstance(error, StatementError)
    assert "no_such_table" in str(error)
    assert await database.query("SELECT * FROM a") == [(1,)]
    assert await database.migrate(STEPS) == [2, 3]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["CREATE TABLE b (x INTEGER)", STEPS[1]], "step 1 has changed .* a new step 3"),
        (STEPS[:1], "step 2 was applied .* is missing"),
        ([], "step 1 was applied .* is missing"),
        ({0: "SELECT 1"}, "1 or more, not 0"),
        (["  "], "step 1 must be SQL"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_step_that_was_applied_must_stay(opens: Open, steps: Any, message: str) -> None:
    database = await opens()
    await database.migrate(STEPS[:2])
    waited: Deferred[Any] = database.migrate(steps)
    with pytest.raises(MigrationError, match=message):
        await waited


@pytest_twisted.ensureDeferred
async def test_a_new_step_comes_after_the_old_ones(opens: Open) -> None:
    database = await opens()
    await database.migrate({5: STEPS[0]})
    error = await failure(database.migrate({3: "CREATE TABLE b (x INTEGER)", 5: STEPS[0]}))
    assert "step 3 is new, and step 5 was applied before: number it 6" in str(error)


@pytest_twisted.ensureDeferred
async def test_of_ten_processes_that_start_together_one_applies_the_steps(
    start: Start, url: str, opens: Open
) -> None:
    if url == "sqlite::memory:":
        pytest.skip("a database in memory belongs to one process")
    script = (
        "import sys\n"
        "from toolkit import run\n"
        "from toolkit.database.database import Database\n"
        "async def main(reactor):\n"
        "    database = Database(reactor, sys.argv[1])\n"
        "    await database.startService()\n"
        "    print('applied', await database.migrate(sys.argv[2:]))\n"
        "    await database.stopService()\n"
        "run(main)\n"
    )
    programs = [start("python", "-c", script, url, *STEPS) for _ in range(10)]
    ended = await gatherResults([program.ended() for program in programs])
    assert ended == [0] * 10, [program.err for program in programs]
    applied = sorted(program.out.strip() for program in programs)
    assert applied == ["applied [1, 2, 3]"] + ["applied []"] * 9
    assert await (await opens()).query("SELECT * FROM a") == [(2, ";")]


@pytest_twisted.ensureDeferred
async def test_the_steps_of_each_name_are_counted_apart(opens: Open) -> None:
    database = await opens()
    assert await database.migrate(["CREATE TABLE a (x INTEGER)"], "one") == [1]
    assert await database.migrate(["CREATE TABLE b (x INTEGER)"], "two") == [1]
    assert await database.migrate(["CREATE TABLE a (x INTEGER)"], "one") == []
    error = await failure(database.migrate(["CREATE TABLE c (x INTEGER)"], "two"))
    assert "step 1 of two has changed" in str(error)
