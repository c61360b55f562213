"""Making a schema in a database: the tables, and after their rows what is checked of those.

What the database does not understand is found out by trying, and told.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from toolkit.database.copying.copied import UNKNOWN, CopyFailed, reason_of
from toolkit.database.copying.schema.tables import Column, Schema, Table
from toolkit.database.copying.schema.terms import Unlike
from toolkit.database.errors import DatabaseError
from toolkit.database.transaction import Transaction


class Making(ABC):
    """Makes the tables of another database in this one.

    Args:
        transaction: In the database that gets them.
        schema: Of the other, with the kinds that its columns really have.
        there: The tables that are there already, by name: nothing is made of those.

    Attributes:
        left_out: What could not be made, one line each.
    """

    def __init__(self, transaction: Transaction, schema: Schema, there: dict[str, Table]) -> None:
        self.left_out: list[str] = []
        self._transaction = transaction
        self._schema = schema
        self._there = there

    @abstractmethod
    def begin(self) -> None:
        """Make what the tables need."""

    @abstractmethod
    def table(self, table: Table) -> None:
        """Make a table, ready for its rows."""

    @abstractmethod
    def rules(self, tables: Iterable[Table]) -> None:
        """Make what these tables have besides, now that their rows are there."""

    @abstractmethod
    def end(self) -> None:
        """Make what needs the tables."""

    def _make(self, table: Table, sql: str) -> None:
        try:
            self._transaction.execute(sql)
        except UNKNOWN as error:
            raise CopyFailed(
                f"the table {table.name!a} cannot be made: {reason_of(error)}"
            ) from None

    def _try(self, what: str, *statements: str) -> None:
        """Run statements; what they make is left out where that cannot be done."""
        try:
            with self._transaction.savepoint():
                for sql in statements:
                    self._transaction.execute(sql)
        except UNKNOWN as error:
            self._leave_out(what, error)

    @contextmanager
    def _leaves_out(self, what: str) -> Iterator[None]:
        """What cannot be said in this database, or not for certain, is left out, and told."""
        try:
            yield
        except Unlike as error:
            self._leave_out(what, str(error))

    def _leave_out(self, what: str, why: DatabaseError | str) -> None:
        reason = reason_of(why) if isinstance(why, DatabaseError) else why
        self.left_out.append(f"{what}: {reason}" if reason else what)

    def _leave_out_odd(self, tables: Iterable[Table]) -> None:
        for table in tables:
            for what in table.odd:
                self._leave_out(f"{what}, of the table {table.name!a}", "")
            for column in table.columns:
                if column.domain:
                    self._leave_out_domain(table, column)
                if column.generated:
                    self._leave_out(
                        f"the column {column.name!a} of the table {table.name!a}",
                        "it is computed, which the other database does in another way",
                    )

    def _leave_out_domain(self, table: Table, column: Column) -> None:
        self._leave_out(
            f"the domain {column.domain!a} of the column {column.name!a} of the table "
            f"{table.name!a}",
            f"it is kept as {column.type}, of which that is made",
        )
