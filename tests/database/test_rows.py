"""Rows are tuples that know the names of their columns."""

from __future__ import annotations

import pickle
from itertools import islice

import pytest

from toolkit.database.rows import Rows, row_class

NAMES = ("id", "name")


def test_a_row_is_read_by_name_by_position_and_as_a_tuple() -> None:
    (row,) = Rows().of(NAMES, [(1, "ann")])
    assert (row["id"], row[1], row[-1], row[:1]) == (1, "ann", "ann", (1,))
    assert dict(row) == {"id": 1, "name": "ann"}
    with pytest.raises(KeyError):
        row["age"]
    with pytest.raises(IndexError):
        row[2]
    assert hash(row) == hash((1, "ann"))
    assert row == (1, "ann")


def test_of_two_columns_of_one_name_the_last_has_it() -> None:
    row = row_class(("a", "a"))((1, 2))
    assert (row["a"], row[0], row[1]) == (2, 1, 2)


def test_a_row_goes_through_a_pickle() -> None:
    row = row_class(("id", "name"))((1, "ann"))
    again = pickle.loads(pickle.dumps(row))
    assert (again, again["name"]) == ((1, "ann"), "ann")


def test_a_batch_is_a_sequence_of_rows() -> None:
    batch = Rows().batch(NAMES, [(1, "ann"), (2, "ben"), (3, "eve")])
    assert len(batch) == 3
    assert [row["name"] for row in batch] == ["ann", "ben", "eve"]
    assert batch[1]["id"] == 2
    assert batch[1:] == [(2, "ben"), (3, "eve")]
    assert batch != [(1, "ann")]


def test_the_classes_of_rows_are_remembered_but_not_without_bound() -> None:
    rows = Rows(most=2)
    first = type(rows.of(("a",), [(1,)])[0])
    assert type(rows.of(("a",), [(2,)])[0]) is first
    rows.of(("b",), [(1,)])
    rows.of(("c",), [(1,)])
    assert type(rows.of(("a",), [(3,)])[0]) is not first


@pytest.mark.parametrize("count", [0, 1, 1999, 2000, 2001, 4000, 4001])
def test_rows_that_are_fetched_some_at_a_time_are_all_there(count: int) -> None:
    values = iter(range(count))

    def fetch(most: int) -> list[tuple[int, str]]:
        return [(number, "x") for number in islice(values, most)]

    rows = Rows().all(NAMES, fetch)
    assert [row["id"] for row in rows] == list(range(count))
