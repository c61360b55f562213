"""Making the schema of a database in one of the same kind: as it is, word for word."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.database.copying.schema.making import Making
from toolkit.database.copying.schema.tables import PARTITIONS, Column, Table, escaped, quoted


class SameSQLite(Making):
    """SQLite's tables, indexes, views and triggers in SQLite."""

    def begin(self) -> None:
        """Have foreign keys looked at when all rows are there."""
        self._transaction.execute("PRAGMA defer_foreign_keys = ON")

    def table(self, table: Table) -> None:
        """Make a table, and the indexes that foreign keys may name."""
        self._make(table, table.definition)
        for index in table.indexes:
            if index.is_unique:
                self._make(table, index.definition)

    def rules(self, tables: Iterable[Table]) -> None:
        """Make the other indexes, and number new rows on."""
        for table in tables:
            for index in table.indexes:
                if not index.is_unique:
                    self._try(f"the index {index.name!a}", index.definition)
            if table.last is not None:
                self._transaction.execute(
                    "DELETE FROM sqlite_sequence WHERE name = {name}", name=table.name
                )
                self._transaction.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {last})",
                    name=table.name,
                    last=table.last,
                )

    def end(self) -> None:
        """Make views and triggers."""
        for what in self._schema.odd:
            self._leave_out(what, "its module keeps it in tables of its own")
        for what, sql in self._schema.after:
            self._try(what, sql)


class SamePostgreSQL(Making):
    """PostgreSQL's tables in PostgreSQL."""

    def begin(self) -> None:
        """Make types and sequences."""
        for what, sql in self._schema.before:
            self._try(what, sql)

    def table(self, table: Table) -> None:
        """Make a table with its columns."""
        parts = ", ".join(_column(one, self._type(table, one)) for one in table.columns)
        self._make(table, f"CREATE TABLE {quoted(table.name)} ({parts})")

    def _type(self, table: Table, column: Column) -> str:
        if not column.domain:
            return column.type
        # It may be of another schema, or its rule of a function that is not copied.
        if self._transaction.one("SELECT to_regtype({name})", name=column.domain)[0] is not None:
            return column.domain
        self._leave_out_domain(table, column)
        return column.type

    def rules(self, tables: Iterable[Table]) -> None:
        """Make keys, checks, indexes and defaults; foreign keys at the end."""
        tables = list(tables)
        for table in tables:
            name = quoted(table.name)
            for rule, definition in table.constraints:
                self._try(
                    f"the rule {rule!a} of the table {table.name!a}",
                    f"ALTER TABLE {name} ADD CONSTRAINT {quoted(rule)} {definition}",
                )
            for index in table.indexes:
                self._try(f"the index {index.name!a}", index.definition)
            for column in table.columns:
                if column.default and not column.generated:
                    self._try(
                        f"the default of the column {column.name!a} of the table {table.name!a}",
                        f"ALTER TABLE {name} ALTER {quoted(column.name)} "
                        f"SET DEFAULT {escaped(column.default)}",
                    )
            for what in table.odd:
                if what != PARTITIONS:
                    if not what.startswith("the exclusion"):
                        self._leave_out(f"{what}, of the table {table.name!a}", "")
                else:
                    self._leave_out(f"{what}, of the table {table.name!a}", "all rows are in one")
        for table in tables:
            for rule, definition in table.references:
                self._try(
                    f"the foreign key {rule!a} of the table {table.name!a}",
                    f"ALTER TABLE {quoted(table.name)} ADD CONSTRAINT {quoted(rule)} {definition}",
                )

    def end(self) -> None:
        """Have sequences end with their columns, and tell of what is not copied."""
        for what, sql in self._schema.after:
            self._try(what, sql)
        for what in self._schema.odd:
            self._leave_out(what, "pg_dump copies it")


def _column(column: Column, kind: str) -> str:
    text = f"{quoted(column.name)} {escaped(kind)}"
    if column.collation:
        text += f" COLLATE {quoted(column.collation)}"
    if column.identity:
        text += f" GENERATED {'ALWAYS' if column.identity == 'a' else 'BY DEFAULT'} AS IDENTITY"
    if column.generated:
        text += f" GENERATED ALWAYS AS ({escaped(column.generated)}) STORED"
    return text + " NOT NULL" * column.is_required
