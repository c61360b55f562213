"""What a column holds is told by its type as the database itself would."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, strategies as some

from toolkit.database.copying.schema.kinds import (
    affinity,
    kind_in_postgresql,
    kind_in_sqlite,
    size_of,
    type_in,
    without_size,
)
from toolkit.database.copying.schema.tables import Column

KINDS = [
    "integer",
    "boolean",
    "real",
    "bytes",
    "text",
    "timestamp",
    "timestamptz",
    "date",
    "numeric",
    "exact",
    "json",
    "jsonb",
    "uuid",
]
NAMES = some.lists(
    some.sampled_from(
        [
            "INT",
            "char",
            "CLOB",
            "Text",
            "BLOB",
            "real",
            "FLOA",
            "doub",
            "DATE",
            "x",
            "UUID",
            "number",
        ]
    ),
    min_size=1,
    max_size=3,
).map("".join)


@given(NAMES)
def test_the_affinity_is_that_of_sqlite(declared: str) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        sql = f"SELECT typeof(CAST('1' AS {declared})), typeof(CAST('1.5' AS {declared}))"
        found = database.execute(sql).fetchone()
    kept = {
        ("integer", "integer"): "integer",
        ("integer", "real"): "numeric",
        ("real", "real"): "real",
        ("text", "text"): "text",
        ("blob", "blob"): "blob",
    }
    assert affinity(declared) == kept[found]


def test_a_column_without_a_type_keeps_anything() -> None:
    assert (affinity(""), kind_in_sqlite("")) == ("blob", "bytes")


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_to_sqlite_is_of_the_same_kind_there(kind: str) -> None:
    declared = type_in("sqlite", Column("c", kind))
    assert kind_in_sqlite(declared) == kind
    assert kind_in_sqlite(declared.lower()) == kind


@pytest.mark.parametrize("kind", ["json", "jsonb", "uuid", "exact", "text"])
def test_what_is_text_is_kept_as_text_by_sqlite(kind: str) -> None:
    assert affinity(type_in("sqlite", Column("c", kind))) == "text"


@pytest.mark.parametrize(
    ("declared", "size"),
    [
        ("NUMERIC(10, 2)", (10, 2)),
        ("varchar( 7 )", (7, 0)),
        ("TEXT", (None, 0)),
        ("NUMERIC(-1)", (None, 0)),
        ("VARCHAR(9999999999)", (None, 0)),
    ],
)
def test_sizes_stand_behind_the_name(declared: str, size: tuple[int | None, int]) -> None:
    assert size_of(declared) == size


@pytest.mark.parametrize(
    ("column", "in_postgresql", "in_sqlite"),
    [
        (Column("c", "text", size=7), "VARCHAR(7)", "VARCHAR(7)"),
        (Column("c", "text", size=7, labels=("a",)), "TEXT", "TEXT"),
        (Column("c", "numeric", size=10, scale=2), "NUMERIC(10, 2)", "NUMERIC(10, 2)"),
        (Column("c", "exact", size=40, scale=2), "NUMERIC(40, 2)", "NUMERIC_TEXT(40, 2)"),
        (Column("c", "integer"), "BIGINT", "INTEGER"),
        (Column("c", "bytes"), "BYTEA", "BLOB"),
    ],
)
def test_a_type_keeps_what_the_column_holds(
    column: Column, in_postgresql: str, in_sqlite: str
) -> None:
    assert (type_in("postgresql", column), type_in("sqlite", column)) == (in_postgresql, in_sqlite)
    assert "(" not in type_in("postgresql", without_size(column))


def test_types_of_postgresql_that_are_not_known_move_as_text() -> None:
    assert [kind_in_postgresql(name) for name in ("int4", "timestamptz", "point", "_int4")] == [
        "integer",
        "timestamptz",
        "text",
        "text",
    ]
