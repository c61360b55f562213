"""The rows of a table, some at a time, within one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.database.copying.schema.tables import PARTITIONS, Table, listed, quoted
from toolkit.database.copying.surveying import rowid_of
from toolkit.database.transaction import Transaction

Values = tuple[Any, ...]

SAME = (
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
)
"""What PostgreSQL is told, so that what it writes as text it reads as the same."""

_NATIVE = ("integer", "real", "boolean", "bytes")
_CURSOR = "toolkit_copy"


def batches(
    transaction: Transaction, table: Table, size: int
) -> Iterator[tuple[list[Values], list[Any]]]:
    """All rows of a table: what is in its columns, and what SQLite calls each row.

    Args:
        transaction: In its database. There is at most one such iterator of it at a time.
        table: Which.
        size: How many rows at a time.

    Raises:
        DatabaseError: They cannot be read.
    """
    if transaction.dialect == "postgresql":
        yield from _of_postgresql(transaction, table, size)
    elif rowid := rowid_of(transaction, table):
        yield from _by(transaction, table, size, [rowid], True)
    else:
        yield from _by(transaction, table, size, [quoted(name) for name in table.key], False)


def _of_postgresql(
    transaction: Transaction, table: Table, size: int
) -> Iterator[tuple[list[Values], list[Any]]]:
    names = ", ".join(
        quoted(column.name) if column.kind in _NATIVE else f"{quoted(column.name)}::text"
        for column in table.kept
    )
    transaction.execute(
        f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR SELECT {names} FROM {_from(transaction, table)}"
    )
    while rows := transaction.query(f"FETCH {size} FROM {_CURSOR}"):
        yield [tuple(row) for row in rows], []
    transaction.execute(f"CLOSE {_CURSOR}")


def _by(
    transaction: Transaction, table: Table, size: int, key: list[str], is_number: bool
) -> Iterator[tuple[list[Values], list[Any]]]:
    """Each time those after the last one: SQLite finds them at once."""
    count = len(key)
    places = [f"{{k{at}}}" for at in range(count)]
    begin = f"SELECT {', '.join(key)}, {listed(column.name for column in table.kept)}"
    begin += f" FROM {quoted(table.name)}"
    end = f" ORDER BY {', '.join(key)} LIMIT {size}"
    after = f" WHERE ({', '.join(key)}) > ({', '.join(places)})"
    rows = transaction.query(begin + end)
    while rows:
        yield [row[count:] for row in rows], [row[0] for row in rows] if is_number else []
        last = {f"k{at}": rows[-1][at] for at in range(count)}
        rows = transaction.query(begin + after + end, **last)


def counted(transaction: Transaction, table: Table) -> int:
    """How many rows a table has."""
    found: int = transaction.one(f"SELECT count(*) FROM {_from(transaction, table)}")[0]
    return found


def _from(transaction: Transaction, table: Table) -> str:
    # Rows of tables that inherit from it are copied with those; partitions have no other place.
    is_alone = transaction.dialect == "postgresql" and PARTITIONS not in table.odd
    return f"{'ONLY ' * is_alone}{quoted(table.name)}"
