"""What columns hold, by their types in either database, and which types keep that; no I/O.

SQLite decides by the name of a type how it keeps values: one with TEXT in it keeps them as they
are (https://sqlite.org/datatype3.html §3.1), where a name such as UUID would have those made
numbers that look like some. A number with more digits than a float has is text there, too.
"""

from __future__ import annotations

import re
from dataclasses import replace

from toolkit.database.copying.schema.tables import Column

EXACT_DIGITS = 15
"""So many decimal digits a float keeps."""

_OF_POSTGRESQL = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "bool": "boolean",
    "float4": "real",
    "float8": "real",
    "bytea": "bytes",
    "numeric": "numeric",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "date": "date",
    "json": "json",
    "jsonb": "jsonb",
    "uuid": "uuid",
}
_TO_POSTGRESQL = {
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "bytes": "BYTEA",
    "exact": "NUMERIC",
}
_TO_SQLITE = {
    "integer": "INTEGER",
    "boolean": "BOOLEAN",
    "real": "REAL",
    "bytes": "BLOB",
    "text": "TEXT",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ_TEXT",
    "date": "DATE",
    "numeric": "NUMERIC",
    "exact": "NUMERIC_TEXT",
    "json": "JSON_TEXT",
    "jsonb": "JSONB_TEXT",
    "uuid": "UUID_TEXT",
}
_OF_SQLITE = {name: kind for kind, name in _TO_SQLITE.items()} | {
    "DATETIME": "timestamp",
    "BOOL": "boolean",
    "DECIMAL": "numeric",
}


_TEXTS = re.compile(r"text|character varying(?:\(\d+\))?")


def is_text_in_postgresql(name: str) -> bool:
    """Whether a type is that of texts, which have no other rules of their own.

    Args:
        name: The type's, as PostgreSQL writes it.
    """
    return _TEXTS.fullmatch(name) is not None


def kind_in_postgresql(name: str) -> str:
    """What a column holds, by the type's name in `pg_type`; what is none of these moves as text."""
    return _OF_POSTGRESQL.get(name, "text")


def affinity(declared: str) -> str:
    """How SQLite keeps the values of a column: `integer`, `text`, `blob`, `real` or `numeric`.

    Args:
        declared: The column's type, as it was written.
    """
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not name or "BLOB" in name:
        return "blob"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "numeric"


def kind_in_sqlite(declared: str) -> str:
    """What a column is said to hold; its values may say otherwise.

    Args:
        declared: The column's type, as it was written.
    """
    name = declared.upper().partition("(")[0].strip()
    if name in _OF_SQLITE:
        return _OF_SQLITE[name]
    kept = affinity(declared)
    return {"blob": "bytes"}.get(kept, kept)


def size_of(declared: str) -> tuple[int | None, int]:
    """The numbers behind a type's name: `(10, 2)` of NUMERIC(10, 2).

    Args:
        declared: The type, as it was written.
    """
    found = re.search(r"\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\)", declared)
    return (int(found[1]), int(found[2] or 0)) if found else (None, 0)


def type_in(dialect: str, column: Column) -> str:
    """The type that keeps in one kind of database what a column holds in the other.

    Args:
        dialect: Where it shall be kept.
        column: As it is where it comes from.
    """
    kind = column.kind
    if kind == "text" and column.size and not column.labels:
        return f"VARCHAR({column.size})"
    name = _TO_SQLITE[kind] if dialect == "sqlite" else _TO_POSTGRESQL.get(kind, kind.upper())
    if kind == "numeric" and column.size:
        return f"{name}({column.size}, {column.scale})"
    if kind == "exact" and column.size:
        return f"{name}({column.size}, {column.scale})"
    return name


def kept_otherwise(dialect: str, column: Column) -> str:
    """How a column is kept, if that is another kind of type than it was declared with; or nothing.

    Args:
        dialect: Where it is kept.
        column: As it is where it comes from, with the kind that its values really have.
    """
    kept = type_in(dialect, column)
    if dialect == "sqlite":
        if column.type.startswith("character("):
            return f"{kept}, without the blanks at its end"
        return kept if column.kind == "text" and not is_text_in_postgresql(column.type) else ""
    name = column.type.upper().partition("(")[0].strip()
    is_known = name in _OF_SQLITE or (name and affinity(name) != "numeric")
    return "" if is_known and kind_in_sqlite(column.type) == column.kind else kept


def without_size(column: Column) -> Column:
    """The same column, as long as anyone likes."""
    return replace(column, size=None, scale=0)
