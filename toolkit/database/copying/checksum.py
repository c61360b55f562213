"""A checksum of rows that does not depend on their order, nor on which database gives them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any
from uuid import UUID

Plain = Callable[[Any], Any]

_ALL_DIGITS = Context(prec=200_000, Emin=-200_000, Emax=200_000)  # PostgreSQL has fewer


def _number(value: Any) -> str:
    try:
        found = Decimal(value if isinstance(value, int) else str(value))
    except InvalidOperation:
        return str(value)
    return str(found.normalize(_ALL_DIGITS)) if found else "0"


def _moment(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value).isoformat()
    except (TypeError, ValueError):  # such as infinity, which has one form only
        return value


def _moment_with_zone(value: Any) -> Any:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()


def _json(value: Any) -> Any:
    return json.dumps(json.loads(value, parse_float=_number), sort_keys=True)


def _real(value: Any) -> float:
    return float(value) + 0.0  # SQLite keeps no -0.0


PLAIN: dict[str, Plain] = {
    "boolean": bool,
    "real": _real,
    "numeric": _number,
    "exact": _number,
    "timestamp": _moment,
    "date": _moment,
    "timestamptz": _moment_with_zone,
    "jsonb": _json,
    "uuid": lambda value: str(UUID(value)),
}
"""By the kind of a column: a value as both databases give it, whichever way each keeps it."""


class Sum:
    """A checksum of rows.

    Args:
        kinds: Of the columns; none where both databases give the same values anyway.

    Attributes:
        rows: How many there were.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.rows = 0
        self._sum = 0
        self._plain = [(at, PLAIN[kind]) for at, kind in enumerate(kinds) if kind in PLAIN]

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Count some more rows.

        Args:
            rows: As a database gave them.
        """
        total, count, digest = 0, 0, hashlib.blake2b
        for row in rows:
            count += 1
            values = list(row)
            for at, plain in self._plain:
                if values[at] is not None:
                    values[at] = plain(values[at])
            text = repr(values).encode("utf-8", "surrogatepass")
            total += int.from_bytes(digest(text, digest_size=16).digest(), "big")
        self.rows += count
        self._sum = (self._sum + total) % 2**128

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment] # it changes

    def __str__(self) -> str:
        return f"{self._sum:032x}"
