"""Values of one kind of database as the other one keeps them, or why it does not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from toolkit.database.copying.batches import Values
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.schema.tables import Column, Table


class Refused(Exception):
    """A value that the other database does not keep, with why."""


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise Refused("text with a NUL in it, which PostgreSQL does not keep")
    return value


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else repr(value)


# What Python does not read: years of more than four digits, those before Christ, and no end.
_DAY = r"\d{4,6}-\d\d-\d\d"
_DAY_OF_POSTGRESQL = re.compile(rf"-?infinity|{_DAY}(?: BC)?")
_MOMENT_OF_POSTGRESQL = {
    has_zone: re.compile(rf"-?infinity|{_DAY} \d\d:\d\d:\d\d(?:\.\d{{1,6}})?{zone}(?: BC)?")
    for has_zone, zone in ((False, ""), (True, r"[+-]\d\d(?::\d\d)*"))
}
_TOO_FINE = re.compile(r"[.,]\d{6}\d*[1-9]")


def _moment(has_zone: bool) -> Callable[[str], str]:
    name = "timestamp with a zone" if has_zone else "timestamp without a zone"

    def taken(value: str) -> str:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            if _MOMENT_OF_POSTGRESQL[has_zone].fullmatch(value):
                return value
            raise Refused(f"no {name}") from None
        if (found.tzinfo is not None) is not has_zone:
            raise Refused(f"no {name}")
        if _TOO_FINE.search(value):
            raise Refused("a timestamp with parts of a microsecond, which PostgreSQL rounds")
        return found.isoformat(" ")

    return taken


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        if not _DAY_OF_POSTGRESQL.fullmatch(value):
            raise Refused("no date") from None
    return value


def _no_nan(value: float) -> float:
    if math.isnan(value):
        raise Refused("NaN, which SQLite keeps as NULL")
    return value


def _kept_number(value: str) -> int | float:
    number = Decimal(value)
    is_whole = number == number.to_integral_value()
    return int(number) if is_whole and -(2**63) <= number < 2**63 else float(value)


_TO_POSTGRESQL: dict[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "text": _without_nul,
    "json": _without_nul,
    "jsonb": _without_nul,
    "uuid": _without_nul,
    "exact": _without_nul,
    "numeric": _number,
    "timestamp": _moment(False),
    "timestamptz": _moment(True),
    "date": _day,
}
_TO_SQLITE: dict[str, Callable[[Any], Any]] = {"real": _no_nan, "numeric": _kept_number}


class Taking:
    """Makes values such as the other database takes.

    Args:
        table: Whose they are.
        to: The kind of database that they go to.
        is_same: Whether they come from one of this kind, too.
    """

    def __init__(self, table: Table, to: str, is_same: bool) -> None:
        known = {} if is_same else _TO_POSTGRESQL if to == "postgresql" else _TO_SQLITE
        self._table = table
        self._taken = [
            (at, column, known[column.kind])
            for at, column in enumerate(table.kept)
            if column.kind in known
        ]

    def rows(self, rows: list[Values], called: list[Any], count: int) -> list[Values]:
        """The same rows with other values.

        Args:
            rows: As they come.
            called: What SQLite calls each, if it does.
            count: How many came before.

        Raises:
            CopyFailed: A value cannot be kept.
        """
        if not self._taken:
            return rows
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for at, column, taken in self._taken:
            try:
                columns[at] = [None if one is None else taken(one) for one in columns[at]]
            except Refused:
                self._refuse(columns[at], column, taken, called, count)
        return list(zip(*columns, strict=True))

    def _refuse(
        self,
        values: Sequence[Any],
        column: Column,
        taken: Callable[[Any], Any],
        called: list[Any],
        count: int,
    ) -> None:
        for at, value in enumerate(values):
            try:
                if value is not None:
                    taken(value)
            except Refused as error:
                row = called[at] if called else f"{count + at + 1} of it"
                raise CopyFailed(
                    f"the table {self._table.name!a} cannot be copied: the column "
                    f"{column.name!a} of row {row} is {error}"
                ) from None
