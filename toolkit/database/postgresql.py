"""PostgreSQL: how a connection is opened and used, and what its errors mean.

`serving` runs the jobs.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from os import dup
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from toolkit.database import errors
from toolkit.database.errors import DatabaseError, told
from toolkit.database.pipelining import Pipelining
from toolkit.database.reading import Reading
from toolkit.database.rows import Batch, Row
from toolkit.database.session import Session, Values
from toolkit.database.settings import DatabaseSettings, Place
from toolkit.database.sql import Statement
from toolkit.log.secrets import Masks
from toolkit.secret import MASK

# https://www.postgresql.org/docs/current/errcodes-appendix.html: the longest beginning counts.
_BY_STATE: dict[str, type[DatabaseError]] = {
    "23505": errors.UniqueViolation,
    "23503": errors.ForeignKeyViolation,
    "23": errors.ConstraintViolation,
    "40001": errors.Conflict,
    "40P01": errors.Conflict,
    "55P03": errors.Busy,
    "57014": errors.Interrupted,
    "25006": errors.ReadOnly,
    "53100": errors.DiskFull,
    "53300": errors.Unavailable,
    "53": errors.OutOfResources,
    "58030": errors.StorageFailed,
    "XX001": errors.Corrupt,
    "XX002": errors.Corrupt,
    "08": errors.ConnectionLost,
    "57P03": errors.Unavailable,
    "57P": errors.ConnectionLost,
    "25P03": errors.ConnectionLost,
}

# What psycopg raises for parameters it cannot adapt, besides its own errors.
ERRORS = (psycopg.Error, OverflowError, UnicodeError)

_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR, TransactionStatus.ACTIVE)

_CANCEL_SECONDS = 5.0
_FEW = 50
"""For more, psycopg's executemany takes half as long; where one fails, it logs that it does."""
_STALE = "RevalidateCachedQuery"
"""The function of the server that finds a prepared statement's columns changed. The error's code
(0A000) is that of much else, and its words are in the server's language."""


def arguments(place: Place, settings: DatabaseSettings) -> dict[str, Any]:
    """What adbapi's pool is given, to open a connection in each of its threads.

    Args:
        place: Which server and database.
        settings: How it is used.
    """
    milliseconds = max(1, round(settings.busy_seconds * 1000))  # 0 would be for ever

    def prepare(connection: psycopg.Connection[Any]) -> None:
        try:
            connection.execute(f"SET lock_timeout = {milliseconds}")
        except BaseException:
            connection.close()
            raise

    given: dict[str, Any] = {
        "conninfo": place.target,
        "autocommit": True,
        "cursor_factory": psycopg.RawCursor,
        "connect_timeout": max(2, round(settings.connect_seconds)),  # libpq takes no less
        "fallback_application_name": "toolkit",
    }
    if "lock_timeout" not in place.target:
        given["cp_openfun"] = prepare
    if "tcp_user_timeout" not in place.target:  # a server that vanished is noticed in so long
        given |= {"tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5}
    if settings.password is not None:
        given["password"] = settings.password.reveal()
    return given


def error_of(
    error: Exception, statement: Statement | None = None, values: Values = (), lost: bool = False
) -> DatabaseError:
    """What an exception of the driver means."""
    diagnosis = getattr(error, "diag", None)
    state = getattr(error, "sqlstate", None) or ""
    # Only the primary message: the detail holds the values of rows.
    reason = (diagnosis.message_primary if diagnosis else None) or str(error)
    source = statement.source if statement else ""
    if statement is not None and reason.startswith("cannot adapt type"):
        for name, value in zip(statement.names, values, strict=False):
            kind_of = type(value).__name__
            if f"type '{kind_of}'" in reason:
                reason = (
                    f"the parameter {name} is of the type {kind_of}, which PostgreSQL does not "
                    "keep: pass text"
                )
    kind = next(
        (_BY_STATE[state[:size]] for size in (5, 3, 2) if state[:size] in _BY_STATE),
        errors.StatementError,
    )
    if lost:
        kind = errors.ConnectionLost
    return kind(told(reason, source, values), source, state)


def unavailable(error: Exception, place: Place) -> DatabaseError:
    """No connection could be opened: why, and to what."""
    lines = [line.strip() for line in str(error).splitlines()]
    reason = re.sub(r"^connection failed: ", "", "; ".join(line for line in lines if line))
    url = Masks().text(place.target)
    # libpq repeats what it did not understand: a part of a password, where that is not quoted.
    user = re.search(r"://[^/?#:]*:([^/?#]*)@", place.target)
    for part in re.split("[@:]", user[1]) if user else ():
        if len(part) > 2:
            reason = reason.replace(part, MASK)
    state = getattr(error, "sqlstate", None) or ""
    return errors.Unavailable(told(f"cannot connect to {url}: {reason}"), native=state)


class PostgreSQLSession(Session):
    """One connection to a PostgreSQL server.

    Args:
        connection: In autocommit mode: transactions are begun and ended by `command`.
        settings: How it is used.

    Attributes:
        is_of_one_moment: Whether a function's transaction sees what there was when it began.
    """

    # Migrations wait for a lock in it: what they see afterwards is not what was there before.
    begin_series = "BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, connection: psycopg.Connection[Any], settings: DatabaseSettings) -> None:
        super().__init__(settings.slow_seconds)
        self.begin = f"BEGIN ISOLATION LEVEL {settings.isolation.replace('-', ' ').upper()}"
        self.is_of_one_moment = settings.isolation != "read-committed"
        self.connection = connection
        self._cursor = connection.cursor()
        self._encoding = connection.info.encoding
        self._pipelining = Pipelining(connection)
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN | select.POLLHUP)

    @property
    def dialect(self) -> str:
        """It is PostgreSQL's."""
        return "postgresql"

    def _run(self, statement: Statement, values: Values) -> None:
        self._cursor.execute(statement.text, values)

    def _query(self, statement: Statement, values: Values) -> list[Row]:
        try:
            self._run(statement, values)
        except ERRORS as error:
            raise self._error(error, statement, values) from None
        try:
            return self._fetched(self._cursor)
        except ERRORS as error:
            found = self._error(error, statement, values)
            raise type(found)(
                f"Python cannot read what it returns (what it writes, it has written): {found}",
                statement.source,
                found.native,
            ) from None

    def _fetched(self, cursor: psycopg.Cursor[Any]) -> list[Row]:
        names = self._names(cursor)
        return self._rows.all(names, cursor.fetchmany) if names else []

    def _names(self, cursor: psycopg.Cursor[Any] | psycopg.ServerCursor[Any]) -> tuple[str, ...]:
        result = cursor.pgresult  # the cursor's description costs as much as a row
        if result is None:
            return ()
        names = [result.fname(place) or b"" for place in range(result.nfields)]
        return tuple([name.decode(self._encoding) for name in names])

    def query_together(self, readings: Sequence[Reading]) -> list[list[Row] | None]:
        """Run several statements that only read, without a wait for each.

        Args:
            readings: What to run.

        Returns:
            The rows of each; None for one that has to be run alone: it was undone with one that
            has failed, or interrupted, or its rows cannot be read.
        """
        cursors, failed = self._pipelining.run([(one.statement, one.values) for one in readings])
        if failed is not None:
            self.lost = self.connection.closed
        found: list[list[Row] | None] = []
        for cursor in cursors:
            rows = None
            if cursor is not None and cursor.pgresult is not None:
                with suppress(*ERRORS, ValueError):  # run alone, it raises that
                    rows = self._fetched(cursor)
            found.append(rows)
        return found

    def _execute(self, statement: Statement, values: Values) -> int:
        try:
            self._run(statement, values)
            return max(0, self._cursor.rowcount)
        except ERRORS as error:
            raise self._error(error, statement, values) from None

    def _execute_many(self, statement: Statement, values: Sequence[Values]) -> int:
        if len(values) <= _FEW:
            cursors, failed = self._pipelining.run([(statement, one) for one in values])
            if isinstance(failed, ERRORS):
                raise self._error(failed, statement) from None
            if failed is not None:
                raise failed
            return sum(max(0, cursor.rowcount) for cursor in cursors if cursor is not None)
        try:
            self._cursor.executemany(statement.text, values)
            return max(0, self._cursor.rowcount)
        except ERRORS as error:
            self.spoiled = True  # it may take for prepared what was undone; see Pipelining
            raise self._error(error, statement) from None

    def batches(
        self, statement: Statement, values: Values, size: int
    ) -> Generator[Batch, None, None]:
        """The rows of a statement, so many at a time, by a cursor of the server."""
        # The cursor's rows are of one moment anyhow; so is then what its functions read.
        self.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            with closing(psycopg.RawServerCursor(self.connection, "stream")) as cursor:
                try:
                    cursor.execute(statement.text, values)
                    while rows := cursor.fetchmany(size):
                        yield self._rows.batch(self._names(cursor), rows)
                finally:
                    self.roll_back()  # it ends the cursor, too, which need not ask the server
        except ERRORS as error:
            raise self._error(error, statement, values) from None

    def command(self, sql: str) -> None:
        """Run `BEGIN` and the like."""
        try:
            self._cursor.execute(sql, prepare=False)
        except psycopg.Error as error:
            raise self._error(error) from None

    def script(self, sql: str) -> None:
        """Run several statements: without parameters, the server takes them at once."""
        try:
            self._cursor.execute(sql, prepare=False)
        except ERRORS as error:
            found = self._error(error)
            raise type(found)(told(str(found), sql), sql, found.native) from None

    def _error(
        self, error: Exception, statement: Statement | None = None, values: Values = ()
    ) -> DatabaseError:
        # What libpq says by itself is about the connection.
        is_libpq = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
        self.lost = self.connection.closed or is_libpq
        if getattr(getattr(error, "diag", None), "source_function", None) == _STALE:
            self.spoiled = True
            return errors.Conflict(
                told("a table was changed by others since the statement was prepared"),
                statement.source if statement else "",
                "0A000",
            )
        return error_of(error, statement, values, self.lost)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.connection.pgconn.transaction_status in _OPEN

    @property
    def is_aborted(self) -> bool:
        """Whether a statement has failed in the open transaction, which can only be undone."""
        return self.connection.info.transaction_status is TransactionStatus.INERROR

    def ready(self) -> bool:
        """Whether it is open, and the server has said nothing unasked: that is mostly goodbye."""
        return not self.connection.closed and not self._poll.poll(0)

    def interrupt(self) -> None:
        """Ask the server, over a connection of its own, to end the statement that runs."""
        # It may arrive when the next statement runs; so none will, on this connection.
        self.spoiled = True
        threading.Thread(target=self._cancel, daemon=True).start()

    def _cancel(self) -> None:
        with suppress(psycopg.Error):  # if the server cannot be reached, it is severed in a while
            self.connection.cancel_safe(timeout=_CANCEL_SECONDS)

    def sever(self) -> None:
        """Shut the socket down: the thread that waits for the server is told of its end."""
        with (
            suppress(OSError, psycopg.Error),
            socket.socket(fileno=dup(self.connection.fileno())) as one,
        ):
            one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
