"""Every value goes there and back as it was, or is refused with one clear line."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import HealthCheck, given, settings, strategies as some

from tests.database.databases import Open
from tests.database.test_database import failure
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database
from toolkit.database.database import Database

TEXT = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
WHOLE = some.integers(-(2**63), 2**63 - 1)
REAL = some.floats(allow_nan=False).map(lambda value: value + 0.0)
MOMENT = some.datetimes().map(lambda value: value.replace(microsecond=0).isoformat(" "))
COLUMNS = {
    '"group" INTEGER': WHOLE,
    '"a{b}" TEXT': TEXT,
    '"with ""quotes"" and %" REAL': REAL,
    "d BLOB": some.binary(max_size=20),
    "e BOOLEAN": some.booleans().map(int),
    "f NUMERIC": WHOLE | some.floats(allow_nan=False, allow_infinity=False),
    "g TIMESTAMP": MOMENT,
    "h DATE": some.dates().map(str),
    "i VARCHAR(20)": TEXT,
    "j NUMERIC_TEXT": some.integers(10**40, 10**60).map(lambda number: f"{number}.01"),
    "k TIMESTAMPTZ_TEXT": MOMENT.map(lambda value: f"{value}+00"),
    "l UUID_TEXT": some.uuids().map(str),
    "m": WHOLE,
    "n ANYTHING": TEXT.filter(lambda text: not _is_number(text)),
}
ROWS = some.lists(
    some.tuples(*(some.none() | values for values in COLUMNS.values())), min_size=1, max_size=8
)


def _is_number(text: str) -> bool:  # such a text becomes a number in a column without a type
    try:
        float(text)
    except ValueError:
        return False
    return True


def contents(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT *, typeof(f), typeof(m) FROM t ORDER BY _rowid_").fetchall()


@given(rows=ROWS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@pytest_twisted.ensureDeferred
async def test_rows_go_to_postgresql_and_come_back_as_they_were(
    rows: list[Any], postgresql: str, reactor: Any, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("values")
    with closing(sqlite3.connect(folder / "a.db")) as database:
        database.execute(f"CREATE TABLE t ({', '.join(COLUMNS)})")
        places = ", ".join("?" * len(COLUMNS))
        database.executemany(f"INSERT INTO t VALUES ({places})", rows)
        database.commit()
    databases = [
        Database(reactor, url)
        for url in (f"sqlite:{folder}/a.db", postgresql, f"sqlite:{folder}/b.db")
    ]
    for one in databases:
        await one.startService()
    first, between, last = databases
    try:
        await between.execute("DROP TABLE IF EXISTS t")
        there = await copy_database(first, between)
        back = await copy_database(between, last)
        assert there.left_out == back.left_out == ()
    finally:
        for one in databases:
            await one.stopService()
    assert contents(folder / "b.db") == contents(folder / "a.db")


async def held(database: Database, kind: str, *values: object) -> None:
    await database.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, it {kind})")
    await database.execute_many(
        "INSERT INTO t (it) VALUES ({it})", [{"it": value} for value in values]
    )


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
    await held(source, kind, *values)
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
    await held(source, kind, *values)
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


@pytest_twisted.ensureDeferred
async def test_text_that_is_none_is_refused(
    opens_at: Open, postgresql: str, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await held(source, "TEXT", "a")
    await source.execute("INSERT INTO t (it) VALUES (CAST(x'eda080' AS TEXT))")
    for url in (postgresql, "sqlite::memory:"):
        error = await failure(copy_database(source, await opens_at(url)))
        assert isinstance(error, CopyFailed)
        assert "the table 't' cannot be read" in str(error)
        assert "Could not decode to UTF-8 column 'it'" in str(error)


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


@pytest.mark.parametrize(
    ("names", "message"),
    [(("x" * 63 + "1", "x" * 63 + "2"), "would be one"), (("ü" * 32,), "is too long")],
)
@pytest_twisted.ensureDeferred
async def test_names_that_postgresql_cuts_off_are_refused(
    opens_at: Open, postgresql: str, names: tuple[str, ...], message: str
) -> None:
    for sql in (
        [f'CREATE TABLE "{name}" (x INTEGER)' for name in names],
        ["CREATE TABLE t (" + ", ".join(f'"{name}" INTEGER' for name in names) + ")"],
    ):
        source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
        for one in sql:
            await source.execute(one)
        error = await failure(copy_database(source, target))
        assert isinstance(error, CopyFailed)
        assert message in str(error)
        assert all(ascii(name) in str(error) for name in names)
        assert await target.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


@pytest_twisted.ensureDeferred
async def test_tables_without_rowids_and_strict_ones_stay_so(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.execute(
        "CREATE TABLE t (a TEXT, rowid INTEGER, x ANY, PRIMARY KEY (a, rowid)) "
        "STRICT, WITHOUT ROWID"
    )
    await source.execute_many(
        "INSERT INTO t VALUES ({a}, {b}, 1)",
        [{"a": f"{number % 7}", "b": number} for number in range(50)],
    )
    same, other = await opens_at(f"sqlite:{tmp_path / 'same.db'}"), await opens_at(postgresql)
    for target in (same, other):
        copy = await copy_database(source, target, batch_rows=3)
        assert copy.left_out == ()
        assert copy.tables[0].rows == 50
        rows = "SELECT * FROM t ORDER BY rowid"
        assert await target.query(rows) == await source.query(rows)
    sql = "SELECT sql FROM sqlite_master WHERE name = 't'"
    assert await same.query(sql) == await source.query(sql)


@pytest_twisted.ensureDeferred
async def test_values_fit_the_types_of_a_table_that_is_there(
    opens_at: Open, postgresql: str
) -> None:
    source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
    await source.execute("CREATE TABLE t (a UUID, b JSONB, c TEXT, d INTEGER, e REAL)")
    row = (
        "ABCDEF00-0000-0000-0000-000000000001",
        '{"b":1.50,"a":[]}',
        "2026-01-02T03:04:05",
        7,
        0.1,
    )
    await source.execute(
        "INSERT INTO t VALUES ({a}, {b}, {c}, {d}, {e})", **dict(zip("abcde", row, strict=True))
    )
    await target.execute(
        "CREATE TABLE t (a UUID, b JSONB, c TIMESTAMP, d NUMERIC, e NUMERIC(5, 2))"
    )
    copy = await copy_database(source, target)
    assert copy.left_out == ()
    found = await target.query("SELECT a::text, b ->> 'b', c::text, d::int, e::float8 FROM t")
    assert found == [(row[0].lower(), "1.50", "2026-01-02 03:04:05", 7, 0.1)]


@pytest.mark.parametrize("value", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-02"])
@pytest_twisted.ensureDeferred
async def test_times_that_python_does_not_know_come_back(
    opens_at: Open, postgresql: str, value: str
) -> None:
    source, target = await opens_at(postgresql), await opens_at("sqlite::memory:")
    await source.execute("CREATE TABLE t (a TIMESTAMP, b TIMESTAMPTZ, c DATE)")
    await source.execute(
        "INSERT INTO t VALUES ({it}::timestamp, {it}::text::timestamptz, {it}::date)", it=value
    )
    texts = "SELECT a::text, b::text, c::text FROM t"
    before = await source.query(texts)
    await copy_database(source, target)
    await source.execute("DROP TABLE t")
    await copy_database(target, source)
    assert await source.query(texts) == before


@pytest_twisted.ensureDeferred
async def test_columns_of_sqlite_that_become_of_another_type_are_told(
    opens_at: Open, postgresql: str
) -> None:
    source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
    await source.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b BOOLEAN, c DATETIME, d, e TIME, "
        "f UUID, g BLOB, h INT, i VARCHAR(5), j DECIMAL(5, 2), k TIMESTAMP, l DOUBLE, m CLOB)"
    )
    await source.execute(
        "INSERT INTO t (a, b, c, g, h, i, j, k, l) VALUES "
        "('x', 2, 1577836800, 'text', 2.5, 'ab', 1, '2026-01-02 03:04:05', 1)"
    )
    copy = await copy_database(source, target)
    assert copy.left_out == ()
    assert [line.removeprefix("the column ") for line in copy.notes] == [
        "'a' of the table 't' is of INTEGER, and kept as TEXT",
        "'b' of the table 't' is of BOOLEAN, and kept as BIGINT",
        "'c' of the table 't' is of DATETIME, and kept as BIGINT",
        "'d' of the table 't' is of no type, and kept as BYTEA",
        "'e' of the table 't' is of TIME, and kept as NUMERIC",
        "'f' of the table 't' is of UUID, and kept as NUMERIC",
        "'g' of the table 't' is of BLOB, and kept as TEXT",
        "'h' of the table 't' is of INT, and kept as NUMERIC",
    ]
    assert (await copy_database(source, await opens_at("sqlite::memory:"))).notes == ()


@pytest_twisted.ensureDeferred
async def test_columns_of_postgresql_that_become_of_another_type_are_told(
    opens_at: Open, postgresql: str
) -> None:
    source, target = await opens_at(postgresql), await opens_at("sqlite::memory:")
    await source.execute(
        "CREATE TABLE t (a CHAR(5), b TIME, c INTERVAL, d INET, e MONEY, f INTEGER[], "
        "g VARCHAR(5), h TIMESTAMPTZ, i JSONB, j NUMERIC(30, 2), k SMALLINT, "
        'l TEXT COLLATE "en-x-icu")'
    )
    await source.execute("INSERT INTO t (a) VALUES ('ab')")
    copy = await copy_database(source, target)
    assert [line.removeprefix("the column ") for line in copy.notes] == [
        "'a' of the table 't' is of character(5), and kept as VARCHAR(5), without the blanks at "
        "its end",
        "'b' of the table 't' is of time without time zone, and kept as TEXT",
        "'c' of the table 't' is of interval, and kept as TEXT",
        "'d' of the table 't' is of inet, and kept as TEXT",
        "'e' of the table 't' is of money, and kept as TEXT",
        "'f' of the table 't' is of integer[], and kept as TEXT",
    ]
    assert [line.partition(":")[0] for line in copy.left_out] == [
        "the collation en-x-icu of the column 'l' of the table 't'"
    ]
    assert await target.one("SELECT a FROM t") == ("ab",)
