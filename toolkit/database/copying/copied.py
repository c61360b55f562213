"""What a copy of a database came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.database.errors import ConstraintViolation, DatabaseError, StatementError, told

Progress = Callable[[str, int, int], None]
"""Called with a table's name, how many of its rows were copied, and how many there are.

It is called in a thread, while the copy waits."""


class CopyFailed(DatabaseError):
    """The copy would overwrite something, or would not be what was copied: nothing is kept of it.

    Args:
        message: What is in the way, and what to do.
    """

    code = "copy-failed"


@dataclass(frozen=True)
class Copied:
    """One table that was copied: `checksum` is of its rows, in whatever order, in both."""

    table: str
    rows: int
    checksum: str


@dataclass(frozen=True)
class Copy:
    """What was copied, and what could not be.

    Attributes:
        tables: One by one.
        left_out: What the target has not got, one line each: rules, indexes and the like that
            the other kind of database does not know, or not for certain in the same meaning. The
            rows of the tables are all there.
        notes: Which columns the target keeps as another type than they were declared with, one
            line each. Their values are all there.
    """

    tables: tuple[Copied, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


UNKNOWN = (StatementError, ConstraintViolation)
"""How a database refuses a statement that it does not understand, or its rows do not fit."""


def reason_of(error: DatabaseError) -> str:
    """What a database said, without the statement: that is the copy's own.

    Args:
        error: Of a statement, or of another kind.
    """
    return str(error).removesuffix(told("x", error.sql)[1:])
