"""A reading gives the rows, or what is picked of them, alone or beside others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.database.stepped import MemorySession
from toolkit.database.errors import NoRow
from toolkit.database.reading import Reading
from toolkit.database.rows import Row, row_class
from toolkit.database.sql import Statement, Statements
from toolkit.database.transaction import only, only_or_none

STATEMENT = Statements("?").get("SELECT {a}, {{}}")
ROW = row_class(("a",))((1,))


class OneRow(MemorySession):
    """Gives one row, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Statement, tuple[Any, ...]]] = []

    def _query(self, statement: Statement, values: tuple[Any, ...]) -> list[Row]:
        self.asked.append((statement, values))
        return [ROW]


def test_run_by_itself_it_asks_for_its_statement_with_its_values() -> None:
    session = OneRow()
    assert Reading(STATEMENT, (7,), None)(session) == [ROW]
    assert Reading(STATEMENT, (8,), only)(session) == ROW
    assert session.asked == [(STATEMENT, (7,)), (STATEMENT, (8,))]


def test_of_rows_that_were_read_beside_others_it_gives_the_same() -> None:
    assert Reading(STATEMENT, (), None).of([]) == []
    assert Reading(STATEMENT, (), only_or_none).of([]) is None
    with pytest.raises(NoRow, match=r"found none, in: SELECT \{a\}, \{\{\}\}$") as raised:
        Reading(STATEMENT, (), only).of([])
    assert raised.value.sql == "SELECT {a}, {{}}"
