"""Expressions become those of the other kind of database that mean the same, or are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given, strategies as some

from toolkit.database.copying.schema.expressions import condition, read
from toolkit.database.copying.schema.tables import Column, Index, Table
from toolkit.database.copying.schema.terms import Unlike
from toolkit.database.copying.schema.translating import default_in, index_in

LITE = Table(
    "t",
    (
        Column("Name", "text", "TEXT"),
        Column("folded", "text", "TEXT", collation="NOCASE"),
        Column("odd", "text", "STRING"),
        Column("is_on", "boolean", "BOOLEAN"),
        Column("price", "exact", "NUMERIC_TEXT"),
        Column("cost", "numeric", "NUMERIC"),
        Column("date", "date", "DATE"),
        Column("at", "timestamp", "TIMESTAMP"),
        Column("zoned", "timestamptz", "TIMESTAMPTZ_TEXT"),
        Column("a b", "integer", "INTEGER"),
        Column("n", "integer", "INTEGER"),
        Column("r", "real", "REAL"),
        Column("pic", "bytes", "BLOB"),
        Column("made", "integer", "INTEGER", generated="n + 1"),
    ),
)
POST = Table(
    "t",
    (
        Column("a", "text", "character varying(10)"),
        Column("B", "text", "text", collation="C"),
        Column("other", "text", "text", collation="de-x-icu"),
        Column("blank", "text", "character(5)"),
        Column("mood", "text", "mood", labels=("sad", "ok")),
        Column("price", "exact", "numeric"),
        Column("cost", "numeric", "numeric(5,2)"),
        Column("n", "integer", "integer"),
        Column("short", "real", "real"),
        Column("r", "real", "double precision"),
        Column("is_on", "boolean", "boolean"),
        Column("day", "date", "date"),
        Column("at", "timestamp", "timestamp without time zone"),
        Column("zoned", "timestamptz", "timestamp with time zone"),
        Column("pic", "bytes", "bytea"),
        Column("j", "jsonb", "jsonb"),
    ),
)
UTC_TEXT = "to_char(CURRENT_TIMESTAMP AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"


@pytest.mark.parametrize(
    ("kind", "default", "becomes"),
    [
        ("text", "'a'", "'a'"),
        ("text", '"a\'b"', "'a''b'"),
        ("text", "5", "'5'"),
        ("text", "NULL", "NULL"),
        ("bytes", "x'00Ff'", r"'\x00ff'::bytea"),
        ("boolean", "1", "true"),
        ("boolean", "(0)", "false"),
        ("boolean", "TRUE", "true"),
        ("boolean", "1 <> 2", "1 <> 2"),
        ("integer", "1", "1"),
        ("integer", "'17'", "17"),
        ("integer", "-1", "(-1)"),
        ("integer", "length(x'00ff')", r"length('\x00ff'::bytea)"),
        ("integer", "false", "0"),
        ("integer", "60*60 + 7%4 - 5/2", "3601"),
        ("numeric", "0.5", "0.5"),
        ("date", "'2000-01-01'", "'2000-01-01'"),
        ("timestamp", "datetime('now')", "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC')"),
        ("date", "date('now')", "((CURRENT_TIMESTAMP AT TIME ZONE 'UTC')::date)"),
        ("text", "CURRENT_TIMESTAMP", UTC_TEXT),
        ("text", "date('now')", UTC_TEXT.replace(" HH24:MI:SS", "")),
        ("text", "current_time", UTC_TEXT.replace("YYYY-MM-DD ", "")),
        ("timestamptz", "strftime('%Y-%m-%d %H:%M:%f+00', 'now')", "CURRENT_TIMESTAMP"),
    ],
)
def test_defaults_of_sqlite(kind: str, default: str, becomes: str) -> None:
    assert default_in("postgresql", Column("c", kind, default=default)) == becomes


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("integer", "abs(random())"),
        ("integer", "length(name)"),
        ("integer", "1=1"),
        ("integer", "2.5"),
        ("integer", "'one'"),
        ("integer", "9223372036854775808"),
        ("boolean", "2"),
        ("text", "random()"),
        ("text", "substr('hello',-3)"),
        ("text", "strftime('%s','now')"),
        ("text", "typeof(1)"),
        ("text", "'a'||1"),
        ("text", "hello"),
        ("text", "1.50"),
        ("text", "datetime('now', 'localtime')"),
        ("real", "round(2.5)"),
        ("real", "7/2.0"),
        ("numeric", "0.1234567890123456"),
        ("date", "CURRENT_TIMESTAMP"),
        ("date", "'now'"),
        ("date", "'2000-02-30'"),
        ("timestamp", "CURRENT_DATE"),
        ("timestamp", "1700000000"),
        ("timestamptz", "CURRENT_TIMESTAMP"),
        ("bytes", "'a'"),
        ("uuid", "'a'"),
        ("jsonb", "'{'"),
    ],
)
def test_defaults_of_sqlite_that_would_be_others(kind: str, default: str) -> None:
    with pytest.raises(Unlike):
        default_in("postgresql", Column("c", kind, default=default))


def test_a_default_that_does_not_fit_the_column_is_refused() -> None:
    with pytest.raises(Unlike, match="longer than the column: 2"):
        default_in("postgresql", Column("c", "text", default="'abc'", size=2))
    with pytest.raises(Unlike, match=r"the number 0\.005"):
        default_in("sqlite", Column("c", "numeric", default="0.005", size=5, scale=2))


@pytest.mark.parametrize(
    ("kind", "type_", "default", "becomes"),
    [
        ("text", "text", "'a::b'::character varying(10)", "('a::b')"),
        ("text", "text", "5", "('5')"),
        ("text", "character(5)", "'a '::bpchar", "('a')"),
        ("text", "mood", "'it''s ok'::mood", "('it''s ok')"),
        ("text", "interval", "'01:00:00'::interval", "('01:00:00')"),
        ("text", "integer[]", "'{}'::integer[]", "('{}')"),
        ("integer", "integer", "'-1'::integer", "((-1))"),
        ("integer", "bigint", "'3000000000'::bigint", "(3000000000)"),
        ("real", "double precision", "(0)::double precision", "(0)"),
        (
            "timestamptz",
            "timestamp with time zone",
            "now()",
            "(strftime('%Y-%m-%d %H:%M:%f+00', 'now'))",
        ),
        (
            "timestamptz",
            "timestamp with time zone",
            "'2020-01-01 00:00:00+00'::timestamp with time zone",
            "('2020-01-01 00:00:00+00')",
        ),
        (
            "timestamp",
            "timestamp without time zone",
            "timezone('utc'::text, now())",
            "CURRENT_TIMESTAMP",
        ),
        (
            "timestamp",
            "timestamp without time zone",
            "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC'::text)",
            "CURRENT_TIMESTAMP",
        ),
        ("bytes", "bytea", r"'\x00ff'::bytea", "(x'00ff')"),
        ("boolean", "boolean", "true", "(1)"),
        ("boolean", "boolean", "(1 = 1)", "(1 = 1)"),
        ("jsonb", "jsonb", "'{}'::jsonb", "('{}')"),
        ("date", "date", "((now() AT TIME ZONE 'utc'::text))::date", "CURRENT_DATE"),
        (
            "text",
            "text",
            "to_char((CURRENT_TIMESTAMP AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD HH24:MI:SS'::text)",
            "CURRENT_TIMESTAMP",
        ),
    ],
)
def test_defaults_of_postgresql(kind: str, type_: str, default: str, becomes: str) -> None:
    assert default_in("sqlite", Column("c", kind, type_, default=default)) == becomes


@pytest.mark.parametrize(
    ("kind", "default", "becomes"),
    [
        ("timestamp", "now()", "CURRENT_TIMESTAMP"),
        ("timestamp", "LOCALTIMESTAMP", "CURRENT_TIMESTAMP"),
        ("date", "CURRENT_DATE", "CURRENT_DATE"),
        ("date", "now()", "CURRENT_DATE"),
    ],
)
def test_times_of_the_session_are_those_of_sqlite_if_its_zone_is_utc(
    kind: str, default: str, becomes: str
) -> None:
    assert default_in("sqlite", Column("c", kind, default=default), True) == becomes
    with pytest.raises(Unlike, match="the session's time zone"):
        default_in("sqlite", Column("c", kind, default=default), False)


@pytest.mark.parametrize(
    ("kind", "type_", "default"),
    [
        ("real", "double precision", "random()"),
        ("integer", "integer", "floor((random() * (10)::double precision))"),
        ("integer", "integer", "'2.5'::numeric"),
        ("text", "text", "substr('hello'::text, '-3'::integer)"),
        ("text", "text", "upper('é'::text)"),
        ("text", "text", "CURRENT_TIMESTAMP"),
        ("text", "text", "to_char(now(), 'YYYY'::text)"),
        ("text", "text", "'abc'::character varying(2)"),
        ("text", "time without time zone", "CURRENT_TIME"),
        ("text", "text", "'01:00:00'::interval"),
        ("timestamptz", "timestamp with time zone", "(now() + '1 day'::interval)"),
        ("numeric", "numeric", "((7)::numeric / 2.0)"),
        ("uuid", "uuid", "gen_random_uuid()"),
    ],
)
def test_defaults_of_postgresql_that_would_be_others(kind: str, type_: str, default: str) -> None:
    with pytest.raises(Unlike):
        default_in("sqlite", Column("c", kind, type_, default=default), True)


@pytest.mark.parametrize(
    ("expression", "becomes"),
    [
        ("NAME <> 'name' AND length(name) > 1", '("Name" <> \'name\') AND (length("Name") > 1)'),
        ("is_on IN (0, 1)", '"is_on" IN (false, true)'),
        ("is_on = 1 OR [is_on] IS NOT 0", '("is_on" = true) OR ("is_on" IS DISTINCT FROM false)'),
        (
            "[a b] between 1 and 3 or `a b` is 7",
            '(("a b" >= 1) AND ("a b" <= 3)) OR ("a b" IS NOT DISTINCT FROM 7)',
        ),
        ("n", '"n" <> 0'),
        ("not n & 1 = 0", 'NOT (("n" & 1) = 0)'),
        ("n / 2 * 2 = n -- even", '(("n" / 2) * 2) = "n"'),
        ("name > 'Z'", '("Name" COLLATE "C") > \'Z\''),
        ("name == name COLLATE BINARY", '"Name" = "Name"'),
        ("lower(name) = name", 'lower("Name" COLLATE "C") = "Name"'),
        (
            "date >= '2026-01-01' and date <= date",
            '("date" >= \'2026-01-01\') AND ("date" <= "date")',
        ),
        ("(n IS NULL) = (cost NOTNULL)", '("n" IS NULL) = ("cost" IS NOT NULL)'),
        ("zoned IS NOT NULL AND folded IS NULL", '("zoned" IS NOT NULL) AND ("folded" IS NULL)'),
        ("CAST(price AS NUMERIC) > 0.5", '"price" > 0.5'),
        ("r * 2 > -0.5 and -n < 5", '(("r" * 2) > (-0.5)) AND ((- "n") < 5)'),
        ("substr(name, 1, 2) = trim(name)", 'substr("Name", 1, 2) = btrim("Name")'),
        ("ifnull(name, '') || 'x' <> 'x'", "(coalesce(\"Name\", '') || 'x') <> 'x'"),
        ("case when n > 1 then is_on end", 'CASE WHEN "n" > 1 THEN "is_on" ELSE NULL END'),
        ("pic <> x'00'", "\"pic\" <> '\\x00'::bytea"),
    ],
)
def test_expressions_of_sqlite(expression: str, becomes: str) -> None:
    assert condition("postgresql", expression, LITE) == becomes


@pytest.mark.parametrize(
    "expression",
    [
        "name LIKE 'a%'",
        "name GLOB 'a*'",
        "name <> 'x' COLLATE NOCASE",
        "folded = 'x'",
        "odd = '1'",
        "name = 1",
        "name",
        "price > 0",
        "date > 'now'",
        "date > '2026'",
        "at > date",
        "zoned > '2026-01-01 00:00:00+00'",
        "round(cost, 2) = cost",
        "cost * 2 > 1",
        "n + 0.5 > 1",
        "n / r > 1",
        "10 / n > 1",
        "n << 1 > 1",
        "n > r",
        "is_on > 0",
        "is_on = 2",
        "made > 0",
        "n IN ()",
        "n = 1 < 2",
        "case when n > 1 then is_on else 0 end",
        "n IN (SELECT 1)",
        "n = 1 junk",
        "t.n > 0",
        "min(n, 2) = 1",
        "substr(name, -1) = 'x'",
        "substr(name, n) = 'x'",
        "iif(n, 1, 2) = 1",
        "CAST(n AS TEXT) = '1'",
        "n = 0x10",
        "n = 'a",
        "n = ",
        "(" * 1000 + "n" + ")" * 1000,
        "- " * 1000 + "n",
    ],
)
def test_expressions_of_sqlite_that_postgresql_would_take_otherwise(expression: str) -> None:
    with pytest.raises(Unlike):
        condition("postgresql", expression, LITE)


@pytest.mark.parametrize(
    ("expression", "becomes"),
    [
        (
            "((a)::text = ANY ((ARRAY['x'::character varying, '](y'::character varying])::text[]))",
            "\"a\" IN ('x', '](y')",
        ),
        ("(n <> ALL (ARRAY[1, '-2'::integer]))", '"n" NOT IN (1, (-2))'),
        ("(mood = ANY (ARRAY['sad'::mood, 'ok'::mood]))", "\"mood\" IN ('sad', 'ok')"),
        ("(price > (0)::numeric)", 'CAST("price" AS NUMERIC) > 0'),
        ("(a <> '::text'::text)", "\"a\" <> '::text'"),
        ("(\"B\" > 'x'::text)", "\"B\" > 'x'"),
        ("(lower((\"B\")::text) = 'x'::text)", "lower(\"B\") = 'x'"),
        ("(TRIM(BOTH FROM a) = a)", 'trim("a") = "a"'),
        ("(SUBSTRING(a FROM 1 FOR 2) = 'x'::text)", "substr(\"a\", 1, 2) = 'x'"),
        ("(NOT (n IS DISTINCT FROM 3))", 'NOT ("n" IS NOT 3)'),
        ("((n)::numeric > 2.5)", '"n" > 2.5'),
        ("(r > (0.1)::double precision)", '"r" > 0.1'),
        ("((is_on IS TRUE) AND is_on)", '("is_on" IS TRUE) AND "is_on"'),
        ("(day > '2000-01-01'::date)", "\"day\" > '2000-01-01'"),
        (
            "(at < '2026-01-01 00:00:00'::timestamp without time zone)",
            "\"at\" < '2026-01-01 00:00:00'",
        ),
        ("(length(pic) < 3)", 'length("pic") < 3'),
        ("(char_length((a)::text) < 3)", 'length("a") < 3'),
        (
            "\nCASE\n    WHEN (n > 1) THEN (n < 3)\n    ELSE true\nEND",
            'CASE WHEN "n" > 1 THEN "n" < 3 ELSE 1 END',
        ),
    ],
)
def test_expressions_of_postgresql(expression: str, becomes: str) -> None:
    assert condition("sqlite", expression, POST) == becomes


@pytest.mark.parametrize(
    "expression",
    [
        "(a ~~ 'abc%'::text)",
        "(a ~ '^x'::text)",
        "((a)::text > 'Z'::text)",
        "(other = 'x'::text)",
        "(blank = 'x'::bpchar)",
        "(lower((a)::text) = (a)::text)",
        "(short > (0.1)::double precision)",
        "(zoned > '2026-01-01 00:00:00+00'::timestamp with time zone)",
        "(at > 'infinity'::timestamp without time zone)",
        "(mood > 'sad'::mood)",
        "(j ? 'a'::text)",
        "((cost * (2)::numeric) > (1)::numeric)",
        "((n)::double precision > r)",
        "(n = '1'::\"char\")",
        "(n <@ 1)",
        "(a = ANY (ARRAY['x'::character varying(1)]::character varying(1)[]))",
        "public.f(n)",
        "f(n)",
        "n",
        "(VALUE > 0)",
    ],
)
def test_expressions_of_postgresql_that_sqlite_would_take_otherwise(expression: str) -> None:
    with pytest.raises(Unlike):
        condition("sqlite", expression, POST)


def test_an_index_that_only_finds_rows_has_lower_as_queries_there_have_it() -> None:
    plain = Index("i", (("lower(name)", False, "DESC"),))
    assert index_in("postgresql", LITE, plain).endswith('ON "t" ((lower("Name")) DESC)')
    unique = Index("i", plain.parts, True, "n")
    assert index_in("postgresql", LITE, unique).endswith(
        'ON "t" ((lower("Name" COLLATE "C")) DESC) WHERE "n" <> 0'
    )
    theirs = Index("i", (("lower((a)::text)", False, ""),))
    assert index_in("sqlite", POST, theirs).endswith('ON "t" ((lower("a")))')
    with pytest.raises(Unlike, match="ASCII"):
        index_in("sqlite", POST, Index("i", theirs.parts, True))


PARTS = some.sampled_from(["n", "name", "is_on", "(", ")", "=", "1", "'a'", " AND ", " NOT "]) | (
    some.sampled_from([" IS ", "NULL", "::text", "<", "||", "ARRAY[", "]", ",", " IN ", "ANY ("])
    | some.sampled_from(["length(", "-", " CASE ", " WHEN ", '"'])
)


@given(some.text(max_size=40) | some.lists(PARTS, max_size=25).map("".join))
@example("")
@example("::")
@example("n::")
@example("n COLLATE")
@example("CAST(")
@example("[")
def test_any_text_is_read_or_refused(text: str) -> None:
    for to, table in (("postgresql", LITE), ("sqlite", POST)):
        try:
            found = read(to, text, table)
        except Unlike as error:
            assert str(error)
        else:
            assert found.text


NUMBERS = some.integers(-5, 5)
SAME = some.recursive(
    NUMBERS.map(str) | some.just("n"),
    lambda inner: (
        some.builds("{} {} {}".format, inner, some.sampled_from(["+", "-", "*", "&", "|"]), inner)
        | inner.map("({})".format)
        | inner.map("- {}".format)
    ),
    max_leaves=6,
)


@given(SAME, NUMBERS)
def test_what_binds_tighter_is_as_sqlite_has_it(text: str, number: int) -> None:
    written = read("postgresql", text, LITE).text
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE t (n INTEGER)")
        database.execute("INSERT INTO t VALUES (?)", (number,))
        before, after = database.execute(f"SELECT {text}, {written} FROM t").fetchone()
    assert before == after
