"""Writes to SQLite share a commit; one that fails, or takes it along, fails alone."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.defer import CancelledError, DeferredList, gatherResults
from twisted.internet.task import deferLater

from tests.database.calling import ENDLESS, failure, held
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.transaction import Transaction


async def opened(opens_at: Open, folder: Path, **settings: Any) -> Database:
    database = await opens_at(f"sqlite:{folder / 'test.db'}", **settings)
    await database.execute("CREATE TABLE t (x INTEGER UNIQUE)")
    return database


async def numbers(database: Database) -> list[int]:
    return [row["x"] for row in await database.query("SELECT x FROM t ORDER BY x")]


@pytest_twisted.ensureDeferred
async def test_what_waits_is_written_in_one_transaction(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path)
    seen: list[bool] = []
    with closing(sqlite3.connect(tmp_path / "test.db")) as other:

        def counts(_transaction: Transaction) -> None:
            # In the same thread, after the others and before their commit: nothing is there yet.
            with closing(sqlite3.connect(tmp_path / "test.db")) as inside:
                seen.append(inside.execute("SELECT count(*) FROM t").fetchone() == (0,))

        async with held(database, reactor):
            calls = [database.execute("INSERT INTO t VALUES ({x})", x=x) for x in range(50)]
            last = database.transaction(counts)
        await last
        await gatherResults(calls)
        assert seen == [True]
        assert other.execute("SELECT count(*) FROM t").fetchone() == (50,)


@pytest_twisted.ensureDeferred
async def test_in_a_group_one_that_fails_is_rolled_back_alone(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path)

    def half(transaction: Transaction, x: int) -> None:
        transaction.execute("INSERT INTO t VALUES ({x})", x=x)
        transaction.execute("INSERT INTO t VALUES ({x})", x=x)

    async with held(database, reactor):
        calls: list[Any] = [
            database.execute("INSERT INTO t VALUES (1)"),
            database.transaction(half, 2),
        ]
        calls += [
            database.execute("INSERT INTO t VALUES (1)"),
            database.execute("INSERT INTO t VALUES (3)"),
        ]
        outcomes: Any = DeferredList(calls, consumeErrors=True)
    assert [is_done for is_done, _ in await outcomes] == [True, False, False, True]
    assert await numbers(database) == [1, 3]


@pytest_twisted.ensureDeferred
async def test_one_that_takes_the_whole_transaction_along_does_not_take_the_others(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path)
    async with held(database, reactor):
        insert = "INSERT {} INTO t VALUES ({})"
        calls = [
            database.execute(insert.format("", 1)),
            database.execute(insert.format("", 2)),
            database.execute(insert.format("OR ROLLBACK", 1)),  # SQLite ends the transaction
            database.execute(insert.format("", 3)),
        ]
        outcomes = DeferredList(calls, consumeErrors=True)
    assert [is_done for is_done, _ in await outcomes] == [True, True, False, True]
    assert await numbers(database) == [1, 2, 3]


@pytest_twisted.ensureDeferred
async def test_a_statement_that_fails_halfway_and_keeps_the_first_half_is_undone_whole(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path)
    async with held(database, reactor):
        calls: list[Any] = [
            database.execute("INSERT INTO t VALUES (1)"),
            database.execute("INSERT OR FAIL INTO t VALUES (5), (6), (1)"),
            database.execute("INSERT INTO t VALUES (2), (3), (1)"),
            database.execute("INSERT INTO t VALUES (4)"),
        ]
        outcomes: Any = DeferredList(calls, consumeErrors=True)
    assert [is_done for is_done, _ in await outcomes] == [True, False, False, True]
    assert await numbers(database) == [1, 4]


@pytest_twisted.ensureDeferred
async def test_a_constraint_that_the_commit_checks_fails_only_whom_it_concerns(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path)
    await database.execute(
        "CREATE TABLE child (x INTEGER REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)"
    )
    async with held(database, reactor):
        calls = [
            database.execute("INSERT INTO t VALUES (1)"),
            database.execute("INSERT INTO child VALUES (9)"),
            database.execute("INSERT INTO child VALUES (1)"),
        ]
        outcomes = DeferredList(calls, consumeErrors=True)
    found: Any = await outcomes
    assert [is_done for is_done, _ in found] == [True, False, True]
    assert found[1][1].type is errors.ForeignKeyViolation
    assert await numbers(database) == [1]


@pytest_twisted.ensureDeferred
async def test_one_that_is_interrupted_in_a_group_leaves_the_others_written(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path, slow_seconds=30)
    async with held(database, reactor):
        calls = [database.execute("INSERT INTO t VALUES ({x})", x=x) for x in range(3)]
        endless = database.execute(
            f"INSERT INTO t {ENDLESS.replace('SELECT count(*)', 'SELECT i + 9')}"
        )
        calls += [database.execute("INSERT INTO t VALUES ({x})", x=x) for x in range(3, 6)]
    await deferLater(reactor, 0.2)
    endless.cancel()
    assert isinstance(await failure(endless), CancelledError)
    await gatherResults(calls)
    assert await numbers(database) == [0, 1, 2, 3, 4, 5]


@pytest_twisted.ensureDeferred
async def test_a_bug_in_one_function_fails_that_one_call(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path)

    def ends(_: Transaction) -> None:
        raise SystemExit("no")

    async with held(database, reactor):
        before = database.execute("INSERT INTO t VALUES (1)")
        ending = database.transaction(ends)
        after = database.execute("INSERT INTO t VALUES (2)")
    assert [await one for one in (before, after)] == [1, 1]
    try:
        await ending
    except SystemExit as error:
        assert str(error) == "no"
    assert await numbers(database) == [1, 2]
    assert threading.active_count() < 50


@pytest_twisted.ensureDeferred
async def test_what_cannot_run_in_a_transaction_runs_outside(
    opens_at: Open, tmp_path: Path
) -> None:
    database = await opened(opens_at, tmp_path)
    writes = [database.execute("INSERT INTO t VALUES ({x})", x=x) for x in range(20)]
    vacuum = database.execute("VACUUM")
    await gatherResults([*writes, vacuum])
    assert len(await numbers(database)) == 20


@pytest_twisted.ensureDeferred
async def test_two_databases_on_one_file_write_without_losing_anything(
    opens_at: Open, tmp_path: Path
) -> None:
    first = await opened(opens_at, tmp_path)
    second = await opens_at(f"sqlite:{tmp_path / 'test.db'}")
    insert = "INSERT INTO t VALUES ({x})"
    calls = [(first, second)[x % 2].execute(insert, x=x) for x in range(400)]
    assert await gatherResults(calls) == [1] * 400
    assert await numbers(second) == list(range(400))


@pytest_twisted.ensureDeferred
async def test_those_that_wait_for_the_lock_of_others_wait_together(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    database = await opened(opens_at, tmp_path, busy_seconds=0.3)
    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = reactor.seconds()
        calls = [database.execute("INSERT INTO t VALUES (1)") for _ in range(20)]
        for call in calls:
            assert isinstance(await failure(call), errors.Busy)
        assert reactor.seconds() - began < 3
        other.execute("ROLLBACK")
    assert await database.execute("INSERT INTO t VALUES (1)") == 1
