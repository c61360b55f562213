"""Expressions become those of the other kind of database where that means the same."""

from __future__ import annotations

import pytest

from toolkit.database.copying.schema.tables import Column, Table
from toolkit.database.copying.schema.translating import default_in, expression_in

TABLE = Table(
    "t",
    (
        Column("Name", "text"),
        Column("is_on", "boolean"),
        Column("price", "exact"),
        Column("date", "date"),
    ),
)


@pytest.mark.parametrize(
    ("kind", "default", "becomes"),
    [
        ("text", "'a'", "'a'"),
        ("text", '"a\'b"', "'a''b'"),
        ("bytes", "x'00Ff'", r"'\x00Ff'"),
        ("boolean", "1", "true"),
        ("boolean", "(0)", "false"),
        ("integer", "1", "1"),
        ("timestamp", "datetime('now')", "CURRENT_TIMESTAMP"),
        (
            "text",
            "CURRENT_TIMESTAMP",
            "to_char(CURRENT_TIMESTAMP AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
        ),
        ("timestamptz", "strftime('%Y-%m-%d %H:%M:%f+00', 'now')", "CURRENT_TIMESTAMP"),
    ],
)
def test_defaults_of_sqlite(kind: str, default: str, becomes: str) -> None:
    assert default_in("postgresql", Column("c", kind, default=default)) == becomes


@pytest.mark.parametrize(
    ("kind", "default", "becomes"),
    [
        ("text", "'a::b'::character varying(10)", "('a::b')"),
        ("integer", "'-1'::integer", "('-1')"),
        ("timestamp", "now()", "CURRENT_TIMESTAMP"),
        ("timestamptz", "CURRENT_TIMESTAMP", "(strftime('%Y-%m-%d %H:%M:%f+00', 'now'))"),
        ("bytes", r"'\x00ff'::bytea", "x'00ff'"),
        ("date", "CURRENT_DATE", "CURRENT_DATE"),
        (
            "text",
            "to_char((CURRENT_TIMESTAMP AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI:SS'::text)",
            "CURRENT_TIMESTAMP",
        ),
    ],
)
def test_defaults_of_postgresql(kind: str, default: str, becomes: str) -> None:
    assert default_in("sqlite", Column("c", kind, default=default)) == becomes


@pytest.mark.parametrize(
    ("expression", "becomes"),
    [
        ("NAME <> 'name' AND length(name) > 1", '"Name" <> \'name\' AND length("Name") > 1'),
        ("is_on IN (0, 1)", '"is_on" IN (false, true)'),
        ("is_on = 1 OR [is_on] IS NOT 0", '"is_on" = true OR "is_on" IS NOT false'),
        ("date(date) > date", 'date("date") > "date"'),
    ],
)
def test_expressions_of_sqlite(expression: str, becomes: str) -> None:
    assert expression_in("postgresql", TABLE, expression) == becomes


@pytest.mark.parametrize(
    ("expression", "becomes"),
    [
        (
            "(((a)::text = ANY ((ARRAY['x'::character varying, '](y'::bpchar])::text[])))",
            "(((a) IN ('x', '](y')))",
        ),
        ("(price > (0)::numeric)", '(CAST("price" AS NUMERIC) > (0))'),
        ("(a <> '::text')", "(a <> '::text')"),
        (
            "(b > '2026-01-01 00:00:00+00'::timestamp with time zone)",
            "(b > '2026-01-01 00:00:00+00')",
        ),
    ],
)
def test_expressions_of_postgresql(expression: str, becomes: str) -> None:
    assert expression_in("sqlite", TABLE, expression) == becomes
