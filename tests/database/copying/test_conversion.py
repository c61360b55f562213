"""A value becomes one that the other database keeps, or is refused with where it stands."""

from __future__ import annotations

import math
from typing import Any

import pytest
import pytest_twisted

from tests.database.calling import failure
from tests.database.copying.sources import one_column
from tests.database.databases import Open
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            "INTEGER",
            (1, "b"),
            "'it' of the table 't' has values of several classes, .* integer "
            r"\(row 1\), text \(row 2\)",
        ),
        ("", (1, 2.5), r"integer \(row 1\), real \(row 2\)"),
        ("TEXT", (None, b"a", "b"), r"blob \(row 2\), text \(row 3\)"),
        ("TEXT", ("a", "b\0c"), "'it' of row 2 is text with a NUL"),
        ("TIMESTAMP", ("2026-01-02 03:04:05", "now"), "'it' of row 2 is no timestamp without"),
        ("TIMESTAMP", ("2026-01-02 03:04:05+01:00",), "'it' of row 1 is no timestamp without"),
        ("TIMESTAMP", ("2026-01-02 03:04:05.1234567",), "parts of a microsecond"),
        ("TIMESTAMPTZ_TEXT", ("2026-01-02 03:04:05",), "'it' of row 1 is no timestamp with a zone"),
        ("DATE", ("2026-01-02 03:04:05",), "'it' of row 1 is no date"),
        (
            "JSON_TEXT",
            ("{}", "[]", "{"),
            "a row of the table 't', number 3 of those read, cannot be written: invalid input",
        ),
        ("NUMERIC_TEXT", ("one",), "'t', number 1 of those read, cannot be written: invalid input"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_postgresql_does_not_keep_is_refused(
    opens_at: Open, postgresql: str, kind: str, values: Any, message: str
) -> None:
    source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
    await one_column(source, kind, *values)
    error = await failure(copy_database(source, target))
    assert isinstance(error, CopyFailed)
    with pytest.raises(CopyFailed, match=message):
        raise error
    assert "\n" not in str(error)
    assert "OVERRIDING" not in str(error)
    assert "c0" not in str(error)
    assert await target.query("SELECT 1 FROM pg_class WHERE relname = 't'") == []


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [("FLOAT8", math.nan, "the column 'it' of row 1 of it is NaN, which SQLite keeps as NULL")],
)
@pytest_twisted.ensureDeferred
async def test_what_sqlite_does_not_keep_is_refused(
    opens_at: Open, postgresql: str, kind: str, value: Any, message: str
) -> None:
    source, target = await opens_at(postgresql), await opens_at("sqlite::memory:")
    await source.execute(f"CREATE TABLE t (it {kind})")
    await source.execute("INSERT INTO t VALUES ({it})", it=value)
    error = await failure(copy_database(source, target))
    assert isinstance(error, CopyFailed)
    assert message in str(error)
    assert await target.query("SELECT 1 FROM sqlite_master") == []
