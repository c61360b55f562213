"""The tables of a database: read from one, and made in another of either kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from toolkit.database.transaction import Transaction

# What a column holds, by its type in PostgreSQL (pg_type.typname); the rest moves as text.
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
    "boolean": "BOOLEAN",
    "real": "DOUBLE PRECISION",
    "bytes": "BYTEA",
    "text": "TEXT",
}
# SQLite decides by the name of a type how it keeps values: one with TEXT in it keeps them as they
# are (https://sqlite.org/datatype3.html §3.1), where NUMERIC would round.
_TO_SQLITE = {
    "integer": "INTEGER",
    "boolean": "BOOLEAN",
    "real": "REAL",
    "bytes": "BLOB",
    "text": "TEXT",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ_TEXT",
    "date": "DATE",
    "numeric": "NUMERIC_TEXT",
    "json": "JSON_TEXT",
    "jsonb": "JSONB_TEXT",
    "uuid": "UUID_TEXT",
}
_OF_SQLITE = {name: kind for kind, name in _TO_SQLITE.items()} | {
    "DATETIME": "timestamp",
    "BOOL": "boolean",
}


@dataclass(frozen=True)
class Column:
    """One column: `kind` is what it holds, such as `integer`, `text` or `timestamp`."""

    name: str
    kind: str
    is_required: bool = False


@dataclass(frozen=True)
class Schema:
    """One table: its columns, keys, and the tables that its foreign keys name."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    names: frozenset[str] = frozenset()


def quoted(name: str) -> str:
    """A name as it stands in a statement, whatever characters it has."""
    inner = name.replace('"', '""').replace("{", "{{").replace("}", "}}")
    return f'"{inner}"'


def listed(names: Iterable[str]) -> str:
    """Names as they stand in a statement, parted by commas."""
    return ", ".join(map(quoted, names))


def tables_of(transaction: Transaction) -> dict[str, Schema]:
    """The tables of a database by name: those that others name come first."""
    read = _sqlite_tables if transaction.dialect == "sqlite" else _postgresql_tables
    found = {table.name: table for table in read(transaction)}
    graph = {name: sorted((found[name].names & found.keys()) - {name}) for name in found}
    try:
        return {name: found[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError:
        return found


def _sqlite_tables(transaction: Transaction) -> Iterable[Schema]:
    tables = transaction.query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' "
        "ORDER BY name"
    )
    for (table,) in tables:
        rows = transaction.query(
            'SELECT name, type, "notnull", pk FROM pragma_table_info({table})', table=table
        )
        columns = tuple(
            Column(
                row["name"],
                _kind_in_sqlite(transaction, table, row["name"], row["type"]),
                bool(row["notnull"] or row["pk"]),
            )
            for row in rows
        )
        key = [row["name"] for row in sorted(rows, key=lambda row: row["pk"]) if row["pk"]]
        unique = transaction.query(
            "SELECT name FROM pragma_index_list({table}) WHERE origin = 'u' ORDER BY seq",
            table=table,
        )
        sets = [
            transaction.query("SELECT name FROM pragma_index_info({name})", name=name)
            for (name,) in unique
        ]
        others = transaction.query(
            'SELECT DISTINCT "table" FROM pragma_foreign_key_list({table})', table=table
        )
        yield Schema(
            table,
            columns,
            tuple(key),
            tuple(tuple(name for (name,) in names) for names in sets),
            frozenset(name for (name,) in others),
        )


def _kind_in_sqlite(transaction: Transaction, table: str, column: str, declared: str) -> str:
    """What a column holds: as its type says, where it says it; else by what there is."""
    plain = declared.upper().partition("(")[0].strip()
    if plain in _OF_SQLITE:
        return _OF_SQLITE[plain]
    for part, kind in (("INT", "integer"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text")):
        if part in plain:
            return kind
    if any(part in plain for part in ("REAL", "FLOA", "DOUB")):
        return "real"
    rows = transaction.query(
        f"SELECT DISTINCT typeof({quoted(column)}) FROM {quoted(table)} "
        f"WHERE {quoted(column)} IS NOT NULL"
    )
    there = {name for (name,) in rows}
    if there <= {"integer"} and there:
        return "integer"
    if there <= {"integer", "real"} and there:
        return "numeric" if plain in ("NUMERIC", "DECIMAL") else "real"
    return "bytes" if there == {"blob"} or (not there and "BLOB" in plain) else "text"


def _postgresql_tables(transaction: Transaction) -> Iterable[Schema]:
    tables = transaction.query(
        "SELECT c.oid, c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') "
        "AND c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition "
        "ORDER BY c.relname"
    )
    for oid, table in tables:
        columns = transaction.query(
            "SELECT a.attname, t.typname, a.attnotnull FROM pg_attribute a "
            "JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = {oid} AND a.attnum > 0 "
            "AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum",
            oid=oid,
        )
        keys = transaction.query(
            "SELECT c.contype, o.relname AS other, ARRAY(SELECT a.attname::text "
            "FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place) JOIN pg_attribute a "
            "ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS names "
            "FROM pg_constraint c LEFT JOIN pg_class o ON o.oid = c.confrelid "
            "WHERE c.conrelid = {oid} AND c.contype IN ('p', 'u', 'f') ORDER BY c.conname",
            oid=oid,
        )
        yield Schema(
            table,
            tuple(
                Column(name, _OF_POSTGRESQL.get(kind, "text"), needed)
                for name, kind, needed in columns
            ),
            next((tuple(row["names"]) for row in keys if _is(row["contype"], "p")), ()),
            tuple(tuple(row["names"]) for row in keys if _is(row["contype"], "u")),
            frozenset(row["other"] for row in keys if _is(row["contype"], "f")),
        )


def _is(value: str | bytes, letter: str) -> bool:
    # PostgreSQL's "char", which is a byte in binary.
    return value in (letter, letter.encode())


def create(transaction: Transaction, table: Schema) -> None:
    """Make a table like this one, with its columns, its primary key and its unique keys.

    Args:
        transaction: In the database that gets it.
        table: What it is like, as `tables_of` read it.
    """
    is_sqlite = transaction.dialect == "sqlite"
    parts = []
    for column in table.columns:
        if is_sqlite:
            kind = _TO_SQLITE[column.kind]
        else:
            kind = _TO_POSTGRESQL.get(column.kind, column.kind.upper())
        if table.key == (column.name,) and column.kind == "integer":
            # Both number the rows that come without one.
            kind += "" if is_sqlite else " GENERATED BY DEFAULT AS IDENTITY"
        parts.append(f"{quoted(column.name)} {kind}{' NOT NULL' * column.is_required}")
    if table.key:
        parts.append(f"PRIMARY KEY ({listed(table.key)})")
    parts += [f"UNIQUE ({listed(names)})" for names in table.unique]
    transaction.execute(f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)})")
