"""What is given is of one moment, and whole: what cannot be read is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest_twisted

from tests.database.calling import failure
from tests.database.copying.sources import one_column, two_tables
from tests.database.databases import Open
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database
from toolkit.database.errors import StatementError


@pytest_twisted.ensureDeferred
async def test_text_that_is_none_is_refused(
    opens_at: Open, postgresql: str, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await one_column(source, "TEXT", "a")
    await source.execute("INSERT INTO t (it) VALUES (CAST(x'eda080' AS TEXT))")
    for url in (postgresql, "sqlite::memory:"):
        error = await failure(copy_database(source, await opens_at(url)))
        assert isinstance(error, CopyFailed)
        assert "the table 't' cannot be read" in str(error)
        assert "Could not decode to UTF-8 column 'it'" in str(error)


@pytest_twisted.ensureDeferred
async def test_a_row_that_names_none_is_told_before_anything_is_written(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.execute("CREATE TABLE b (y INTEGER)")
    await source.execute("INSERT INTO b VALUES (5)")
    await source.execute("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    await source.execute("ALTER TABLE b ADD COLUMN z INTEGER REFERENCES a (x)")

    def unchecked(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE b SET z = 9")
            connection.commit()

    unchecked(tmp_path / "source.db")
    error = await failure(copy_database(source, target := await opens()))
    assert isinstance(error, CopyFailed)
    assert "row 1 of the table 'b' names a row of 'a' that is not there" in str(error)
    assert isinstance(await failure(target.query("SELECT * FROM a")), StatementError)


@pytest_twisted.ensureDeferred
async def test_what_is_written_to_the_source_meanwhile_is_not_in_the_copy(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    """Neither in a table that was read before, nor in one that is read after."""
    first = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(first)
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
