"""Transaction: what a function that runs in a transaction is given; its calls block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from toolkit.database.errors import Closed, NoRow, StatementError, TooManyRows, told
from toolkit.database.rows import Row
from toolkit.database.session import Session
from toolkit.database.sql import Statements


class Transaction:
    """An open transaction. For the thread that was given it, and only while its function runs.

    Args:
        session: The connection.
        statements: Makes them of SQL.
    """

    def __init__(self, session: Session, statements: Statements) -> None:
        self._open_session: Session | None = session
        self._statements = statements
        self._savepoints = 0

    @property
    def _session(self) -> Session:
        if self._open_session is None:
            raise Closed("the transaction has ended: it is for its function alone, while that runs")
        if not self._open_session.in_transaction:
            raise StatementError(
                "the database has rolled the transaction back, so nothing more can be done in it"
            )
        return self._open_session

    def end(self) -> None:
        """Its function has returned: what it has left somewhere does nothing any more."""
        self._open_session = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._session.dialect

    def query(self, sql: str, /, **params: Any) -> list[Row]:
        """All rows of a statement.

        Args:
            sql: With `{name}` for a parameter, `{{` for a brace.
            params: By name.

        Raises:
            DatabaseError: One of `toolkit.database.errors`.
        """
        statement = self._statements.get(sql)
        return self._session.query(statement, statement.values(params))

    def one(self, sql: str, /, **params: Any) -> Row:
        """The only row of a statement; NoRow or TooManyRows if there is not just one."""
        return only(self.query(sql, **params), sql)

    def maybe_one(self, sql: str, /, **params: Any) -> Row | None:
        """The only row of a statement, or None; TooManyRows if there are several."""
        return only_or_none(self.query(sql, **params), sql)

    def execute(self, sql: str, /, **params: Any) -> int:
        """Run a statement; how many rows it changed."""
        statement = self._statements.get(sql)
        return self._session.execute(statement, statement.values(params))

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run a statement once for each of many sets of parameters; how many rows they changed."""
        statement = self._statements.get(sql)
        return self._session.execute_many(statement, [statement.values(row) for row in rows])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo only what was done inside the `with`, where that raises.

        The error is raised on. Without one, a function that goes on after an error has its
        whole transaction undone by PostgreSQL.
        """
        self._savepoints += 1
        name = f"inner_{self._savepoints}"
        session = self._session
        session.command(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            if session.in_transaction:
                session.command(f"ROLLBACK TO {name}")
                session.command(f"RELEASE {name}")
            raise
        self._session.command(f"RELEASE {name}")


def only(rows: list[Row], sql: str) -> Row:
    """The only row.

    Args:
        rows: What a statement found.
        sql: The statement, for the message.

    Raises:
        NoRow: There is none.
        TooManyRows: There are several.
    """
    row = only_or_none(rows, sql)
    if row is None:
        raise NoRow(told("expected one row, found none", sql), sql)
    return row


def only_or_none(rows: list[Row], sql: str) -> Row | None:
    """The only row, or None; TooManyRows if there are several."""
    if len(rows) > 1:
        raise TooManyRows(told(f"expected one row, found {len(rows)}", sql), sql)
    return rows[0] if rows else None
