"""What is put into a database, what comes back from each, and what none of them takes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest
import pytest_twisted
from hypothesis import given, strategies as some

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database.errors import StatementError
from toolkit.database.values import taken

NUMBER = UUID("12345678-1234-5678-1234-567812345678")
MOMENT = datetime(2024, 2, 3, 4, 5, 6, 789)
LEFT = timezone(timedelta(hours=-5))


class Size(IntEnum):
    SMALL = 1


TABLE = """CREATE TABLE kept (
    flag BOOLEAN, whole BIGINT, part DOUBLE PRECISION, words TEXT, day DATE, at TIMESTAMP,
    clock TIME, id UUID, size INTEGER
)"""
GIVEN = {
    "flag": True,
    "whole": -(2**63),
    "part": 0.1,
    "words": "é\U0001f600",
    "day": date(2024, 2, 3),
    "at": MOMENT,
    "clock": time(4, 5, 6),
    "id": NUMBER,
    "size": Size.SMALL,
}
AS_TEXT = {
    "day": "2024-02-03",
    "at": "2024-02-03 04:05:06.000789",
    "clock": "04:05:06",
    "id": str(NUMBER),
}


@pytest_twisted.ensureDeferred
async def test_what_comes_back_is_what_was_given_or_its_text(opens: Open) -> None:
    database = await opens()
    await database.execute(TABLE)
    places = ", ".join(f"{{{name}}}" for name in GIVEN)
    await database.execute(f"INSERT INTO kept VALUES ({places})", **GIVEN)
    row = await database.one("SELECT * FROM kept")
    expected = GIVEN if database.dialect == "postgresql" else GIVEN | AS_TEXT
    assert dict(row) == expected
    for name, value in GIVEN.items():  # and it is found by what was given
        found = await database.query(f"SELECT 1 FROM kept WHERE {name} = {{value}}", value=value)
        assert found == [(1,)]


@pytest_twisted.ensureDeferred
async def test_in_a_column_of_text_it_is_the_same_text_in_both(opens: Open) -> None:
    database = await opens()
    await database.execute("CREATE TABLE texts (number INTEGER, x TEXT)")
    values = [{"number": number, "x": GIVEN[name]} for number, name in enumerate(AS_TEXT)]
    for one in values:
        await database.execute("INSERT INTO texts VALUES ({number}, {x})", **one)
    rows = await database.query("SELECT x FROM texts ORDER BY number")
    assert [row[0] for row in rows] == [*AS_TEXT.values()]


@pytest_twisted.ensureDeferred
async def test_a_moment_of_another_zone_is_the_same_moment(opens: Open) -> None:
    database = await opens()
    await database.execute("CREATE TABLE moments (at TIMESTAMP WITH TIME ZONE)")
    given = [datetime(2024, 1, 1, 20, tzinfo=LEFT), datetime(2024, 1, 2, 0, tzinfo=UTC)]
    await database.execute_many("INSERT INTO moments VALUES ({at})", [{"at": at} for at in given])
    rows = await database.query("SELECT at FROM moments ORDER BY at")
    found = [at if isinstance(at, datetime) else datetime.fromisoformat(at) for (at,) in rows]
    assert found == given[::-1]


@pytest_twisted.ensureDeferred
async def test_bytes_come_back_as_bytes(opens: Open) -> None:
    database = await opens()
    kind = "BYTEA" if database.dialect == "postgresql" else "BLOB"
    await database.execute(f"CREATE TABLE blobs (x {kind})")
    given = [b"\0a", bytearray(b"b"), memoryview(b"c")]
    await database.execute_many("INSERT INTO blobs VALUES ({x})", [{"x": x} for x in given])
    rows = await database.query("SELECT x FROM blobs ORDER BY x")
    assert rows == [(b"\0a",), (b"b",), (b"c",)]


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, 10**5000], ids=["above", "below", "endless"]
)
@pytest_twisted.ensureDeferred
async def test_an_integer_beyond_64_bits_is_named(opens: Open, value: int) -> None:
    database = await opens()
    error = await failure(database.query("SELECT {a}, {b}", a=1, b=value))
    assert isinstance(error, StatementError)
    assert str(error).startswith("the parameter b is an integer beyond 64 bits: pass it as text")


@pytest_twisted.ensureDeferred
async def test_a_type_that_is_unknown_is_named_with_its_parameter(opens: Open) -> None:
    database = await opens()
    error = await failure(database.query("SELECT {a}, {b}", a=1, b=object()))
    assert isinstance(error, StatementError)
    kept = "SQLite" if database.dialect == "sqlite" else "PostgreSQL"
    start = f"the parameter b is of the type object, which {kept} does not keep: pass text"
    assert str(error).startswith(start)


@pytest.mark.parametrize("value", [Decimal("1.50"), [1], {"a": 1}, 1j, (1,), {1}])
def test_sqlite_refuses_what_it_would_have_to_change(value: Any) -> None:
    with pytest.raises(StatementError, match="the parameter a is of the type"):
        taken((value,), ("a",), "SELECT {a}", True)


@pytest_twisted.ensureDeferred
async def test_what_only_postgresql_has_stays_as_it_is(opens_at: Open, postgresql: str) -> None:
    database = await opens_at(postgresql)
    row = await database.one(
        "SELECT {price}::numeric AS price, {list}::int[] AS list", price=Decimal("1.50"), list=[1]
    )
    assert dict(row) == {"price": Decimal("1.50"), "list": [1]}
    assert str(row["price"]) == "1.50"
    number = (await database.one("SELECT {x}::float8", x=float("nan")))[0]
    assert number != number


def test_a_moment_that_is_none_in_utc_is_named() -> None:
    with pytest.raises(StatementError, match="the parameter a is a time that UTC does not have"):
        taken((datetime.max.replace(tzinfo=LEFT),), ("a",), "", True)


def test_sqlite_refuses_what_is_no_number_and_takes_what_is_endless() -> None:
    with pytest.raises(StatementError, match="the parameter b is NaN"):
        taken((1.0, float("nan")), ("a", "b"), "SELECT {a}, {b}", True)
    endless = (float("inf"), float("-inf"))
    assert taken(endless, ("a", "b"), "", True) == endless


PLAIN = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-(2**63), 2**63 - 1),
    some.floats(allow_nan=False),
    some.text(),
    some.binary(),
)


@given(some.lists(PLAIN).map(tuple), some.booleans())
def test_what_is_plain_stays_as_it_is(values: tuple[Any, ...], is_sqlite: bool) -> None:
    names = [f"p{number}" for number in range(len(values))]
    assert taken(values, names, "", is_sqlite) is values


MOMENTS = some.datetimes(
    min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=some.timezones()
)


@given(MOMENTS, MOMENTS)
def test_moments_are_in_order_as_text(first: datetime, second: datetime) -> None:
    # Python compares two of one zone by their clocks, which go back once a year.
    before, after = sorted([first, second], key=lambda at: at.astimezone(UTC))
    texts = [taken((at,), ("a",), "", True)[0] for at in (before, after)]
    assert texts == sorted(texts)
    expected = [at.astimezone(UTC) for at in (before, after)]
    assert [datetime.fromisoformat(text) for text in texts] == expected
