"""What a database could not do: one small tree for the errors of both drivers.

A driver's own exception is never chained: it may hold the values of parameters, and a traceback
would show them. What it says stands in the message, with those values masked.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.errors import ToolkitError, printable, reason_of
from toolkit.secret import MASK

_LONGEST = 500
_SHORTEST = 4  # a shorter value is masked only in quotes, or half of the message would be


class DatabaseError(ToolkitError):
    """A database could not do what it was asked.

    Args:
        message: What happened to what, and what to do.
        sql: The statement, as it was written, if it was one.
        native: The driver's own name for the error: `SQLITE_BUSY`, or a SQLSTATE such as `40001`.
    """

    code = "database"
    passing = False
    """Whether the same transaction, tried again as a whole, may succeed."""

    def __init__(self, message: str, sql: str = "", native: str = "") -> None:
        super().__init__(message)
        self.sql = sql
        self.native = native


class ConstraintViolation(DatabaseError):
    """A row breaks a rule of its table: NOT NULL, CHECK, or one of the two below."""

    code = "constraint-violation"


class UniqueViolation(ConstraintViolation):
    """There is a row with this key already."""

    code = "unique-violation"


class ForeignKeyViolation(ConstraintViolation):
    """A row names another that is not there, or is named by another."""

    code = "foreign-key-violation"


class Busy(DatabaseError):
    """Somebody else holds a lock for longer than `busy_seconds`."""

    code = "database-busy"
    passing = True


class Conflict(Busy):
    """The database chose this transaction to fail: a deadlock, or serializability."""

    code = "conflict"


class Unavailable(DatabaseError):
    """No connection could be opened."""

    code = "database-away"
    passing = True


class ConnectionLost(DatabaseError):
    """The connection ended before the transaction was committed: nothing of it is kept."""

    code = "connection-lost"
    passing = True


class OutcomeUnknown(DatabaseError):
    """The commit was sent, and no answer came: look before it is written again."""

    code = "outcome-unknown"


class DeadlinePassed(DatabaseError):
    """It took longer than it may; the statement was interrupted, and nothing of it is kept."""

    code = "deadline"


class QueueFull(DatabaseError):
    """As many calls wait as may wait."""

    code = "queue-full"


class Closed(DatabaseError):
    """The database is stopping, has stopped, or has not been started."""

    code = "closed"


class ReadOnly(DatabaseError):
    """The database may not be written to."""

    code = "read-only"


class DiskFull(DatabaseError):
    """There is no room for what was to be written."""

    code = "disk-full"


class StorageFailed(DatabaseError):
    """The disk or its file system failed, and does not say that it is full or damaged."""

    code = "storage-failed"


class OutOfResources(DatabaseError):
    """There is no memory left for it, or not as much of something as may be used."""

    code = "out-of-resources"


class Corrupt(DatabaseError):
    """The file is damaged, or no database."""

    code = "corrupt"


class StatementError(DatabaseError):
    """The database does not understand the statement, or not with these parameters."""

    code = "statement-error"


class ParameterError(DatabaseError):
    """The placeholders of a statement and its parameters do not fit each other."""

    code = "wrong-parameters"


class NoRow(DatabaseError):
    """`one` found nothing."""

    code = "no-row"


class TooManyRows(DatabaseError):
    """`one` or `maybe_one` found several rows."""

    code = "too-many-rows"


class MigrationError(DatabaseError):
    """The steps given are not those that were applied before."""

    code = "wrong-migration"


class Interrupted(DatabaseError):
    """A statement was interrupted; whoever did so knows why, and tells that in its place."""

    code = "interrupted"


def told(reason: str, sql: str = "", values: Iterable[object] = ()) -> str:
    """A driver's words in one line, with the statement, and without the values of parameters.

    Args:
        reason: What the driver said.
        sql: The statement, as it was written.
        values: The parameters; where one stands in the words, a mask is put in its place.
    """
    shown = {_text(value) for value in values if value is not None and _fits(value, reason)}
    for text in sorted(shown, key=len)[::-1]:
        if len(text) >= _SHORTEST:
            reason = reason.replace(text, MASK)
        for quote in "\"'":
            reason = reason.replace(f"{quote}{text}{quote}", f"{quote}{MASK}{quote}")
    line = reason_of(Exception(reason))
    statement = " ".join(sql.split())
    if len(statement) > _LONGEST:
        statement = statement[:_LONGEST] + "…"
    return printable(f"{line}, in: {statement}" if statement else line)


def _fits(value: object, reason: str) -> bool:
    """Whether it can stand in the words: to make a text of a large value takes its time."""
    return not isinstance(value, (str, bytes, bytearray)) or len(value) <= len(reason)


def _text(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python writes: nor does the driver
        return ""
