"""Statements that are sent together are done together, or none of them is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from toolkit.database.pipelining import Pipelining
from toolkit.database.sql import Statements

DIVIDES = Statements("$").get("SELECT 100 / {number}::int")
INSERTS = Statements("$").get("INSERT INTO t VALUES ({x})")


@pytest.fixture
def connection(postgresql: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty database with one table."""
    with closing(
        psycopg.connect(postgresql, autocommit=True, cursor_factory=psycopg.RawCursor)
    ) as opened:
        opened.execute("CREATE TABLE t (x INTEGER)")
        yield opened


def found(cursors: list[Any]) -> list[Any]:
    return [cursor and cursor.fetchone()[0] for cursor in cursors]


def test_each_has_its_own_result(connection: psycopg.Connection[Any]) -> None:
    pipelining = Pipelining(connection)
    for _ in range(2):  # the first time one is run alone, and prepared
        cursors, error = pipelining.run([(DIVIDES, (number,)) for number in (1, 2, 4)])
        assert (found(cursors), error) == ([100, 50, 25], None)


def test_where_one_fails_nothing_that_was_sent_with_it_is_done(
    connection: psycopg.Connection[Any],
) -> None:
    pipelining = Pipelining(connection)
    pipelining.run([(INSERTS, (1,)), (DIVIDES, (1,))])
    cursors, error = pipelining.run([(INSERTS, (2,)), (DIVIDES, (0,)), (INSERTS, (3,))])
    assert cursors == [None] * 3
    assert isinstance(error, psycopg.errors.DivisionByZero)
    assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]
    cursors, error = pipelining.run([(DIVIDES, (4,)), (DIVIDES, (5,))])
    assert (found(cursors), error) == ([25, 20], None)


def test_after_a_value_that_cannot_be_sent_what_was_sent_before_it_is_known_to_be_done(
    connection: psycopg.Connection[Any],
) -> None:
    pipelining = Pipelining(connection)
    pipelining.run([(DIVIDES, (1,))])
    usual = connection.prepare_threshold
    pipelining.run([(INSERTS, (1,))])
    cursors, error = pipelining.run(
        [(DIVIDES, (2,)), (INSERTS, (2,)), (DIVIDES, (object(),)), (INSERTS, (3,))]
    )
    assert found(cursors[:1]) == [50]
    assert cursors[1] is not None
    assert cursors[2:] == [None, None]
    assert isinstance(error, psycopg.ProgrammingError)
    assert connection.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
    assert connection.prepare_threshold == usual
    cursors, error = pipelining.run([(DIVIDES, (4,)), (DIVIDES, (5,))])
    assert (found(cursors), error) == ([25, 20], None)
