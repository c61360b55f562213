"""The part of a copy that is done in the database which gets it: one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolkit.database.copying.batches import SAME, batches
from toolkit.database.copying.checksum import Sum
from toolkit.database.copying.copied import UNKNOWN, Copied, Copy, CopyFailed, Progress, reason_of
from toolkit.database.copying.handover import Handover
from toolkit.database.copying.schema.comparing import check_names, lacking
from toolkit.database.copying.schema.kinds import kept_otherwise
from toolkit.database.copying.schema.making import Making
from toolkit.database.copying.schema.making_postgresql import ToPostgreSQL
from toolkit.database.copying.schema.making_same import SamePostgreSQL, SameSQLite
from toolkit.database.copying.schema.making_sqlite import ToSQLite
from toolkit.database.copying.schema.numbering import number_on
from toolkit.database.copying.schema.tables import Schema, Table, listed, quoted
from toolkit.database.copying.there import There
from toolkit.database.migrating import TABLE as MIGRATIONS
from toolkit.database.transaction import Transaction

_LOCK_SECONDS = 30
# Its tables are locked: a conflict with a serializable transaction would undo it all for nothing.
_ISOLATION = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
_MAKING: dict[tuple[str, str], Callable[[Transaction, Schema, dict[str, Table]], Making]] = {
    ("sqlite", "sqlite"): SameSQLite,
    ("sqlite", "postgresql"): ToPostgreSQL,
    ("postgresql", "sqlite"): ToSQLite,
    ("postgresql", "postgresql"): SamePostgreSQL,
}
_NOT_WHOLE = (
    f"the rows of {MIGRATIONS}: the steps that they name have not all arrived; make what is "
    "missing and copy again with --replace, which keeps tables, or have the program make the "
    "tables first"
)


class Filling:
    """Makes the tables of another database, and takes their rows.

    Args:
        transaction: In the database that gets them.
        url: Where that is, for messages.
        handover: Where the schema and the rows come from.
        replace: Whether rows that are there may be deleted.
        progress: Told after each batch.
        batch_rows: How many rows are read at a time, to compare.
    """

    def __init__(
        self,
        transaction: Transaction,
        url: str,
        handover: Handover,
        replace: bool,
        progress: Progress | None,
        batch_rows: int,
    ) -> None:
        self._transaction = transaction
        self._url = url
        self._handover = handover
        self._replace = replace
        self._progress = progress
        self._batch_rows = batch_rows
        self._sums: dict[str, Sum] = {}
        self._there: dict[str, Table] = {}

    def run(self) -> Copy:
        """Do it, to the point where all is compared, and only the commit is left.

        Raises:
            CopyFailed: Something would be overwritten, cannot be kept, or is not the same.
            DatabaseError: The database cannot do it.
        """
        transaction = self._transaction
        if transaction.dialect == "postgresql":
            for sql in (_ISOLATION, *SAME, f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"):
                transaction.execute(sql)
        schema: Schema = self._handover.take()
        if transaction.dialect == "postgresql":
            check_names(schema)
        there = There(transaction, self._url, schema)
        self._there = there.tables
        there.empty(self._replace)
        schema = there.fitted(schema)
        self._handover.answer(schema)
        tables = {table.name: table for table in schema.tables}
        making = _MAKING[schema.dialect, transaction.dialect](transaction, schema, self._there)
        is_same = schema.dialect == transaction.dialect
        making.begin()
        steps = tables.pop(MIGRATIONS, None)
        for table in tables.values():
            if table.name not in self._there:
                making.table(table)
        for table in tables.values():
            self._fill(table, is_same)
        making.rules(table for table in tables.values() if table.name not in self._there)
        making.end()
        making.left_out += schema.beside
        for table in tables.values():
            if table.name in self._there:
                making.left_out += lacking(table, self._there[table.name])
        if steps is not None and making.left_out:
            making.left_out.append(_NOT_WHOLE)
            while not isinstance(self._handover.take(), Sum):
                pass
        elif steps is not None:
            self._steps(making, steps, is_same)
            tables[MIGRATIONS] = steps
        copied = tuple(self._compared(table, is_same) for table in tables.values())
        number_on(transaction, tables.values(), self._there)
        there.end(tables.values())
        return Copy(copied, tuple(making.left_out), () if is_same else self._notes(schema))

    def _notes(self, schema: Schema) -> tuple[str, ...]:
        """What is kept as another type: the rows are the same, but a program may wonder."""
        return tuple(
            f"the column {column.name!a} of the table {table.name!a} is of "
            f"{column.type or 'no type'}, and kept as {kept}"
            for table in schema.tables
            if table.name not in self._there and table.name != MIGRATIONS
            for column in table.kept
            if (kept := kept_otherwise(self._transaction.dialect, column))
        )

    def _steps(self, making: Making, steps: Table, is_same: bool) -> None:
        if steps.name in self._there:
            self._transaction.execute(f"DELETE FROM {quoted(steps.name)}")
        else:
            making.table(steps)
        self._fill(steps, is_same)
        if steps.name not in self._there:
            making.rules([steps])

    # Rows

    def _fill(self, table: Table, is_same: bool) -> None:
        total: int = self._handover.take()
        names = [column.name for column in table.kept]
        places = [f"c{number}" for number in range(len(names))]
        # A column that PostgreSQL always numbers itself takes the numbers that are there.
        overriding = "OVERRIDING SYSTEM VALUE " * (self._transaction.dialect == "postgresql")
        insert = (
            f"INSERT INTO {quoted(table.name)} ({listed(names)}) {overriding}"
            f"VALUES ({', '.join(f'{{{place}}}' for place in places)})"
        )
        count = 0
        while isinstance(taken := self._handover.take(), list):
            rows = [dict(zip(places, row, strict=True)) for row in taken]
            self._insert(table, insert, rows, count)
            count += len(taken)
            if self._progress is not None:
                self._progress(table.name, count, total)
        self._sums[table.name] = taken

    def _insert(self, table: Table, insert: str, rows: list[dict[str, Any]], count: int) -> None:
        transaction = self._transaction
        try:
            with transaction.savepoint():
                transaction.execute_many(insert, rows)
        except UNKNOWN as error:
            number = count + self._first_refused(insert, rows)
            raise CopyFailed(
                f"a row of the table {table.name!a}, number {number} of those read, cannot be "
                f"written: {reason_of(error)}"
            ) from None

    def _first_refused(self, insert: str, rows: list[dict[str, Any]]) -> int:
        """Which row it is that cannot be written with the others before it."""
        for number, row in enumerate(rows, 1):
            try:
                with self._transaction.savepoint():
                    self._transaction.execute(insert, **row)
            except UNKNOWN:
                return number
        return len(rows)

    def _compared(self, table: Table, is_same: bool) -> Copied:
        ours = self._sums[table.name]
        theirs = Sum([] if is_same else [column.kind for column in table.kept])
        for rows, _ in batches(self._transaction, table, self._batch_rows):
            theirs.add(rows)
        if ours != theirs:
            raise CopyFailed(
                f"the table {table.name!a} is not the same in {self._url}: {theirs.rows} rows of "
                f"{ours.rows}, checksum {theirs} for {ours}; does a trigger change it?"
            )
        return Copied(table.name, ours.rows, str(ours))
