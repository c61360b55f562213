"""Rows that are read by name and by position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, overload

_AT_ONCE = 2000


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


class Batch(Sequence[Row]):
    """Rows of a stream, each made when it is looked at.

    A million rows that are kept for a moment each would have Python's collector look through all
    that the process holds, again and again; the plain tuples of a driver do not.

    Args:
        made: The class of the rows.
        values: What was fetched.
    """

    __slots__ = ("_made", "_values")

    def __init__(self, made: type[Row], values: Sequence[tuple[Any, ...]]) -> None:
        self._made = made
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Row]:
        return map(self._made, self._values)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Batch: ...
    def __getitem__(self, index: int | slice) -> Row | Batch:
        if isinstance(index, slice):
            return Batch(self._made, self._values[index])
        return self._made(self._values[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # as of a list


class Rows:
    """Makes rows of what a driver fetched; remembers the classes it made.

    Args:
        most: How many classes are remembered.
    """

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._classes: dict[tuple[str, ...], type[Row]] = {}

    def of(self, names: tuple[str, ...], values: Iterable[Any]) -> list[Row]:
        """Rows of what was fetched.

        Args:
            names: Of the columns.
            values: One tuple each.
        """
        return list(map(self._class_of(names), values))

    def all(
        self, names: tuple[str, ...], fetch: Callable[[int], Sequence[tuple[Any, ...]]]
    ) -> list[Row]:
        """Rows of all that there is, fetched some at a time.

        Python's other threads wait while a driver makes rows of what it has: the reactor's too.

        Args:
            names: Of the columns.
            fetch: Given a number, fetches so many, or as many as there are.
        """
        made = self._class_of(names)
        values = fetch(_AT_ONCE)
        rows = list(map(made, values))
        while len(values) == _AT_ONCE:
            values = fetch(_AT_ONCE)
            rows += map(made, values)
        return rows

    def batch(self, names: tuple[str, ...], values: Sequence[tuple[Any, ...]]) -> Batch:
        """The same, each made when it is looked at."""
        return Batch(self._class_of(names), values)

    def _class_of(self, names: tuple[str, ...]) -> type[Row]:
        made = self._classes.get(names)
        if made is None:
            made = row_class(names)
            if len(self._classes) >= self._most:
                self._classes.clear()
            self._classes[names] = made
        return made
