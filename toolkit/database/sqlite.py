"""SQLite: how a connection is used, and what its errors mean; `sqlite_opening` opens it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator, Sequence

from toolkit.database import errors
from toolkit.database.errors import DatabaseError, told
from toolkit.database.rows import Batch, Row
from toolkit.database.session import Session, Values
from toolkit.database.settings import DatabaseSettings, Place
from toolkit.database.sql import Statement, statements_of

# What sqlite3 raises for parameters it cannot bind, besides its own errors.
ERRORS = (sqlite3.Error, OverflowError, UnicodeError, MemoryError)

_BY_CODE: dict[int, type[DatabaseError]] = {
    sqlite3.SQLITE_BUSY: errors.Busy,
    sqlite3.SQLITE_LOCKED: errors.Busy,
    sqlite3.SQLITE_READONLY: errors.ReadOnly,
    sqlite3.SQLITE_INTERRUPT: errors.Interrupted,
    sqlite3.SQLITE_CORRUPT: errors.Corrupt,
    sqlite3.SQLITE_NOTADB: errors.Corrupt,
    sqlite3.SQLITE_FULL: errors.DiskFull,
    sqlite3.SQLITE_CANTOPEN: errors.Unavailable,
    sqlite3.SQLITE_PERM: errors.Unavailable,
    sqlite3.SQLITE_PROTOCOL: errors.Busy,  # several opened it, and closed it, at once
    sqlite3.SQLITE_SCHEMA: errors.Busy,  # another changed it again and again
    sqlite3.SQLITE_ABORT: errors.Interrupted,
    sqlite3.SQLITE_IOERR: errors.StorageFailed,
    sqlite3.SQLITE_IOERR_BLOCKED: errors.Busy,
    sqlite3.SQLITE_IOERR_NOMEM: errors.OutOfResources,
    sqlite3.SQLITE_IOERR_SHORT_READ: errors.Corrupt,
    sqlite3.SQLITE_IOERR_CORRUPTFS: errors.Corrupt,
    sqlite3.SQLITE_IOERR_DATA: errors.Corrupt,
    sqlite3.SQLITE_NOLFS: errors.StorageFailed,
    sqlite3.SQLITE_NOMEM: errors.OutOfResources,
    sqlite3.SQLITE_CONSTRAINT: errors.ConstraintViolation,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: errors.UniqueViolation,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: errors.UniqueViolation,
    sqlite3.SQLITE_CONSTRAINT_ROWID: errors.UniqueViolation,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: errors.ForeignKeyViolation,
}

_OF_THE_FILE = (
    errors.Busy,
    errors.ReadOnly,
    errors.Corrupt,
    errors.DiskFull,
    errors.StorageFailed,
    errors.OutOfResources,
)


def error_of(
    error: Exception, place: Place, statement: Statement | None = None, values: Values = ()
) -> DatabaseError:
    """What an exception of the driver means."""
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", "")
    source = statement.source if statement else ""
    if isinstance(error, MemoryError):
        code, name = sqlite3.SQLITE_NOMEM, "SQLITE_NOMEM"
    if code is None:
        kind: type[DatabaseError] = errors.StatementError
    else:
        kind = _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF, errors.StatementError)
    reason = str(error)
    path = place.target
    if kind is errors.Unavailable:
        folder = os.path.dirname(os.path.abspath(path))
        why = reason if os.path.isdir(folder) else "there is no such folder"
        return kind(f"{path!a} cannot be opened: {why}", source, name)
    if kind in _OF_THE_FILE:
        reason = f"{path!a}: {reason or 'there is no memory left'}"
    return kind(told(reason, source, values), source, name)


def _names(cursor: sqlite3.Cursor) -> tuple[str, ...]:
    return tuple([column[0] for column in cursor.description])


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class SQLiteSession(Session):
    """One connection to a SQLite database.

    Args:
        connection: In autocommit mode: transactions are begun and ended by `command`.
        place: Which file, for messages.
        settings: How it is used.
    """

    connection: sqlite3.Connection

    def __init__(
        self, connection: sqlite3.Connection, place: Place, settings: DatabaseSettings
    ) -> None:
        super().__init__(settings.slow_seconds)
        self.connection = connection
        self._cursor = connection.cursor()
        self._place = place
        if not place.read_only:
            self.begin = "BEGIN IMMEDIATE"  # one that has read first cannot always begin to write
        self._busy_seconds = settings.busy_seconds

    @property
    def dialect(self) -> str:
        """It is SQLite's."""
        return "sqlite"

    def _query(self, statement: Statement, values: Values) -> list[Row]:
        try:
            cursor = self._cursor.execute(statement.text, values)
        except ERRORS as error:
            cursor = self._again(error, statement, values)
        if cursor.description is None:
            return []
        try:
            return self._rows.all(_names(cursor), cursor.fetchmany)
        except ERRORS as error:
            raise error_of(error, self._place, statement, values) from None

    def _execute(self, statement: Statement, values: Values) -> int:
        try:
            cursor = self._cursor.execute(statement.text, values)
        except ERRORS as error:
            cursor = self._again(error, statement, values)
        if cursor.description is not None:
            try:
                cursor.fetchall()  # RETURNING: what is not fetched is not all done
            except ERRORS as error:
                raise error_of(error, self._place, statement, values) from None
        changed = cursor.rowcount
        return changed if changed > 0 else 0

    def _again(self, error: Exception, statement: Statement, values: Values) -> sqlite3.Cursor:
        """Run it again while another holds the lock; or raise what the error means."""
        if _is_busy(error) and not self.in_transaction:
            try:
                return self._patiently(statement.text, values)
            except ERRORS as last:
                error = last
        raise error_of(error, self._place, statement, values) from None

    def _execute_many(self, statement: Statement, values: Sequence[Values]) -> int:
        try:
            return max(0, self.connection.executemany(statement.text, values).rowcount)
        except ERRORS as error:
            raise error_of(error, self._place, statement) from None

    def _patiently(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                return self._cursor.execute(sql, values)
            except sqlite3.OperationalError as error:
                is_doomed = self.job is not None and self.job.doom is not None
                if not _is_busy(error) or is_doomed or time.monotonic() > deadline:
                    raise

    def batches(
        self, statement: Statement, values: Values, size: int
    ) -> Generator[Batch, None, None]:
        """The rows of a statement, so many at a time."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement.text, values)
            while rows := cursor.fetchmany(size):
                yield self._rows.batch(_names(cursor), rows)
        except ERRORS as error:
            raise error_of(error, self._place, statement, values) from None
        finally:
            cursor.close()

    def command(self, sql: str) -> None:
        """Run `BEGIN IMMEDIATE` and the like; waits for a lock as long as the settings say."""
        try:
            self._cursor.execute(sql)
            return
        except ERRORS as error:
            failed = error
        if _is_busy(failed):
            try:
                self._patiently(sql)
                return
            except ERRORS as error:
                failed = error
        raise error_of(failed, self._place) from None

    def script(self, sql: str) -> None:
        """Run several statements: one after another, as the driver's own ends the transaction."""
        try:
            for one in statements_of(sql):
                self.connection.execute(one)
        except ERRORS as error:
            found = error_of(error, self._place)
            raise type(found)(told(str(found), sql), sql, found.native) from None

    @property
    def changes(self) -> int:
        """How many rows were changed since the connection was opened; not those undone again."""
        return self.connection.total_changes

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open: some errors have SQLite end it itself."""
        return self.connection.in_transaction

    def ready(self) -> bool:
        """It always is: there is no server that could be gone."""
        return True

    def interrupt(self) -> None:
        """End the statement that runs."""
        self.connection.interrupt()

    def sever(self) -> None:
        """Nothing: there is no connection to break, and a thread in the kernel cannot be freed."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
