"""Every value goes there and back as it was, or is refused with one clear line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import HealthCheck, given, settings, strategies as some

from tests.database.databases import Open
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
