"""What SQLite has is made in PostgreSQL, or told."""

from __future__ import annotations

from pathlib import Path

import pytest_twisted

from tests.database.databases import Open
from toolkit.database.copying.copy import copy_database

ODD = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE NOCASE CHECK (b GLOB 'x*'),
    c TEXT DEFAULT (hex(randomblob(4))), d INTEGER AS (a + 1), e VARCHAR(2));
CREATE VIEW v AS SELECT 1;
CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;
CREATE INDEX i ON t (hex(b));
INSERT INTO t (a, b, e) VALUES (1, 'xy', 'long')
"""


@pytest_twisted.ensureDeferred
async def test_what_postgresql_does_not_know_is_told_and_migrations_are_not_copied(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    steps = [ODD]
    await source.migrate(steps)
    target = await opens_at(postgresql)
    copy = await copy_database(source, target)
    assert [line.partition(":")[0] for line in copy.left_out] == [
        "the index 'i' of the table 't'",
        "the check \"b GLOB 'x*'\" of the table 't'",
        "the default of the column 'c' of the table 't'",
        "the collation NOCASE of the column 'b', of the table 't'",
        "the limit VARCHAR(2) of 'e', to which not all rows keep, of the table 't'",
        "the column 'd' of the table 't'",
        "the view 'v'",
        "the trigger 'r'",
        "the rows of toolkit_migrations",
    ]
    assert [one.table for one in copy.tables] == ["t"]
    assert await target.query("SELECT a, b, e FROM t") == [(1, "xy", "long")]
    assert await target.query("SELECT 1 FROM pg_class WHERE relname = 'toolkit_migrations'") == []
    # Of one kind, all of it is carried over.
    same = await opens_at(f"sqlite:{tmp_path / 'same.db'}")
    assert (await copy_database(source, same)).left_out == ()
    everything = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    assert await same.query(everything) == await source.query(everything)
    assert await same.migrate(steps) == []
