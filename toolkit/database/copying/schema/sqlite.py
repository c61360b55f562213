"""The schema of a SQLite database, as it is."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.database.copying.schema import sqlite_text
from toolkit.database.copying.schema.kinds import kind_in_sqlite, size_of
from toolkit.database.copying.schema.tables import (
    Check,
    Column,
    ForeignKey,
    Index,
    Schema,
    Table,
    Unique,
    escaped,
)
from toolkit.database.rows import Row
from toolkit.database.transaction import Transaction


def schema_of_sqlite(transaction: Transaction) -> Schema:
    """The tables, and what else there is.

    Args:
        transaction: In the database.
    """
    kinds = dict(
        tuple(row)
        for row in transaction.query(
            "SELECT name, type FROM pragma_table_list WHERE schema = 'main' ORDER BY name"
        )
    )
    made = transaction.query("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid")
    tables = tuple(
        _table(transaction, row["name"], row["sql"])
        for row in sorted(made, key=lambda row: row["name"])
        if row["type"] == "table"
        and kinds.get(row["name"]) == "table"
        and not row["name"].startswith("sqlite_")
    )
    virtual = [
        f"the virtual table {row['name']!a}"
        for row in made
        if row["type"] == "table" and kinds.get(row["name"]) == "virtual"
    ]
    after = tuple(
        (f"the {row['type']} {row['name']!a}", escaped(row["sql"]))
        for row in made
        if row["type"] in ("view", "trigger")
    )
    return Schema("sqlite", tables, tuple(virtual), after=after)


def _table(transaction: Transaction, name: str, sql: str) -> Table:
    parts = sqlite_text.parts_of(sql)
    by_column = {part.column.lower(): part for part in parts if part.column}
    rows = transaction.query(
        'SELECT name, type, "notnull", pk, dflt_value, hidden FROM pragma_table_xinfo({table}) '
        "WHERE hidden <> 1 ORDER BY cid",
        table=name,
    )
    columns, notes = [], []
    for row in rows:
        part = by_column.get(row["name"].lower())
        size, scale = size_of(row["type"])
        kind = kind_in_sqlite(row["type"])
        collation = part.collation if part and part.collation.upper() != "BINARY" else ""
        columns.append(
            Column(
                row["name"],
                kind,
                row["type"],
                bool(row["notnull"] or row["pk"]),
                row["dflt_value"] or "",
                generated=(part.computed if part else "?") if row["hidden"] else "",
                collation=collation,
                size=size if kind in ("text", "numeric", "exact") else None,
                scale=scale,
            )
        )
        if collation:
            notes.append(f"the collation {collation} of the column {row['name']!a}")
    if any(part.conflict not in ("", "ABORT") for part in parts):
        notes.append("ON CONFLICT, as which all rules now let the statement fail")
    key = [row["name"] for row in sorted(rows, key=lambda row: row["pk"]) if row["pk"]]
    listing = transaction.query(
        'SELECT name, "unique", origin, partial FROM pragma_index_list({table}) ORDER BY seq DESC',
        table=name,
    )
    return Table(
        name,
        tuple(columns),
        tuple(key),
        tuple(
            Unique(tuple(part[0] for part in _parts(transaction, row["name"])))
            for row in listing
            if row["origin"] == "u"
        ),
        tuple(Check(text, called) for part in parts for text, called in part.checks),
        tuple(_foreign_keys(transaction, name, parts)),
        tuple(_index(transaction, row) for row in listing if row["origin"] == "c"),
        definition=escaped(sql),
        odd=tuple(notes),
        last=_last(transaction, name) if any(part.numbers_on for part in parts) else None,
    )


def _last(transaction: Transaction, table: str) -> int | None:
    row = transaction.maybe_one("SELECT seq FROM sqlite_sequence WHERE name = {table}", table=table)
    return row[0] if row else None


def _parts(transaction: Transaction, index: str) -> list[tuple[str, bool, str]]:
    rows = transaction.query(
        'SELECT name, "desc", coll FROM pragma_index_xinfo({index}) WHERE key ORDER BY seqno',
        index=index,
    )
    return [(row["name"] or "", row["name"] is not None, "DESC" * row["desc"]) for row in rows]


def _index(transaction: Transaction, row: Row) -> Index:
    sql = transaction.one(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = {name}", name=row["name"]
    )["sql"]
    texts = sqlite_text.expressions_of(sql)
    parts = [
        (name if is_name else text, is_name, after)
        for (name, is_name, after), text in zip(
            _parts(transaction, row["name"]), texts, strict=True
        )
    ]
    return Index(
        row["name"],
        tuple(parts),
        bool(row["unique"]),
        sqlite_text.where_of(sql) if row["partial"] else "",
        "COLLATE" if "COLLATE" in sql.upper() else "",
        definition=escaped(sql),
    )


def _foreign_keys(
    transaction: Transaction, table: str, parts: list[sqlite_text.Part]
) -> Iterable[ForeignKey]:
    deferred = {
        tuple(name.lower() for name in columns)
        for part in parts
        for columns, is_late in part.keys
        if is_late
    }
    rows = transaction.query(
        'SELECT id, "table", "from", "to", on_update, on_delete '
        "FROM pragma_foreign_key_list({table}) ORDER BY id DESC, seq",
        table=table,
    )
    for number in dict.fromkeys(row["id"] for row in rows):
        same = [row for row in rows if row["id"] == number]
        columns = tuple(row["from"] for row in same)
        others = tuple(row["to"] for row in same)
        if None in others:
            others = tuple(
                row["name"]
                for row in transaction.query(
                    "SELECT name FROM pragma_table_info({table}) WHERE pk ORDER BY pk",
                    table=same[0]["table"],
                )
            )
        is_late = tuple(name.lower() for name in columns) in deferred
        yield ForeignKey(
            columns,
            same[0]["table"],
            others,
            same[0]["on_delete"],
            same[0]["on_update"],
            "DEFERRABLE INITIALLY DEFERRED" if is_late else "",
        )
