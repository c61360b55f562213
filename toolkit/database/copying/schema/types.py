"""What the tables of a PostgreSQL database need besides: types of its own, and sequences."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.database.copying.schema.tables import SEQUENCE, escaped, raw
from toolkit.database.rows import Row
from toolkit.database.transaction import Transaction

_HERE = "= current_schema()::regnamespace"

BASES = """bases (type, base, modifier, depth, is_last) AS (
    SELECT oid, oid, NULL::integer, 0, typtype <> 'd' FROM pg_type
    UNION ALL SELECT b.type, t.typbasetype,
        CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE coalesce(b.modifier, -1) END,
        b.depth + 1, n.typtype <> 'd' FROM bases b
        JOIN pg_type t ON t.oid = b.base AND t.typtype = 'd'
        JOIN pg_type n ON n.oid = t.typbasetype
)"""
"""For WITH RECURSIVE: of each type that of which it is a domain, and its modifier."""


def enumerations(transaction: Transaction) -> Iterable[tuple[str, str]]:
    """How each enumeration is called, and made."""
    rows = transaction.query(
        "SELECT t.typname, ARRAY(SELECT quote_literal(e.enumlabel) FROM pg_enum e "
        "WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels FROM pg_type t "
        f"WHERE t.typtype = 'e' AND t.typnamespace {_HERE} ORDER BY t.typname"
    )
    for name, labels in rows:
        sql = f"CREATE TYPE {raw(name)} AS ENUM ({', '.join(labels)})"
        yield f"the type {name!a}", escaped(sql)


def sequences_of(transaction: Transaction) -> list[Row]:
    """Those that are not of a column's identity, with the column that owns each, if one does."""
    return transaction.query(
        "SELECT s.*, s.data_type::text AS kind, o.relname AS owner, a.attname AS column "
        "FROM pg_sequences s JOIN pg_class c ON c.relname = s.sequencename "
        f"AND c.relnamespace {_HERE} LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass "
        "AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') "
        "LEFT JOIN pg_class o ON o.oid = d.refobjid LEFT JOIN pg_attribute a "
        "ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
        "WHERE s.schemaname = current_schema() AND coalesce(d.deptype, 'n') <> 'i' "
        "ORDER BY s.sequencename"
    )


def _called(sequence: Row) -> str:
    return f"{SEQUENCE}{sequence['sequencename']!a}"


def made(sequence: Row) -> tuple[str, str]:
    """How a sequence is called, and made."""
    last, step = sequence["last_value"], sequence["increment_by"]
    return _called(sequence), escaped(
        f"CREATE SEQUENCE {raw(sequence['sequencename'])} AS {sequence['kind']} "
        f"START {sequence['start_value'] if last is None else last + step} "
        f"MINVALUE {sequence['min_value']} MAXVALUE {sequence['max_value']} "
        f"INCREMENT {step}{' CYCLE' * sequence['cycle']}"
    )


def owned(sequence: Row) -> tuple[str, str]:
    """How a sequence is called, and given to the column that owns it."""
    return _called(sequence), escaped(
        f"ALTER SEQUENCE {raw(sequence['sequencename'])} "
        f"OWNED BY {raw(sequence['owner'])}.{raw(sequence['column'])}"
    )


def domains(transaction: Transaction) -> Iterable[tuple[str, str]]:
    """How each domain is called, and made; one of another comes after that."""
    rows = transaction.query(
        "SELECT t.typname, format_type(t.typbasetype, t.typtypmod) AS base, t.typdefault, "
        "t.typnotnull, "
        "CASE WHEN t.typcollation <> b.typcollation THEN c.collname END AS collation, "
        "ARRAY(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || "
        "pg_get_constraintdef(k.oid) FROM pg_constraint k "
        "WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.oid) AS checks "
        "FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype "
        "LEFT JOIN pg_collation c ON c.oid = t.typcollation "
        f"WHERE t.typtype = 'd' AND t.typnamespace {_HERE} ORDER BY t.oid"
    )
    for row in rows:
        parts = [f"CREATE DOMAIN {raw(row['typname'])} AS {row['base']}"]
        parts += [f"COLLATE {raw(row['collation'])}"] if row["collation"] else []
        parts += [f"DEFAULT {row['typdefault']}"] if row["typdefault"] else []
        parts += ["NOT NULL"] * row["typnotnull"]
        yield f"the domain {row['typname']!a}", escaped(" ".join([*parts, *row["checks"]]))
