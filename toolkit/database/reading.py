"""Reading: a call that is one statement that only reads, which can be run beside others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toolkit.database.rows import Row
from toolkit.database.sql import Statement

if TYPE_CHECKING:
    from toolkit.database.session import Session


class Reading:
    """One statement, its parameters, and what is made of its rows.

    Args:
        statement: It.
        values: Its parameters.
        pick: Given the rows and the statement as it was written, gives the result, or raises;
            None where the rows are the result.
    """

    __slots__ = ("pick", "statement", "values")

    def __init__(
        self,
        statement: Statement,
        values: tuple[Any, ...],
        pick: Callable[[list[Row], str], Any] | None,
    ) -> None:
        self.statement = statement
        self.values = values
        self.pick = pick

    def __call__(self, session: Session) -> Any:
        """Run it by itself."""
        return self.of(session.query(self.statement, self.values))

    def of(self, rows: list[Row]) -> Any:
        """The result, of the rows."""
        return rows if self.pick is None else self.pick(rows, self.statement.source)
