"""Values: what a parameter may be, and what SQLite keeps of it; no I/O.

PostgreSQL has types for dates, times and UUIDs. SQLite gets them as text, written as PostgreSQL
writes them, and refuses what it would keep as something else without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from toolkit.database.errors import StatementError, told

_LEAST, _MOST = -(2**63), 2**63 - 1
_SQLITE = (int, str, bytes, bytearray, memoryview)
_TEXT = (date, time, UUID)


def taken(
    values: tuple[Any, ...], names: Sequence[str], source: str, is_sqlite: bool
) -> tuple[Any, ...]:
    """The values as the driver takes them.

    Args:
        values: One for each name.
        names: Of the parameters.
        source: The statement, for messages.
        is_sqlite: Whether it is for SQLite.

    Raises:
        StatementError: An integer is beyond 64 bits; or, for SQLite, a number is none (NaN, of
            which it would make NULL), or a value is of a type that it does not have.
    """
    for value in values:
        kind = value.__class__
        if kind is str or value is None:
            continue
        if kind is int:
            if _LEAST <= value <= _MOST:
                continue
        elif kind is bool or kind is bytes or (kind is float and value == value):
            continue
        return tuple(
            [_taken(one, name, source, is_sqlite) for one, name in zip(values, names, strict=True)]
        )
    return values


def _taken(value: Any, name: str, source: str, is_sqlite: bool) -> Any:
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        raise _wrong(name, "is an integer beyond 64 bits: pass it as text", source)
    if not is_sqlite or value is None or isinstance(value, _SQLITE):
        return value
    if isinstance(value, float):
        if value != value:
            raise _wrong(name, "is NaN, of which SQLite makes NULL: pass None", source)
        return value
    if isinstance(value, datetime):
        # As PostgreSQL does, so that what is of several zones is in order.
        try:
            at = value if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise _wrong(name, "is a time that UTC does not have", source) from None
        return at.isoformat(" ")
    if isinstance(value, _TEXT):
        return str(value)
    kind = type(value).__name__
    raise _wrong(name, f"is of the type {kind}, which SQLite does not keep: pass text", source)


def _wrong(name: str, what: str, source: str) -> StatementError:
    return StatementError(told(f"the parameter {name} {what}", source), source)
