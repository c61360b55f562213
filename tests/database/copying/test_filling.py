"""What was written is compared with what was given, in one transaction that others do not see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest_twisted

from tests.database.calling import failure
from tests.database.copying.sources import two_tables
from tests.database.databases import Open
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database
from toolkit.database.database import Database


@pytest_twisted.ensureDeferred
async def test_a_row_that_the_target_changes_is_found(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    """Even one of many, and by as little as can be: all is then as it was."""
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(source)
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
async def test_nobody_writes_to_the_target_meanwhile_nor_sees_the_half_of_it(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(source)
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
async def test_a_copy_that_is_not_the_same_is_told(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.execute("CREATE TABLE a (x TEXT)")
    await source.execute("INSERT INTO a VALUES ('one')")
    target: Database = await opens_at(f"sqlite:{tmp_path / 'target.db'}")
    await target.execute("CREATE TABLE a (x TEXT)")
    await target.execute("CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 'two'; END")
    error = await failure(copy_database(source, target))
    assert isinstance(error, CopyFailed)
    assert "is not the same" in str(error)
