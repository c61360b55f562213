"""A copy is there as a whole or not at all, whatever happens while it is made."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError

from tests.database.calling import failure
from tests.database.databases import Open
from tests.processes import Start
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database
from toolkit.database.database import Database
from toolkit.database.errors import DeadlinePassed

TABLES = {"postgresql": "SELECT relname FROM pg_class WHERE relname IN ('a', 'b')"}
BEGUN = "b: 2000 of 40000"
STILL_THERE = "SELECT name FROM sqlite_master WHERE name IN ('a', 'b')"


async def filled(database: Database, rows: int = 3000) -> None:
    await database.execute("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    await database.execute("CREATE TABLE b (x INTEGER)")
    for table in "ab":
        numbers = [{"x": number} for number in range(rows)]
        await database.execute_many(f"INSERT INTO {table} VALUES ({{x}})", numbers)


async def tables_in(database: Database) -> list[Any]:
    return await database.query(TABLES.get(database.dialect, STILL_THERE))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest_twisted.ensureDeferred
async def test_a_copy_that_was_killed_has_left_nothing_and_the_next_one_is_whole(
    kind: str, number: signal.Signals, start: Start, opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    url = postgresql if kind == "postgresql" else f"sqlite:{tmp_path / 'target.db'}"
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(source, 40_000)
    command = [
        "python",
        "-m",
        "tests.database.copying.copier",
        f"sqlite:{tmp_path / 'source.db'}?mode=ro",
    ]
    stops_at = BEGUN if number is signal.SIGKILL else "never"
    program = start(*command, url, stops_at, cwd=Path.cwd())
    # The first table is all there, and the second one begun.
    await program.line(BEGUN)
    program.signal(number)
    assert await program.ended() == (-9 if number is signal.SIGKILL else 128 + number)
    assert program.err == ""
    target = await opens_at(url)
    assert await tables_in(target) == []
    copy = await copy_database(source, target)
    assert [one.rows for one in copy.tables] == [40_000, 40_000]


@pytest_twisted.ensureDeferred
async def test_a_copy_that_is_cancelled_leaves_the_target_as_it_was(
    opens: Open, opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(source)
    target = await opens()
    await target.execute("CREATE TABLE b (x INTEGER)")
    await target.execute("INSERT INTO b VALUES (-1)")

    def progress(table: str, done: int, _total: int) -> None:
        if (table, done) == ("b", 20):
            reactor.callFromThread(copying.cancel)

    copying = copy_database(source, target, True, 10, progress)
    with pytest.raises(CancelledError):
        await copying
    assert await target.query("SELECT x FROM b") == [(-1,)]
    assert [tuple(row) for row in await tables_in(target)] == [("b",)]


@pytest_twisted.ensureDeferred
async def test_a_copy_that_takes_too_long_ends(opens: Open, opens_at: Open, tmp_path: Path) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(source)
    target = await opens()
    error = await failure(copy_database(source, target, batch_rows=1, deadline_seconds=0.2))
    assert isinstance(error, DeadlinePassed | CopyFailed), error
    assert "0.2 s" in str(error)
    assert await tables_in(target) == []


@pytest_twisted.ensureDeferred
async def test_what_is_written_to_the_source_meanwhile_is_not_in_the_copy(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    """Neither in a table that was read before, nor in one that is read after."""
    first = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(first)
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}?mode=ro")
    between, last = await opens_at(postgresql), await opens_at("sqlite::memory:")

    def writes_to_sqlite(_table: str, done: int, _total: int) -> None:
        if done == 1000:
            with closing(sqlite3.connect(tmp_path / "source.db")) as other:
                other.execute("DELETE FROM b WHERE x < 10")
                other.commit()

    def writes_to_postgresql(_table: str, done: int, _total: int) -> None:
        if done == 1000:
            with psycopg.connect(postgresql) as other:
                other.execute("DELETE FROM b WHERE x < 10")

    there = await copy_database(source, between, progress=writes_to_sqlite)
    assert [one.rows for one in there.tables] == [3000, 3000]
    assert (await first.one("SELECT count(*) FROM b"))[0] == 2990
    back = await copy_database(between, last, progress=writes_to_postgresql)
    assert back.tables == there.tables
    assert (await between.one("SELECT count(*) FROM b"))[0] == 2990


@pytest_twisted.ensureDeferred
async def test_nobody_writes_to_the_target_meanwhile_nor_sees_the_half_of_it(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(source)
    target = await opens_at(postgresql)
    await target.execute("CREATE TABLE a (x INTEGER)")
    await target.execute("INSERT INTO a VALUES (-1)")
    seen: list[Any] = []

    def progress(table: str, done: int, _total: int) -> None:
        if (table, done) == ("b", 1000):
            with psycopg.connect(postgresql, autocommit=True) as other:
                seen.extend(other.execute("SELECT x FROM a").fetchall())
                other.execute("SET lock_timeout = '10ms'")
                try:
                    other.execute("INSERT INTO a VALUES (-2)")
                except psycopg.errors.LockNotAvailable as error:
                    seen.append(type(error))

    await copy_database(source, target, replace=True, progress=progress)
    assert seen == [(-1,), psycopg.errors.LockNotAvailable]
    assert await target.query("SELECT count(*), min(x) FROM a") == [(3000, 0)]


@pytest_twisted.ensureDeferred
async def test_a_row_that_the_target_changes_is_found(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    """Even one of many, and by as little as can be: all is then as it was."""
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(source)
    target = await opens_at(postgresql)
    await target.migrate(
        [
            """CREATE TABLE a (x INTEGER);
            CREATE FUNCTION change() RETURNS trigger AS
                $$ BEGIN new.x = new.x + 1; RETURN new; END $$ LANGUAGE plpgsql;
            CREATE TRIGGER change BEFORE INSERT ON a FOR EACH ROW WHEN (new.x = 2999)
                EXECUTE FUNCTION change()"""
        ]
    )
    error = await failure(copy_database(source, target))
    assert isinstance(error, CopyFailed)
    assert "the table 'a' is not the same in" in str(error)
    assert "3000 rows of 3000" in str(error)
    assert await target.query("SELECT * FROM a") == []
    assert await target.query("SELECT 1 FROM pg_class WHERE relname = 'b'") == []


@pytest_twisted.ensureDeferred
async def test_a_target_that_somebody_holds_is_told(opens_at: Open, tmp_path: Path) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await filled(source, 10)
    target = await opens_at(f"sqlite:{tmp_path / 'target.db'}", busy_seconds=0.1)
    with closing(sqlite3.connect(tmp_path / "target.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = await failure(copy_database(source, target))
    assert "locked" in str(error)
    assert len(str(error).splitlines()) == 1
    assert (await copy_database(source, target)).left_out == ()
