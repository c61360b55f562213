"""Every value goes there and back as it was, or is refused with one clear line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest_twisted
from hypothesis import HealthCheck, given, settings, strategies as some

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
