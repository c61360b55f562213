"""The schema of a PostgreSQL database, as it is: of the schema that is current."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from toolkit.database.copying.schema.kinds import kind_in_postgresql
from toolkit.database.copying.schema.tables import (
    ACTIONS,
    PARTITIONS,
    Check,
    Column,
    ForeignKey,
    Index,
    Schema,
    Table,
    Unique,
    escaped,
)
from toolkit.database.copying.schema.types import (
    BASES,
    domains,
    enumerations,
    made,
    owned,
    sequences_of,
)
from toolkit.database.rows import Row
from toolkit.database.transaction import Transaction

_HERE = "= current_schema()::regnamespace"
_UTC = ("UTC", "UCT", "GMT", "Zulu", "Universal")
_LETTERS = dict(zip("arcnd", ACTIONS, strict=True))


def schema_of_postgresql(transaction: Transaction) -> Schema:
    """The tables, and what else there is.

    Args:
        transaction: In the database.
    """
    tables = transaction.query(
        "SELECT c.oid, c.relname, c.relkind::text, c.relispartition, c.relrowsecurity "
        f"FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace {_HERE} "
        "AND NOT c.relispartition ORDER BY c.relname"
    )
    others = transaction.query(
        "SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' "
        "ELSE 'foreign table' END, c.relname FROM pg_class c "
        f"WHERE c.relkind IN ('v', 'm', 'f') AND c.relnamespace {_HERE} ORDER BY c.relname"
    )
    functions = transaction.query(
        f"SELECT p.proname FROM pg_proc p WHERE p.pronamespace {_HERE} AND NOT EXISTS "
        "(SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1"
    )
    sequences = sequences_of(transaction)
    odd = [f"the {kind} {name!a}" for kind, name in others]
    odd += [f"the function {name!a}" for (name,) in functions]
    return Schema(
        "postgresql",
        tuple(_table(transaction, row) for row in tables),
        tuple(odd),
        (*enumerations(transaction), *map(made, sequences), *domains(transaction)),
        tuple(map(owned, (one for one in sequences if one["owner"]))),
        _is_utc(transaction),
        tuple(_others(transaction)),
    )


def _others(transaction: Transaction) -> Iterable[str]:
    rows = transaction.query(
        "SELECT n.nspname, count(*), current_schema() AS ours FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
        f"AND NOT c.relispartition AND NOT c.relnamespace {_HERE} AND left(n.nspname, 3) <> 'pg_' "
        "AND n.nspname <> 'information_schema' AND NOT EXISTS "
        "(SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') "
        "GROUP BY n.nspname ORDER BY n.nspname"
    )
    for name, count, ours in rows:
        tables = f"{count} table{'s' * (count > 1)}"
        yield f"the schema {name!a}, with {tables}: only the schema {ours!a} is copied"


def _is_utc(transaction: Transaction) -> bool:
    # Of this transaction another was set: what sessions begin with is what counts.
    row = transaction.one("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
    return row[0].removeprefix("Etc/") in _UTC


def _table(transaction: Transaction, row: Row) -> Table:
    oid, name = row["oid"], row["relname"]
    odd = []
    if row["relkind"] == "p":
        odd.append(PARTITIONS)
    if row["relrowsecurity"]:
        odd.append("row level security")
    triggers = transaction.query(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = {oid} AND NOT tgisinternal ORDER BY 1",
        oid=oid,
    )
    odd += [f"the trigger {trigger!a}" for (trigger,) in triggers]
    others = transaction.query(
        "SELECT rulename FROM pg_rewrite WHERE ev_class = {oid} ORDER BY 1", oid=oid
    )
    odd += [f"the rule {other!a}" for (other,) in others]
    parents = transaction.query(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent "
        "WHERE i.inhrelid = {oid} ORDER BY i.inhseqno",
        oid=oid,
    )
    odd += [f"the inheritance from {one!a}, as which queries found its rows" for (one,) in parents]
    rules = transaction.query(
        "SELECT c.contype::text, c.conname, o.relname AS other, c.confdeltype::text, "
        "c.confupdtype::text, c.condeferrable, c.condeferred, c.confmatchtype::text, "
        "pg_get_constraintdef(c.oid) AS definition, "
        "pg_get_expr(c.conbin, c.conrelid) AS expression, "
        f"{_names('c.conkey', 'c.conrelid')} AS names, {_names('c.confkey', 'c.confrelid')} "
        "AS other_names FROM pg_constraint c LEFT JOIN pg_class o ON o.oid = c.confrelid "
        "WHERE c.conrelid = {oid} AND c.contype IN ('p', 'u', 'c', 'f', 'x') ORDER BY c.oid",
        oid=oid,
    )
    odd += [f"the exclusion {one['conname']!a}" for one in rules if one["contype"] == "x"]
    columns = tuple(_columns(transaction, oid))
    return Table(
        name,
        columns,
        next((tuple(one["names"]) for one in rules if one["contype"] == "p"), ()),
        tuple(
            Unique(tuple(one["names"]), one["conname"]) for one in rules if one["contype"] == "u"
        ),
        tuple(Check(one["expression"], one["conname"]) for one in rules if one["contype"] == "c"),
        tuple(_foreign_key(one) for one in rules if one["contype"] == "f"),
        tuple(_indexes(transaction, oid)),
        constraints=_definitions(one for one in rules if one["contype"] != "f"),
        references=_definitions(one for one in rules if one["contype"] == "f"),
        odd=tuple(odd),
        last=max((one.last for one in columns if one.last is not None), default=None),
    )


def _definitions(rules: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    return tuple((one["conname"], escaped(one["definition"])) for one in rules)


def _names(numbers: str, table: str) -> str:
    return (
        f"ARRAY(SELECT a.attname::text FROM unnest({numbers}) WITH ORDINALITY AS k (number, place) "
        f"JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = k.number ORDER BY k.place)"
    )


def _columns(transaction: Transaction, oid: int) -> Iterable[Column]:
    rows = transaction.query(
        f"WITH RECURSIVE {BASES} "
        "SELECT a.attname, t.typname, format_type(b.base, coalesce(b.modifier, a.atttypmod)) "
        "AS type, a.attnotnull, CASE WHEN b.depth > 0 THEN format_type(a.atttypid, NULL) END "
        "AS domain, a.attidentity::text, a.attgenerated::text, "
        "coalesce(b.modifier, a.atttypmod) AS modifier, "
        "pg_get_expr(d.adbin, d.adrelid) AS expression, "
        "CASE WHEN a.attcollation <> t.typcollation THEN c.collname END AS collation, "
        "ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid "
        "ORDER BY e.enumsortorder) AS labels, CASE WHEN a.attidentity <> '' THEN "
        "pg_sequence_last_value(pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)"
        "::regclass) END AS last FROM pg_attribute a "
        "JOIN bases b ON b.type = a.atttypid AND b.is_last JOIN pg_type t ON t.oid = b.base "
        "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "LEFT JOIN pg_collation c ON c.oid = a.attcollation "
        "WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        oid=oid,
    )
    for row in rows:
        size, scale = _size(row["typname"], row["modifier"])
        expression = row["expression"] or ""
        yield Column(
            row["attname"],
            kind_in_postgresql(row["typname"]),
            row["type"],
            row["attnotnull"],
            "" if row["attgenerated"] else expression,
            row["attidentity"],
            expression if row["attgenerated"] else "",
            row["collation"] or "",
            tuple(row["labels"]),
            size,
            scale,
            row["last"],
            row["domain"] or "",
        )


def _size(name: str, modifier: int) -> tuple[int | None, int]:
    # As information_schema's _pg_char_max_length and _pg_numeric_precision have it.
    if modifier < 4:
        return None, 0
    if name in ("varchar", "bpchar"):
        return modifier - 4, 0
    if name == "numeric":
        scale = (modifier - 4) & 0x7FF
        return (modifier - 4) >> 16, scale - 0x800 if scale >= 0x400 else scale
    return None, 0


def _foreign_key(row: Any) -> ForeignKey:
    deferral = ""
    if row["condeferrable"]:
        deferral = f"DEFERRABLE INITIALLY {'DEFERRED' if row['condeferred'] else 'IMMEDIATE'}"
    return ForeignKey(
        tuple(row["names"]),
        row["other"],
        tuple(row["other_names"]),
        _LETTERS[row["confdeltype"]],
        _LETTERS[row["confupdtype"]],
        deferral,
    )


def _indexes(transaction: Transaction, oid: int) -> Iterable[Index]:
    rows = transaction.query(
        "SELECT i.indexrelid, c.relname, i.indisunique, m.amname, i.indnatts, i.indnkeyatts, "
        "i.indoption::int2[] AS options, i.indkey::int2[] AS numbers, "
        "pg_get_expr(i.indpred, i.indrelid) AS predicate, "
        "pg_get_indexdef(i.indexrelid) AS definition, "
        "ARRAY(SELECT coalesce((SELECT a.attname::text FROM pg_attribute a "
        "WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1] AND a.attnum > 0), "
        "pg_get_indexdef(i.indexrelid, n, false)) FROM generate_series(1, i.indnkeyatts::int) n "
        "ORDER BY n) AS parts FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_am m ON m.oid = c.relam WHERE i.indrelid = {oid} AND NOT EXISTS (SELECT 1 "
        "FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) "
        "ORDER BY c.relname",
        oid=oid,
    )
    for row in rows:
        parts = [
            # Bit 0: descending (pg_index.indoption).
            (text, number != 0, "DESC" * (option & 1))
            for text, number, option in zip(
                row["parts"], row["numbers"], row["options"], strict=False
            )
        ]
        odd = "" if row["amname"] == "btree" else f"the access method {row['amname']}"
        if row["indnatts"] != row["indnkeyatts"]:
            odd = "INCLUDE"
        if "NULLS NOT DISTINCT" in row["definition"]:
            odd = "NULLS NOT DISTINCT"
        yield Index(
            row["relname"],
            tuple(parts),
            row["indisunique"],
            row["predicate"] or "",
            odd,
            escaped(_without_schema(row["definition"])),
        )


def _without_schema(definition: str) -> str:
    """The statement of an index, for whichever schema is current when it is run."""
    return re.sub(r'( ON (?:ONLY )?)(?:"(?:[^"]|"")*"|[\w$]+)\.', r"\1", definition, count=1)
