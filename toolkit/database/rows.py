"""Rows that are read by name and by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar


class Row(tuple[Any, ...]):
    """One row: `row["name"]`, `row[0]`, `name, age = row`, `dict(row)`.

    Where two columns have one name, the name is that of the last.
    """

    __slots__ = ()
    _places: ClassVar[dict[str, int]] = {}

    def __getitem__(self, key: Any) -> Any:
        if key.__class__ is str:
            return tuple.__getitem__(self, self._places[key])
        return tuple.__getitem__(self, key)

    def keys(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._places)

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={self[name]!r}" for name in self._places)
        return f"Row({inner})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _row, (tuple(self._places), tuple(self))


def _row(names: tuple[str, ...], values: tuple[Any, ...]) -> Row:
    return row_class(names)(values)


def row_class(names: Sequence[str]) -> type[Row]:
    """The class of rows with these columns.

    Args:
        names: Of the columns, in order.
    """
    places = {name: place for place, name in enumerate(names)}
    return type("Row", (Row,), {"__slots__": (), "_places": places})


class Rows:
    """Makes rows of what a driver fetched; remembers the classes it made.

    Args:
        most: How many classes are remembered.
    """

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._classes: dict[tuple[str, ...], type[Row]] = {}

    def of(self, description: Sequence[Sequence[Any]], values: Iterable[Any]) -> list[Row]:
        """Rows of what was fetched.

        Args:
            description: The cursor's (PEP 249), whose items begin with a column's name.
            values: One tuple each.
        """
        names = tuple([column[0] for column in description])
        made = self._classes.get(names)
        if made is None:
            made = row_class(names)
            if len(self._classes) >= self._most:
                self._classes.clear()
            self._classes[names] = made
        return list(map(made, values))
