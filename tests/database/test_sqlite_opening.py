"""A file of SQLite is opened durable and shared, or what is wrong with it is told."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import pytest_twisted

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.database import Database

NOBODY = 65534

AS_NOBODY = f"""
import os, sys
from toolkit import run
from toolkit.database.database import Database
from toolkit.database.errors import ReadOnly

async def main(reactor):
    first = Database(reactor, "sqlite::memory:")
    await first.startService()
    await first.execute("CREATE TABLE t (x)")
    await first.stopService()
    if os.geteuid() == 0:  # who may write any file
        os.setuid({NOBODY})
    database = Database(reactor, sys.argv[1])
    await database.startService()
    assert await database.query("SELECT * FROM t") == []
    try:
        await database.execute("INSERT INTO t VALUES (1)")
    except ReadOnly as error:
        print(error.code)
    await database.stopService()

run(main)
"""


def test_a_file_that_may_not_be_written_is_read_and_told() -> None:
    # The folders that pytest makes are closed to others.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.db")
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE t (x)")
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, f"sqlite:{path}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("read-only\n", "")


@pytest_twisted.ensureDeferred
async def test_a_database_opened_for_reading_is_read_and_not_written(
    opens_at: Open, tmp_path: Path
) -> None:
    path = tmp_path / "test.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE t (x)")
    database = await opens_at(f"sqlite:{path}?mode=ro")
    assert await database.query("SELECT * FROM t") == []
    error = await failure(database.execute("INSERT INTO t VALUES (1)"))
    assert isinstance(error, errors.ReadOnly)
    assert str(path) in str(error)


@pytest.mark.parametrize(
    "content", [b"no database, but some text " * 100, b"SQLite format 3\0" + b"x" * 5000]
)
@pytest_twisted.ensureDeferred
async def test_a_file_that_is_no_database_fails_the_start(
    opens_at: Open, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(content)
    error = await failure(opens_at(f"sqlite:{path}"))
    assert isinstance(error, errors.Corrupt)
    assert str(path) in str(error)


@pytest_twisted.ensureDeferred
async def test_a_folder_that_is_not_there_fails_the_start(opens_at: Open, tmp_path: Path) -> None:
    error = await failure(opens_at(f"sqlite:{tmp_path}/nowhere/test.db"))
    assert isinstance(error, errors.Unavailable)
    assert "no such folder" in str(error)


@pytest_twisted.ensureDeferred
async def test_a_name_with_what_means_something_in_a_uri_is_a_name(
    opens_at: Open, tmp_path: Path
) -> None:
    database: Database = await opens_at(f"sqlite:{tmp_path}/a%20 #b.db")
    await database.execute("CREATE TABLE t (x)")
    assert (tmp_path / "a%20 #b.db").exists()


@pytest_twisted.ensureDeferred
async def test_the_file_is_as_durable_as_the_settings_say(opens_at: Open, tmp_path: Path) -> None:
    database = await opens_at(f"sqlite:{tmp_path / 'test.db'}")
    found = [
        (await database.one(f"PRAGMA {name}"))[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    ]
    assert found == ["wal", 2, 1]
    other = await opens_at(f"sqlite:{tmp_path / 'other.db'}", synchronous="normal")
    assert (await other.one("PRAGMA synchronous"))[0] == 1
