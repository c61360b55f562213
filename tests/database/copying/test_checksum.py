"""A checksum is of the rows, not of their order, nor of how a database writes their values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, strategies as some

from toolkit.database.copying.checksum import Sum

VALUES = some.none() | some.integers() | some.text() | some.binary() | some.floats(allow_nan=False)
ROWS = some.lists(some.tuples(VALUES, VALUES))


def sum_of(rows: list[Any], *kinds: str) -> Sum:
    found = Sum(kinds)
    found.add(rows)
    return found


@given(ROWS, some.randoms(), some.integers(0, 10))
def test_neither_order_nor_batches_matter(rows: list[Any], chance: Any, cut: int) -> None:
    other = list(rows)
    chance.shuffle(other)
    found = Sum([])
    found.add(other[:cut])
    found.add(other[cut:])
    assert found == sum_of(rows)
    assert str(found) == str(sum_of(rows))
    assert found.rows == len(rows)


@given(ROWS, some.tuples(VALUES, VALUES), some.data())
def test_one_row_more_or_another_is_another_sum(rows: list[Any], row: Any, data: Any) -> None:
    assert sum_of([*rows, row]) != sum_of(rows)
    if rows:
        place = data.draw(some.integers(0, len(rows) - 1))
        assume(repr(rows[place]) != repr(row))
        assert sum_of([*rows[:place], row, *rows[place + 1 :]]) != sum_of(rows)


def test_a_row_that_is_there_twice_is_not_one_that_is_there_never() -> None:
    assert sum_of([(1,), (1,)]) != sum_of([])
    assert sum_of([(1,), (1,)]) != sum_of([(2,), (2,)])


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("boolean", 1, True),
        ("real", 1, 1.0),
        ("real", -0.0, 0.0),
        ("numeric", "1.500", 1.5),
        ("numeric", "100", 100),
        ("numeric", "-0", "0"),
        ("exact", "1e3", "1000.00"),
        ("timestamp", "2026-01-02T03:04:05", "2026-01-02 03:04:05.000"),
        ("timestamptz", "2026-01-02 05:04:05+02", "2026-01-02 03:04:05+00"),
        ("jsonb", '{"b": 1.50, "a": []}', '{"a":[],"b":1.5}'),
        ("uuid", "ABCDEF00-0000-0000-0000-000000000001", "abcdef00000000000000000000000001"),
    ],
)
def test_a_value_is_the_same_whichever_way_a_database_writes_it(
    kind: str, one: object, other: object
) -> None:
    assert sum_of([(one,)], kind) == sum_of([(other,)], kind)
    assert sum_of([(one,)], kind) != sum_of([(None,)], kind)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("exact", "1" * 100, "1" * 99 + "2"),
        ("timestamp", "infinity", "-infinity"),
        ("timestamptz", "2026-01-02 03:04:05", "2026-01-02 03:04:05+00"),
        ("numeric", "NaN", "0"),
        ("text", "1", 1),
    ],
)
def test_what_differs_by_little_differs(kind: str, one: object, other: object) -> None:
    assert sum_of([(one,)], kind) != sum_of([(other,)], kind)
