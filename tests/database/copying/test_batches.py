"""All rows of a table come, each once, a few at a time."""

from __future__ import annotations

from pathlib import Path

import pytest_twisted

from tests.database.databases import Open
from toolkit.database.copying.copy import copy_database


@pytest_twisted.ensureDeferred
async def test_tables_without_rowids_and_strict_ones_stay_so(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.execute(
        "CREATE TABLE t (a TEXT, rowid INTEGER, x ANY, PRIMARY KEY (a, rowid)) "
        "STRICT, WITHOUT ROWID"
    )
    await source.execute_many(
        "INSERT INTO t VALUES ({a}, {b}, 1)",
        [{"a": f"{number % 7}", "b": number} for number in range(50)],
    )
    same, other = await opens_at(f"sqlite:{tmp_path / 'same.db'}"), await opens_at(postgresql)
    for target in (same, other):
        copy = await copy_database(source, target, batch_rows=3)
        assert copy.left_out == ()
        assert copy.tables[0].rows == 50
        rows = "SELECT * FROM t ORDER BY rowid"
        assert await target.query(rows) == await source.query(rows)
    sql = "SELECT sql FROM sqlite_master WHERE name = 't'"
    assert await same.query(sql) == await source.query(sql)
