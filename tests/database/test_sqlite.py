"""What can be wrong with a file of SQLite, each with its own error."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList
from twisted.internet.task import deferLater

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.settings import DatabaseSettings, Place
from toolkit.database.sqlite import SQLiteSession, error_of


@pytest_twisted.ensureDeferred
async def test_a_full_disk_is_told_and_what_fits_is_still_written(
    opens_at: Open, tmp_path: Path
) -> None:
    database = await opens_at(f"sqlite:{tmp_path / 'test.db'}")
    await database.execute("CREATE TABLE t (x BLOB)")
    await database.execute("PRAGMA max_page_count = 20")
    insert = "INSERT INTO t VALUES (zeroblob({size}))"
    sizes = [10, 500_000, 20, 500_000, 30]
    calls: Any = [database.execute(insert, size=size) for size in sizes]
    outcomes: Any = await DeferredList(calls, consumeErrors=True)
    assert [is_done for is_done, _ in outcomes] == [True, False, True, False, True]
    assert {failed.type for is_done, failed in outcomes if not is_done} == {errors.DiskFull}
    assert (await database.one("SELECT sum(length(x)) FROM t"))[0] == 60


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_IOERR, errors.StorageFailed),
        (sqlite3.SQLITE_IOERR_WRITE, errors.StorageFailed),
        (sqlite3.SQLITE_IOERR_FSYNC, errors.StorageFailed),
        (sqlite3.SQLITE_IOERR_SHORT_READ, errors.Corrupt),
        (sqlite3.SQLITE_IOERR_NOMEM, errors.OutOfResources),
        (sqlite3.SQLITE_IOERR_BLOCKED, errors.Busy),
        (sqlite3.SQLITE_NOLFS, errors.StorageFailed),
        (sqlite3.SQLITE_PERM, errors.Unavailable),
        (sqlite3.SQLITE_PROTOCOL, errors.Busy),
        (sqlite3.SQLITE_FULL, errors.DiskFull),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, errors.Busy),
        (sqlite3.SQLITE_READONLY_DBMOVED, errors.ReadOnly),
        (sqlite3.SQLITE_CORRUPT_VTAB, errors.Corrupt),
        (sqlite3.SQLITE_CONSTRAINT_TRIGGER, errors.ConstraintViolation),
        (sqlite3.SQLITE_AUTH, errors.StatementError),
        (sqlite3.SQLITE_TOOBIG, errors.StatementError),
        (sqlite3.SQLITE_MISMATCH, errors.StatementError),
    ],
)
def test_each_code_has_its_class(code: int, kind: type[errors.DatabaseError]) -> None:
    error = sqlite3.OperationalError("so it is")
    error.sqlite_errorcode = code
    assert type(error_of(error, Place("sqlite", "a.db"))) is kind


def test_memory_that_is_not_there_is_told() -> None:
    error = error_of(MemoryError(), Place("sqlite", "a.db"))
    assert type(error) is errors.OutOfResources
    assert str(error) == "'a.db': there is no memory left"
    assert error.native == "SQLITE_NOMEM"


def test_a_disk_that_fails_in_a_script_is_no_mistake_of_the_script(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        session = SQLiteSession(connection, Place("sqlite", str(path)), DatabaseSettings())
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(errors.DiskFull):
            session.script("INSERT INTO t VALUES (zeroblob(100000))")
        with pytest.raises(errors.StatementError):
            session.script("INSERT INTO nowhere VALUES (1)")


@pytest_twisted.ensureDeferred
async def test_a_file_locked_by_another_is_waited_for_and_then_told(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    path = tmp_path / "test.db"
    database = await opens_at(f"sqlite:{path}", busy_seconds=0.3)
    await database.execute("CREATE TABLE t (x)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = reactor.seconds()
        error = await failure(database.execute("INSERT INTO t VALUES (1)"))
        assert isinstance(error, errors.Busy)
        assert str(path) in str(error)
        assert 0.25 < reactor.seconds() - began < 1.5
        waiting = database.execute("INSERT INTO t VALUES (2)")
        await deferLater(reactor, 0.1)
        other.execute("COMMIT")
        assert await waiting == 1


@pytest_twisted.ensureDeferred
async def test_waiting_for_a_lock_ends_with_the_deadline(
    opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    path = tmp_path / "test.db"
    database = await opens_at(f"sqlite:{path}", busy_seconds=60)
    await database.execute("CREATE TABLE t (x)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = reactor.seconds()
        call = database.with_deadline(0.2).execute("INSERT INTO t VALUES (1)")
        assert isinstance(await failure(call), errors.DeadlinePassed)
        assert reactor.seconds() - began < 1
    assert await database.query("SELECT * FROM t") == []


@pytest_twisted.ensureDeferred
async def test_a_page_that_is_damaged_fails_the_calls_that_read_it(
    opens_at: Open, tmp_path: Path
) -> None:
    path = tmp_path / "test.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE good (x)")
        other.execute("CREATE TABLE bad (x)")
        other.executemany("INSERT INTO bad VALUES (?)", [("x" * 100,)] * 200)
        other.commit()
        size = other.execute("PRAGMA page_size").fetchone()[0]
        root = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bad'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    database = await opens_at(f"sqlite:{path}")
    assert isinstance(await failure(database.query("SELECT * FROM bad")), errors.Corrupt)
    assert await database.query("SELECT * FROM good") == []
