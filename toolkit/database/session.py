"""A session: one connection, used by one thread at a time, with the same calls for each driver."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Any

from toolkit.database.errors import DatabaseError, Interrupted
from toolkit.database.job import Job
from toolkit.database.rows import Batch, Row, Rows
from toolkit.database.sql import Statement

Values = tuple[Any, ...]


class Session(ABC):
    """One connection. All its methods block, and raise the errors of `toolkit.database.errors`.

    Args:
        slow_seconds: Statements that take longer are noted in the job.

    Attributes:
        connection: The driver's.
        job: What runs on it now.
        lost: Whether the connection has ended.
        slow_seconds: What takes longer is noted in its job.
        spoiled: Whether it is to be replaced, as something may still come for what ran before.
    """

    connection: Any
    begin = "BEGIN"
    """What begins a transaction."""

    def __init__(self, slow_seconds: float) -> None:
        self.job: Job | None = None
        self.lost = False
        self.spoiled = False
        self.slow_seconds = slow_seconds
        self._rows = Rows()

    def query(self, statement: Statement, values: Values) -> list[Row]:
        """Run a statement, and fetch all its rows."""
        began = self._begin()
        try:
            rows = self._query(statement, values)
        except BaseException:
            statement.pace.fail()
            self._note(statement, began)
            raise
        statement.pace.note(self._note(statement, began))
        return rows

    def execute(self, statement: Statement, values: Values) -> int:
        """Run a statement; how many rows it changed."""
        began = self._begin()
        try:
            return self._execute(statement, values)
        finally:
            self._note(statement, began)

    def execute_many(self, statement: Statement, values: Sequence[Values]) -> int:
        """Run a statement with each of many values; how many rows they changed."""
        began = self._begin()
        try:
            return self._execute_many(statement, values)
        finally:
            self._note(statement, began)

    def _begin(self) -> float:
        if self.job is not None and self.job.doom is not None:
            raise Interrupted("it was given up")
        return time.monotonic()

    def _note(self, statement: Statement, began: float) -> float:
        seconds = time.monotonic() - began
        if seconds > self.slow_seconds and self.job is not None:
            self.job.note_slow(statement, seconds)
        return seconds

    @abstractmethod
    def _query(self, statement: Statement, values: Values) -> list[Row]: ...

    @abstractmethod
    def _execute(self, statement: Statement, values: Values) -> int: ...

    @abstractmethod
    def _execute_many(self, statement: Statement, values: Sequence[Values]) -> int: ...

    @abstractmethod
    def batches(
        self, statement: Statement, values: Values, size: int
    ) -> Generator[Batch, None, None]:
        """Run a statement, and fetch its rows so many at a time, never all of them."""

    @abstractmethod
    def command(self, sql: str) -> None:
        """Run one of `BEGIN`, `COMMIT`, `SAVEPOINT x` and the like."""

    @abstractmethod
    def script(self, sql: str) -> None:
        """Run several statements, without parameters, inside the transaction that is open."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @property
    def changes(self) -> int:
        """How many rows were changed since the connection was opened, where that is known."""
        return 0

    @property
    @abstractmethod
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the connection can be used, as far as can be told without asking the server."""

    @abstractmethod
    def interrupt(self) -> None:
        """End the statement that runs. Called in the reactor's thread; does not block."""

    @abstractmethod
    def sever(self) -> None:
        """Break the connection, for a thread that an interruption did not free. Does not block."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; what is not committed is lost."""

    def roll_back(self) -> None:
        """End the transaction that is open, if one is; a connection that cannot is lost."""
        try:
            if self.in_transaction:
                self.command("ROLLBACK")
        except DatabaseError:
            self.lost = True
