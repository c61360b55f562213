"""A database asked by many at once: the toolkit's beside adbapi, aiosqlite and psycopg's pool.

Each contender is a process of its own and does the same statements, over the same kind of file or
the same server, with the same durability.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench.contest import installed, rounds_of, show

SERVER = os.environ.get("TOOLKIT_TEST_POSTGRESQL_URL", "postgresql://127.0.0.1/postgres")
SQLITE = ("adbapi", "aiosqlite", "toolkit")
POSTGRESQL = ("psycopg-pool", "toolkit")
ROWS = 10_000
STREAMED = 1_000_000

Ask = Callable[[int], Awaitable[Any]]
"""Asks one thing, of its number."""

_TABLE = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)"
_FILL = (
    f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) "
    "INSERT INTO people SELECT i, 'somebody number ' || i, i % 90 FROM n"
)
_READ = "SELECT id, name, age FROM people WHERE id = {}"
_WRITE = "INSERT INTO people (id, name, age) VALUES ({}, {}, {})"


def compare(seconds: float, rounds: int) -> None:
    """Measure all contenders and print tables.

    Args:
        seconds: How long each is asked in a round.
        rounds: How many rounds.
    """

    def measure(*arguments: str) -> float:
        command = [sys.executable, "-m", "tests.bench.database", *arguments, str(seconds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout)

    def table(title: str, unit: str, contenders: Sequence[str], *arguments: str) -> None:
        measured = rounds_of(installed(contenders), rounds, lambda name: measure(name, *arguments))
        show(title, unit, measured)

    for at_once in (100, 1):
        title = f"SQLite: durable writes, {at_once} at once"
        table(title, "writes/s", SQLITE, "sqlite", "write", str(at_once))
    for at_once in (20, 1):
        table(
            f"SQLite: reads, {at_once} at once", "reads/s", SQLITE, "sqlite", "read", str(at_once)
        )
    for what in ("read", "write"):
        title = f"PostgreSQL: {what}s, 20 at once"
        table(title, f"{what}s/s", POSTGRESQL, "postgresql", what, "20")
    for kind in ("sqlite", "postgresql"):
        print(f"\n{kind}: {STREAMED:,} rows streamed: ", end="")
        command = [sys.executable, "-m", "tests.bench.database", "stream", kind]
        print(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout, end="")


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL, or the path, of a database with the table."""
    if kind == "sqlite":
        import sqlite3

        with tempfile.TemporaryDirectory(dir=".") as folder:
            path = os.path.join(folder, "bench.db")
            with sqlite3.connect(path) as file:
                file.execute("PRAGMA journal_mode = WAL")
                file.execute(_TABLE)
                file.execute(_FILL)
            file.close()
            yield path
    else:
        import psycopg

        name = f"toolkit_bench_{os.getpid()}"
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")
            url = f"{SERVER.rpartition('/')[0]}/{name}"
            try:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(_TABLE)
                    connection.execute(_FILL)
                yield url
            finally:
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def a_second(ask: Ask, at_once: int, seconds: float, gather: Any) -> float:
    """How often it is asked in a second, by so many who each ask again when they are answered."""
    numbers = iter(range(10**9))
    ends = time.monotonic() + min(0.3, seconds)

    async def asks() -> int:
        count = 0
        while time.monotonic() < ends:
            await ask(next(numbers))
            count += 1
        return count

    await gather([asks() for _ in range(at_once)])
    began = time.monotonic()
    ends = began + seconds
    counts: list[int] = await gather([asks() for _ in range(at_once)])
    return sum(counts) / (time.monotonic() - began)


# The contenders: each asks with what it has, and prints what it reached.


def _in_twisted(main: Callable[[Any], Awaitable[float]]) -> None:
    from toolkit.program import run

    async def printed(reactor: Any) -> None:
        print(await main(reactor))

    run(printed)


def _gather_deferreds(coroutines: list[Any]) -> Any:
    from twisted.internet.defer import Deferred, gatherResults

    return gatherResults([Deferred.fromCoroutine(one) for one in coroutines])


async def _gather_tasks(coroutines: list[Any]) -> Any:
    return await asyncio.gather(*coroutines)


def _toolkit(target: str, what: str, at_once: int, seconds: float) -> None:
    from toolkit.database.database import Database

    async def main(reactor: Any) -> float:
        database = Database(reactor, target if "://" in target else f"sqlite:{target}")
        await database.startService()
        read, write = _READ.format("{id}"), _WRITE.format("{id}", "{name}", "{age}")

        def reads(number: int) -> Awaitable[Any]:
            return database.one(read, id=number % ROWS + 1)

        def writes(number: int) -> Awaitable[Any]:
            return database.execute(write, id=ROWS + 1 + number, name="somebody new", age=30)

        try:
            ask = reads if what == "read" else writes
            return await a_second(ask, at_once, seconds, _gather_deferreds)
        finally:
            await database.stopService()

    _in_twisted(main)


def _adbapi(path: str, what: str, at_once: int, seconds: float) -> None:
    from twisted.enterprise.adbapi import ConnectionPool

    def opened(connection: Any) -> None:
        connection.execute("PRAGMA synchronous = FULL")

    async def main(reactor: Any) -> float:
        # One connection for those who write, as SQLite locks the file; five for those who read.
        most = 1 if what == "write" else 5
        pool = ConnectionPool(
            "sqlite3",
            path,
            check_same_thread=False,
            cp_openfun=opened,
            cp_max=most,
            cp_reactor=reactor,
        )
        read, write = _READ.format("?"), _WRITE.format("?", "?", "?")

        def reads(number: int) -> Awaitable[Any]:
            rows: Awaitable[Any] = pool.runQuery(read, (number % ROWS + 1,))
            return rows

        def writes(number: int) -> Awaitable[Any]:
            values = (ROWS + 1 + number, "somebody new", 30)
            done: Awaitable[Any] = pool.runOperation(write, values)
            return done

        try:
            ask = reads if what == "read" else writes
            return await a_second(ask, at_once, seconds, _gather_deferreds)
        finally:
            pool.close()

    _in_twisted(main)


def _aiosqlite(path: str, what: str, at_once: int, seconds: float) -> None:
    import aiosqlite

    async def main() -> None:
        # In autocommit mode, as one connection has one transaction.
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            await connection.execute("PRAGMA synchronous = FULL")
            read, write = _READ.format("?"), _WRITE.format("?", "?", "?")

            def reads(number: int) -> Awaitable[Any]:
                rows: Awaitable[Any] = connection.execute_fetchall(read, (number % ROWS + 1,))
                return rows

            def writes(number: int) -> Awaitable[Any]:
                row = (ROWS + 1 + number, "somebody new", 30)
                done: Awaitable[Any] = connection.execute_insert(write, row)
                return done

            ask = reads if what == "read" else writes
            print(await a_second(ask, at_once, seconds, _gather_tasks))

    asyncio.run(main())


def _psycopg_pool(url: str, what: str, at_once: int, seconds: float) -> None:
    from psycopg_pool import AsyncConnectionPool

    async def main() -> None:
        autocommit = {"autocommit": True}
        async with AsyncConnectionPool(url, min_size=8, max_size=8, kwargs=autocommit) as pool:
            read, write = _READ.format("%s"), _WRITE.format("%s", "%s", "%s")

            async def reads(number: int) -> Any:
                async with pool.connection() as connection:
                    cursor = await connection.execute(read, (number % ROWS + 1,))
                    return await cursor.fetchone()

            async def writes(number: int) -> Any:
                async with pool.connection() as connection:
                    values = (ROWS + 1 + number, "somebody new", 30)
                    return await connection.execute(write, values)

            ask = reads if what == "read" else writes
            print(await a_second(ask, at_once, seconds, _gather_tasks))

    asyncio.run(main())


def _streams(target: str) -> None:
    """Stream a million rows: how many a second, the most memory, and the longest stall."""
    from twisted.internet.task import LoopingCall

    from toolkit.database.database import Database
    from toolkit.program import run

    rows = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {STREAMED}) "
        "SELECT i AS id, 'somebody number ' || i AS name, i % 90 AS age FROM n"
    )

    async def main(reactor: Any) -> None:
        database = Database(reactor, target if "://" in target else f"sqlite:{target}")
        await database.startService()
        turns = [time.monotonic()]
        stalls = [0.0]

        def turn() -> None:
            now = time.monotonic()
            stalls[0] = max(stalls[0], now - turns[0] - 0.001)
            turns[0] = now

        watch = LoopingCall(turn)
        watch.start(0.001)
        began = time.monotonic()
        count = 0
        async for batch in database.stream(rows):
            count += sum(1 for row in batch if row["id"] > 0)
        seconds = time.monotonic() - began
        watch.stop()
        assert count == STREAMED
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count / seconds:,.0f} rows/s, {memory:.0f} MiB of memory at most, "
            f"the reactor held up for {stalls[0] * 1000:.1f} ms at most"
        )
        await database.stopService()

    run(main)


_CONTENDERS: dict[str, Callable[[str, str, int, float], None]] = {
    "adbapi": _adbapi,
    "aiosqlite": _aiosqlite,
    "psycopg-pool": _psycopg_pool,
    "toolkit": _toolkit,
}


if __name__ == "__main__":
    if sys.argv[1] == "stream":
        with database(sys.argv[2]) as target:
            _streams(target)
    else:
        name, kind, what, at_once, seconds = sys.argv[1:]
        with database(kind) as target:
            _CONTENDERS[name](target, what, int(at_once), float(seconds))
