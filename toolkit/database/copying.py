"""Copying one database to another, of either kind: tables, rows, and the proof that all came."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from toolkit.concurrency import deferred
from toolkit.database.database import Database
from toolkit.database.errors import DatabaseError
from toolkit.database.schema import Column, Schema, create, listed, quoted, tables_of
from toolkit.database.transaction import Transaction

Progress = Callable[[str, int, int], None]
"""Called with a table's name, how many of its rows were copied, and how many there are."""


class CopyFailed(DatabaseError):
    """The copy would overwrite something, or is not what was copied."""

    code = "copy-failed"


@dataclass(frozen=True)
class Copied:
    """One table that was copied: `checksum` is of its rows, in whatever order, in both."""

    table: str
    rows: int
    checksum: str


class _Sum:
    """A checksum of rows that does not depend on their order."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._kinds = [column.kind for column in columns]
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[Any]) -> None:
        for row in rows:
            self.rows += 1
            text = repr([_plain(value, kind) for value, kind in zip(row, self._kinds, strict=True)])
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            self._sum = (self._sum + int.from_bytes(digest, "big")) % 2**128

    def __str__(self) -> str:
        return f"{self._sum:032x}"


def _plain(value: Any, kind: str) -> Any:
    """A value as both databases give it, whichever way each keeps it."""
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "real":
        return float(value)
    if kind == "numeric":
        return str(Decimal(str(value)).normalize())
    if kind.startswith(("timestamp", "date")) and isinstance(value, str):
        try:
            return datetime.fromisoformat(value).isoformat()
        except ValueError:
            return value
    return value


def _taken(value: Any, kind: str, to: str) -> Any:
    """A value as the other database takes it."""
    if value is None or to == "sqlite":
        return value
    if kind == "boolean":
        return bool(value)
    if kind in ("integer", "real", "bytes"):
        return value
    return str(value)


@deferred
async def copy_database(
    source: Database,
    target: Database,
    replace: bool = False,
    batch_rows: int = 1000,
    progress: Progress | None = None,
) -> list[Copied]:
    """Copy all tables of a database into another, and compare.

    A table that is not in the target is made there, with its columns, primary key and unique
    keys. One that is there, with the same columns, is filled if it is empty. Foreign keys,
    defaults, checks, other indexes, views and triggers are not made: have `migrate` make the
    tables first where they are wanted.

    Args:
        source: Read from; nobody should write to it meanwhile.
        target: Written to.
        replace: Whether rows that are in the target's tables of the same names may be deleted.
        batch_rows: How many rows are read and written at a time, at least 1.
        progress: Told after each batch.

    Returns:
        A Deferred with what was copied, table by table. It fails with CopyFailed where something
        would be overwritten, before anything is written, and where the rows of both differ
        afterwards. Cancelling it leaves what was copied by then.
    """
    if source.dialect == target.dialect and await _place(source) == await _place(target):
        raise CopyFailed(f"{source.url} and {target.url} are one database")
    tables = await source.transaction(tables_of)
    there = await target.transaction(tables_of)
    for table in tables.values():
        await _check(target, table, there.get(table.name), replace)
    for name in reversed(there):
        if name in tables:
            await target.execute(f"DELETE FROM {quoted(name)}")
    copied = []
    for table in tables.values():
        if table.name not in there:
            await target.transaction(create, table)
        copied.append(await _copy(source, target, table, batch_rows, progress))
    for table, one in zip(tables.values(), copied, strict=True):
        await _compare(target, table, one, batch_rows)
    await target.transaction(_number_on, list(tables.values()))
    return copied


async def _place(database: Database) -> object:
    """What tells a database from another one, however it was named."""
    if database.dialect == "sqlite":
        path = (await database.query("PRAGMA database_list"))[0]["file"]
        if not path:  # in memory: each is one of its own
            return database
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return await database.one(
        "SELECT current_database(), current_schema(), pg_postmaster_start_time()::text"
    )


async def _check(target: Database, table: Schema, other: Schema | None, replace: bool) -> None:
    if other is None:
        return
    ours = {column.name for column in table.columns}
    theirs = {column.name for column in other.columns}
    if ours != theirs:
        raise CopyFailed(
            f"the table {table.name!a} is in {target.url} with other columns: only one of both has "
            + ", ".join(repr(name) for name in sorted(ours ^ theirs))
        )
    if not replace and await target.query(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1"):
        raise CopyFailed(
            f"the table {table.name!a} in {target.url} has rows already; with --replace they are "
            "deleted first"
        )


def _select(database: Database, table: Schema) -> str:
    """All rows; PostgreSQL gives what has no type of its own in SQLite as text."""
    names = [
        quoted(column.name)
        if database.dialect == "sqlite" or column.kind in ("integer", "real", "boolean", "bytes")
        else f"{quoted(column.name)}::text"
        for column in table.columns
    ]
    return f"SELECT {', '.join(names)} FROM {quoted(table.name)}"


async def _copy(
    source: Database, target: Database, table: Schema, batch_rows: int, progress: Progress | None
) -> Copied:
    row = await source.one(f"SELECT count(*) FROM {quoted(table.name)}")
    total: int = row[0]
    places = [f"c{number}" for number in range(len(table.columns))]
    overriding = "" if target.dialect == "sqlite" else "OVERRIDING SYSTEM VALUE "
    insert = (
        f"INSERT INTO {quoted(table.name)} ({listed(column.name for column in table.columns)}) "
        f"{overriding}VALUES ({', '.join(f'{{{place}}}' for place in places)})"
    )
    kinds = [column.kind for column in table.columns]
    found = _Sum(table.columns)
    stream = source.stream(_select(source, table), batch_rows)
    try:
        async for rows in stream:
            found.add(rows)
            taken = [
                {
                    place: _taken(value, kind, target.dialect)
                    for place, value, kind in zip(places, one, kinds, strict=True)
                }
                for one in rows
            ]
            await target.execute_many(insert, taken)
            if progress is not None:
                progress(table.name, found.rows, total)
    finally:
        await stream.close()
    return Copied(table.name, found.rows, str(found))


async def _compare(target: Database, table: Schema, copied: Copied, batch_rows: int) -> None:
    found = _Sum(table.columns)
    stream = target.stream(_select(target, table), batch_rows)
    try:
        async for rows in stream:
            found.add(rows)
    finally:
        await stream.close()
    if (found.rows, str(found)) != (copied.rows, copied.checksum):
        raise CopyFailed(
            f"the table {table.name!a} is not the same in {target.url}: {found.rows} rows of "
            f"{copied.rows}, checksum {found} for {copied.checksum}; was it written to meanwhile?"
        )


def _number_on(transaction: Transaction, tables: list[Schema]) -> None:
    """Have PostgreSQL number new rows from where the copied ones end."""
    if transaction.dialect == "sqlite":
        return
    for table in tables:
        for column in table.columns:
            if column.kind == "integer":
                transaction.query(
                    "SELECT setval(pg_get_serial_sequence({table}, {column}), "
                    f"(SELECT max({quoted(column.name)}) FROM {quoted(table.name)})) "
                    f"WHERE EXISTS (SELECT 1 FROM {quoted(table.name)})",
                    table=quoted(table.name).replace("{{", "{").replace("}}", "}"),
                    column=column.name,
                )
