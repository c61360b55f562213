"""A database is copied whole to one of either kind and back, and nothing is overwritten."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import HealthCheck, given, settings, strategies as some

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database.copying.copy import CopyFailed, copy_database
from toolkit.database.database import Database

SHOP = """
CREATE TABLE "the ""order"" lines" (
    "order" INTEGER NOT NULL REFERENCES orders (id), "line {no}" INTEGER NOT NULL, what TEXT UNIQUE,
    PRIMARY KEY ("order", "line {no}")
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, at TIMESTAMP, is_paid BOOLEAN, total NUMERIC(10, 2),
    weight REAL, scan BLOB, note VARCHAR(100), whatever);
CREATE TABLE nobody (x TEXT)
"""


def filled(path: Path) -> None:
    chance = random.Random(7)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SHOP)
        database.execute("PRAGMA journal_mode = WAL")
        for number in range(2500):
            row = (
                number,
                f"2026-01-02 03:04:{number % 60:02}",
                number % 2,
                number / 4,
                chance.random() * 10 ** chance.randrange(-30, 30),
                chance.randbytes(number % 50),
                "ünïcode \U0001f600 ' \" {braces} \n" if number % 3 else None,
                number - 1000,
            )
            database.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            database.execute(
                'INSERT INTO "the ""order"" lines" VALUES (?, ?, ?)', (number, 1, f"thing {number}")
            )
        database.commit()


def contents(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as database:
        return {
            table: sorted(database.execute(f"SELECT {columns} FROM {table}"), key=repr)
            for table, columns in (
                # What PostgreSQL keeps as NUMERIC comes back as text, with all its digits.
                ("orders", "id, at, is_paid, CAST(total AS REAL), weight, scan, note, whatever"),
                ('"the ""order"" lines"', "*"),
                ("nobody", "*"),
            )
        }


@pytest_twisted.ensureDeferred
async def test_what_went_to_postgresql_and_came_back_is_the_same(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    filled(first)
    told: list[tuple[str, int, int]] = []
    source = await opens_at(f"sqlite:{first}?mode=ro")
    between = await opens_at(postgresql)
    there = await copy_database(source, between, progress=lambda *one: told.append(one))
    back = await copy_database(between, await opens_at(f"sqlite:{second}"))
    assert contents(second) == contents(first)
    assert sorted(map(repr, back.tables)) == sorted(map(repr, there.tables))
    assert {one.table: one.rows for one in there.tables} == {
        "orders": 2500,
        'the "order" lines': 2500,
        "nobody": 0,
    }
    assert [one for one in told if one[0] == "orders"] == [
        ("orders", 1000, 2500),
        ("orders", 2000, 2500),
        ("orders", 2500, 2500),
    ]
    # Keys are there, and new rows are numbered on.
    row = await between.one("INSERT INTO orders (note) VALUES ('new') RETURNING id")
    assert row["id"] == 2500
    columns = await between.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders'"
    )
    assert dict([tuple(one) for one in columns]) == {
        "id": "bigint",
        "at": "timestamp without time zone",
        "is_paid": "boolean",
        "total": "numeric",
        "weight": "double precision",
        "scan": "bytea",
        "note": "character varying",
        "whatever": "bigint",
    }


ALL = "SELECT a::text, b::text, c::text, d::text, e, f::text, g, j, k FROM t"


@pytest_twisted.ensureDeferred
async def test_types_of_postgresql_come_back_from_sqlite_as_they_were(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    first = await opens_at(postgresql)
    await first.execute(
        "CREATE TABLE t (a NUMERIC, b TIMESTAMPTZ, c UUID, d JSONB, e SMALLINT, f DATE, g BOOLEAN, "
        "h INTERVAL, i INTEGER[], j REAL, k BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"
    )
    await first.execute(
        "INSERT INTO t VALUES (12345678901234567890.123456789, '2026-01-02 03:04:05.678+02', "
        "'00000000-0000-0000-0000-000000000001', '{{\"a\": [1, null]}}', 7, '2026-01-02', true, "
        "'1 day 02:03:04', '{{1,2}}', 0.1)"
    )
    before = await first.query(ALL)
    second = await opens_at(f"sqlite:{tmp_path / 'second.db'}")
    await copy_database(first, second)
    assert await second.query("SELECT a, h, i FROM t") == [
        ("12345678901234567890.123456789", "1 day 02:03:04", "{1,2}")
    ]
    await first.execute("DROP TABLE t")
    await copy_database(second, first)
    assert await first.query(ALL) == before
    assert (await first.one("SELECT h, i, pg_typeof(d)::text FROM t"))[2] == "jsonb"


VALUES = some.one_of(
    some.none(),
    some.integers(-(2**63), 2**63 - 1),
    some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)


@given(rows=some.lists(some.tuples(VALUES, some.binary(max_size=20), some.floats(allow_nan=False))))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@pytest_twisted.ensureDeferred
async def test_any_values_come_through(
    rows: list[Any], postgresql: str, reactor: Any, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("values")
    kind = "TEXT" if any(isinstance(row[0], str) for row in rows) else "INTEGER"
    urls = [f"sqlite:{folder}/a.db", postgresql, f"sqlite:{folder}/b.db"]
    databases = [Database(reactor, url) for url in urls]
    for database in databases:
        await database.startService()
    first, between, last = databases
    try:
        await first.execute(f"CREATE TABLE t (a {kind}, b BLOB, c REAL)")
        await first.execute_many(
            "INSERT INTO t VALUES ({a}, {b}, {c})", [{"a": a, "b": b, "c": c} for a, b, c in rows]
        )
        await between.execute("DROP TABLE IF EXISTS t")
        await copy_database(first, between)
        await copy_database(between, last)
        assert await last.query("SELECT * FROM t") == await first.query("SELECT * FROM t")
    finally:
        for database in databases:
            await database.stopService()


@pytest_twisted.ensureDeferred
async def test_a_database_is_not_copied_onto_itself(
    url: str, opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    if url == "sqlite::memory:":
        pytest.skip("each database in memory is one of its own")
    source = await opens()
    await source.execute("CREATE TABLE a (x INTEGER)")
    await source.execute("INSERT INTO a VALUES (1)")
    other = url
    if url.startswith("sqlite:"):
        (tmp_path / "link.db").symlink_to(url.removeprefix("sqlite:"))
        other = f"sqlite:{tmp_path / 'link.db'}"
    target = await opens_at(other)
    error = await failure(copy_database(source, target, replace=True))
    assert isinstance(error, CopyFailed)
    assert "the source and the target are one database: " in str(error)
    assert await source.query("SELECT x FROM a") == [(1,)]
