"""A column is of the kind that its values have, so that none of them is changed."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
import pytest_twisted

from tests.database.copying.sources import one_column
from tests.database.databases import Open
from toolkit.database.copying.copy import copy_database


@pytest.mark.parametrize(
    ("kind", "values", "becomes"),
    [
        ("NUMERIC", (1, 2.5), "numeric"),
        ("NUMERIC(10, 2)", (1, 2.25), "numeric(10,2)"),
        ("NUMERIC(3, 1)", (1, 2.25), "numeric"),
        ("INTEGER", (1, 2.5), "numeric"),
        ("", (1, 2), "bigint"),
        ("", ("a", None), "text"),
        ("", (b"\0", b""), "bytea"),
        ("BLOB", ("a", "b"), "text"),
        ("BOOLEAN", (0, 1), "boolean"),
        ("BOOLEAN", (0, 2), "bigint"),
        ("TIMESTAMP", (1700000000, 0), "bigint"),
        ("TIMESTAMP", (None,), "timestamp without time zone"),
        ("VARCHAR(3)", ("äöü", ""), "character varying(3)"),
        ("REAL", (math.inf, -math.inf), "double precision"),
        ("NUMERIC_TEXT", ("9" * 100, "0." + "1" * 100), "numeric"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_column_becomes_what_keeps_its_values(
    opens_at: Open, postgresql: str, kind: str, values: Any, becomes: str
) -> None:
    source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
    await one_column(source, kind, *values)
    await copy_database(source, target)
    column = await target.one(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 't'::regclass AND attname = 'it'"
    )
    assert column[0] == becomes
    back = await opens_at("sqlite::memory:")
    await copy_database(target, back)
    rows = "SELECT id, it, typeof(it) FROM t ORDER BY id"
    assert await back.query(rows) == await source.query(rows)


@pytest.mark.parametrize(
    ("value", "kind", "kept"),
    [
        ("0.1", "NUMERIC", 0.1),
        ("17", "NUMERIC(5)", 17),
        ("1e300", "NUMERIC", 1e300),
        ("-9223372036854775808", "NUMERIC", -(2**63)),
        ("0.12345678901234567890", "NUMERIC", "0.12345678901234567890"),
        ("1" * 100, "NUMERIC", "1" * 100),
        ("NaN", "NUMERIC", "NaN"),
        ("1", "NUMERIC(30, 2)", "1.00"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_numbers_of_postgresql_keep_all_digits(
    opens_at: Open, postgresql: str, value: str, kind: str, kept: object
) -> None:
    source, target = await opens_at(postgresql), await opens_at("sqlite::memory:")
    await source.execute(f"CREATE TABLE t (it {kind})")
    await source.execute("INSERT INTO t VALUES ({it}::text::numeric)", it=value)
    before = await source.query("SELECT it::text FROM t")
    await copy_database(source, target)
    assert await target.query("SELECT it FROM t") == [(kept,)]
    await source.execute("DROP TABLE t")
    await copy_database(target, source)
    after = await source.query("SELECT it::text FROM t")
    # NaN is not equal to itself as a Decimal.
    assert after == before or Decimal(after[0][0]) == Decimal(before[0][0])
