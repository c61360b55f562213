"""What a database said of a statement of the copy's own is told without that statement."""

from __future__ import annotations

from toolkit.database.copying.copied import reason_of
from toolkit.database.errors import StatementError, told


def test_the_reason_stands_without_the_statement() -> None:
    sql = "INSERT INTO t\n VALUES ({c0})"
    assert reason_of(StatementError(told("no such table", sql), sql)) == "no such table"


def test_a_long_statement_is_left_out_as_well() -> None:
    sql = "INSERT INTO t VALUES (" + "x" * 5000
    assert reason_of(StatementError(told("syntax error", sql), sql)) == "syntax error"


def test_an_error_of_no_statement_is_told_as_it_is() -> None:
    assert reason_of(StatementError("it is full")) == "it is full"
