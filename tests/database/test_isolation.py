"""A transaction runs as if it were alone, on each database, however many others there are."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import psycopg
import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList, gatherResults

from tests.database.calling import Gate, failure
from tests.database.databases import Open
from tests.processes import Start
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.transaction import Transaction

COUNTER = "CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER)"


async def with_counter(database: Database) -> Database:
    await database.execute(COUNTER)
    await database.execute("INSERT INTO counter VALUES (1, 0)")
    return database


def counts(transaction: Transaction) -> None:
    """Adds one, by reading first."""
    n = transaction.one("SELECT n FROM counter WHERE id = 1")["n"]
    transaction.execute("UPDATE counter SET n = {n} WHERE id = 1", n=n + 1)


@pytest.mark.parametrize("count", [200, 1000])
@pytest_twisted.ensureDeferred
async def test_of_many_that_read_and_then_write_none_is_lost(opens: Open, count: int) -> None:
    database = await with_counter(await opens())
    await gatherResults([database.transaction(counts) for _ in range(count)])
    assert await database.query("SELECT n FROM counter") == [(count,)]
    assert (database.dialect == "postgresql") == (database.figures().retried > 0)


@pytest_twisted.ensureDeferred
async def test_nor_where_several_processes_do_so(opens: Open, url: str, start: Start) -> None:
    if url == "sqlite::memory:":
        pytest.skip("a database in memory belongs to one process")
    script = (
        "import sys\n"
        "from twisted.internet.defer import gatherResults\n"
        "from tests.database.test_isolation import counts\n"
        "from toolkit import run\n"
        "from toolkit.database.database import Database\n"
        "async def main(reactor):\n"
        "    database = Database(reactor, sys.argv[1])\n"
        "    await database.startService()\n"
        "    await gatherResults([database.transaction(counts) for _ in range(200)])\n"
        "    await database.stopService()\n"
        "run(main)\n"
    )
    database = await with_counter(await opens())
    programs = [start("python", "-c", script, url) for _ in range(3)]
    ended = await gatherResults([program.ended() for program in programs])
    assert ended == [0] * 3, [program.err for program in programs]
    assert await database.query("SELECT n FROM counter") == [(600,)]


@pytest_twisted.ensureDeferred
async def test_two_that_each_read_what_the_other_writes_do_not_both_go_by_it(opens: Open) -> None:
    database = await opens()
    await database.execute("CREATE TABLE on_call (name TEXT PRIMARY KEY)")
    names = [{"name": "ann"}, {"name": "ben"}]
    await database.execute_many("INSERT INTO on_call VALUES ({name})", names)
    both = threading.Barrier(2)
    begun: set[str] = set()

    def leaves(transaction: Transaction, name: str) -> bool:
        count = transaction.one("SELECT count(*) FROM on_call")[0]
        if database.dialect == "postgresql" and name not in begun:
            begun.add(name)
            both.wait(5)
        if count < 2:
            return False
        return transaction.execute("DELETE FROM on_call WHERE name = {name}", name=name) == 1

    calls = [database.transaction(leaves, name) for name in ("ann", "ben")]
    outcomes: Any = await DeferredList(calls, consumeErrors=True)
    assert sorted(outcome for _, outcome in outcomes) == [False, True]
    assert len(await database.query("SELECT * FROM on_call")) == 1


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({}, "serializable"),
        ({"isolation": "repeatable-read"}, "repeatable read"),
        ({"isolation": "read-committed"}, "read committed"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_isolation_of_transactions_is_a_setting(
    opens_at: Open, postgresql: str, settings: Any, level: str
) -> None:
    database = await opens_at(postgresql, **settings)
    shown = "SHOW transaction_isolation"
    assert await database.transaction(Transaction.query, shown) == [(level,)]
    assert await database.query(shown) == [("read committed",)]


@pytest_twisted.ensureDeferred
async def test_migrations_and_many_at_once_see_what_others_have_committed(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql)
    await database.execute("CREATE TABLE seen (level TEXT)")
    insert = "INSERT INTO seen VALUES (current_setting('transaction_isolation') || {x})"
    await database.execute_many(insert, [{"x": "!"}])
    await database.migrate(["INSERT INTO seen SELECT current_setting('transaction_isolation')"])
    rows = await database.query("SELECT level FROM seen")
    assert rows == [("read committed!",), ("read committed",)]


@pytest_twisted.ensureDeferred
async def test_one_that_conflicts_for_ever_fails_after_so_many(
    opens_at: Open, postgresql: str
) -> None:
    database = await with_counter(await opens_at(postgresql, conflicts=3))
    with closing(psycopg.connect(postgresql, autocommit=True)) as other:

        def loses(transaction: Transaction) -> None:
            transaction.one("SELECT n FROM counter")
            other.execute("UPDATE counter SET n = n + 1")
            transaction.execute("UPDATE counter SET n = 0")

        error = await failure(database.transaction(loses))
    assert type(error) is errors.Conflict
    assert database.figures().retried == 3
    assert await database.query("SELECT n FROM counter") == [(4,)]


@pytest_twisted.ensureDeferred
async def test_one_that_waits_for_its_turn_can_be_cancelled_and_leaves_at_the_stop(
    opens_at: Open, postgresql: str, reactor: Any
) -> None:
    database = await with_counter(await opens_at(postgresql, drain_seconds=0.1))
    gate = Gate()
    tries: dict[str, int] = {}
    with closing(psycopg.connect(postgresql, autocommit=True)) as other:

        def loses(transaction: Transaction, name: str) -> None:
            tries[name] = tries.get(name, 0) + 1
            transaction.one("SELECT n FROM counter")
            if tries[name] > 2:
                gate.passes(transaction, reactor)
            else:
                other.execute("UPDATE counter SET n = n + 1")
                transaction.execute("UPDATE counter SET n = 0")

        holder = database.transaction(loses, "holder")
        await gate.entered
        waiting = [database.transaction(loses, name) for name in ("a", "b")]
        while [tries.get(name) for name in "ab"] != [2, 2] or database.figures().waiting < 2:
            await database.query("SELECT 1")
        waiting[0].cancel()
        assert database.figures().waiting == 1
        stopped = database.stopService()
        gate.open()
        await holder
        await stopped
    outcomes: Any = await DeferredList(waiting, consumeErrors=True)
    assert [failed.type.__name__ for _, failed in outcomes] == ["CancelledError", "Closed"]
    assert [tries["a"], tries["b"]] == [2, 2]
