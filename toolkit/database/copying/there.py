"""The tables that are in the target already: kept as they are, but for their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from toolkit.database.copying.copied import UNKNOWN, CopyFailed, reason_of
from toolkit.database.copying.giving import check_foreign_keys
from toolkit.database.copying.schema.comparing import check_columns
from toolkit.database.copying.schema.reading import schema_of
from toolkit.database.copying.schema.tables import Schema, Table, quoted
from toolkit.database.migrating import TABLE as MIGRATIONS
from toolkit.database.transaction import Transaction

_TOLD_BY_TEXT = ("text", "json", "jsonb", "uuid", "timestamp", "timestamptz", "date")


class There:
    """The tables of a database that have names of those which are copied.

    Args:
        transaction: In the database.
        url: Where that is, for messages.
        schema: What is copied.

    Attributes:
        tables: By name.
    """

    def __init__(self, transaction: Transaction, url: str, schema: Schema) -> None:
        self._transaction = transaction
        self._url = url
        self._copied = {table.name: table for table in schema.tables}
        found = schema_of(transaction).tables
        self.tables = {table.name: table for table in found if table.name in self._copied}
        self._others = [table for table in found if table.name not in self._copied]

    def empty(self, may_delete: bool) -> None:
        """See that they may be filled, and delete their rows; but not those of migrations.

        Args:
            may_delete: Whether there may be rows.

        Raises:
            CopyFailed: They have rows that may not be deleted, or other columns.
        """
        for name, table in self.tables.items():
            check_columns(self._copied[name], table, self._url)
            if self._transaction.dialect == "postgresql":
                # Whoever writes to it waits until the copy is there; who reads does not.
                self._transaction.execute(f"LOCK TABLE {quoted(name)} IN SHARE ROW EXCLUSIVE MODE")
            if self._has_rows(table):
                self._check_rows(table, may_delete)
        if self._transaction.dialect == "sqlite":
            self._transaction.execute("PRAGMA defer_foreign_keys = ON")
        for table in self._children_first():
            for rule, _ in table.references:
                # It is made again at the end: until then its rows may come in any order.
                self._transaction.execute(
                    f"ALTER TABLE {quoted(table.name)} DROP CONSTRAINT {quoted(rule)}"
                )
        for table in self._children_first():
            if table.name != MIGRATIONS:
                self._transaction.execute(f"DELETE FROM {quoted(table.name)}")

    def _check_rows(self, table: Table, may_delete: bool) -> None:
        if not may_delete:
            raise CopyFailed(
                f"the table {table.name!a} in {self._url} has rows already; with --replace they "
                "are deleted first"
            )
        for other in self._others:
            names = [key.other.lower() for key in other.foreign_keys]
            if table.name.lower() in names and self._has_rows(other):
                raise CopyFailed(
                    f"the rows of the table {table.name!a} in {self._url} cannot be deleted: "
                    f"those of {other.name!a}, which is not in the source, name them"
                )

    def fitted(self, schema: Schema) -> Schema:
        """The schema, with the kinds of the columns that are there, where PostgreSQL knows better.

        SQLite has a text where a table that is there has a UUID, or JSON.

        Args:
            schema: What is copied.
        """
        if schema.dialect == self._transaction.dialect or schema.dialect == "postgresql":
            return schema
        tables = [self._fitted(table) for table in schema.tables]
        return replace(schema, tables=tuple(tables))

    def _fitted(self, table: Table) -> Table:
        if table.name not in self.tables:
            return table
        theirs = {column.name: column.kind for column in self.tables[table.name].columns}
        columns = []
        for column in table.columns:
            kind = theirs.get(column.name, column.kind)
            is_better = (column.kind in _TOLD_BY_TEXT and kind in _TOLD_BY_TEXT) or (
                kind == "numeric" and column.kind in ("integer", "real")
            )
            columns.append(replace(column, kind=kind) if is_better else column)
        return replace(table, columns=tuple(columns))

    def _has_rows(self, table: Table) -> bool:
        return bool(self._transaction.query(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1"))

    def _children_first(self) -> list[Table]:
        names = {name.lower(): name for name in self.tables}
        graph = {
            name: {names.get(key.other.lower(), name) for key in table.foreign_keys} - {name}
            for name, table in self.tables.items()
        }
        try:
            order = list(TopologicalSorter(graph).static_order())[::-1]
        except CycleError:
            order = list(self.tables)
        return [self.tables[name] for name in order]

    def end(self, tables: Iterable[Table]) -> None:
        """See that each row which is named is there.

        Args:
            tables: Those that were copied.

        Raises:
            CopyFailed: One is not.
        """
        if self._transaction.dialect == "sqlite":
            names = {name.lower() for name in self._copied}
            for table in tables:
                check_foreign_keys(self._transaction, table)
            for table in self._others:
                if any(key.other.lower() in names for key in table.foreign_keys):
                    check_foreign_keys(self._transaction, table)
        for table in self.tables.values():
            for rule, definition in table.references:
                self._again(table, rule, definition)

    def _again(self, table: Table, rule: str, definition: str) -> None:
        try:
            self._transaction.execute(
                f"ALTER TABLE {quoted(table.name)} ADD CONSTRAINT {quoted(rule)} {definition}"
            )
        except UNKNOWN as error:
            raise CopyFailed(
                f"the rows do not fit the table {table.name!a} in {self._url}: {reason_of(error)}"
            ) from None
