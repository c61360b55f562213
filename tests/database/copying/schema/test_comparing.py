"""What is there already, and names, are compared before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database


@pytest.mark.parametrize(
    ("names", "message"),
    [(("x" * 63 + "1", "x" * 63 + "2"), "would be one"), (("ü" * 32,), "is too long")],
)
@pytest_twisted.ensureDeferred
async def test_names_that_postgresql_cuts_off_are_refused(
    opens_at: Open, postgresql: str, names: tuple[str, ...], message: str
) -> None:
    for sql in (
        [f'CREATE TABLE "{name}" (x INTEGER)' for name in names],
        ["CREATE TABLE t (" + ", ".join(f'"{name}" INTEGER' for name in names) + ")"],
    ):
        source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
        for one in sql:
            await source.execute(one)
        error = await failure(copy_database(source, target))
        assert isinstance(error, CopyFailed)
        assert message in str(error)
        assert all(ascii(name) in str(error) for name in names)
        assert await target.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


@pytest_twisted.ensureDeferred
async def test_a_table_with_other_columns_is_refused(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.execute("CREATE TABLE a (x INTEGER, y INTEGER)")
    target = await opens()
    await target.execute("CREATE TABLE a (x INTEGER, z INTEGER)")
    error = await failure(copy_database(source, target, replace=True))
    assert isinstance(error, CopyFailed)
    assert "only one of both has 'y', 'z'" in str(error)
