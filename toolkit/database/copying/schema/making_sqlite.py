"""Making the schema of a PostgreSQL database in SQLite.

SQLite takes rules only with the table itself, so each is first tried with a table that is not
kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.database.copying.copied import UNKNOWN
from toolkit.database.copying.schema.expressions import condition
from toolkit.database.copying.schema.kinds import type_in
from toolkit.database.copying.schema.making import Making
from toolkit.database.copying.schema.tables import (
    SEQUENCE,
    Check,
    Column,
    Table,
    escaped,
    listed,
    quoted,
)
from toolkit.database.copying.schema.terms import text_of
from toolkit.database.copying.schema.translating import default_in, index_in
from toolkit.database.errors import DatabaseError
from toolkit.database.migrating import TABLE as MIGRATIONS

_PROBE = '"toolkit probe"'


class _Undone(Exception):
    """What was tried is taken back."""


class ToSQLite(Making):
    """PostgreSQL's tables in SQLite."""

    def begin(self) -> None:
        """Have foreign keys looked at when all rows are there."""
        self._transaction.execute("PRAGMA defer_foreign_keys = ON")

    def table(self, table: Table) -> None:
        """Make a table with all its rules, and the indexes that foreign keys may name."""
        columns = [f"{quoted(one.name)} {type_in('sqlite', one)}" for one in table.kept]
        parts = [
            text + " NOT NULL" * one.is_required + self._default(table, one)
            for text, one in zip(columns, table.kept, strict=True)
        ]
        if table.key:
            parts.append(f"PRIMARY KEY ({listed(table.key)})")
        for unique in table.unique:
            parts.append(f"CONSTRAINT {quoted(unique.name)} UNIQUE ({listed(unique.columns)})")
        for check in table.checks:
            parts += self._check(table, columns, check)
        parts += [
            f"CHECK ({quoted(one.name)} IN ({escaped(', '.join(map(text_of, one.labels)))}))"
            for one in table.kept
            if one.labels
        ]
        parts += self._foreign_keys(table)
        self._make(table, f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)})")
        self._indexes(table, True)

    def rules(self, tables: Iterable[Table]) -> None:
        """Make the other indexes."""
        tables = list(tables)
        for table in tables:
            self._indexes(table, False)
            for column in table.kept:
                if column.collation not in ("", "C", "POSIX"):
                    self._leave_out(
                        f"the collation {column.collation} of the column {column.name!a} of the "
                        f"table {table.name!a}",
                        "SQLite orders and compares texts by their bytes",
                    )
        self._leave_out_odd(tables)

    def end(self) -> None:
        """Tell of what SQLite has not got."""
        for what in self._schema.odd:
            self._leave_out(what, "SQLite does not know such")
        owned = dict(self._schema.after)
        for what, _ in self._schema.before:
            if what.startswith(SEQUENCE) and what not in owned:
                self._leave_out(what, "SQLite has no sequences")

    def _default(self, table: Table, column: Column) -> str:
        numbers = column.identity or column.default.startswith("nextval(")
        what = f"the default of the column {column.name!a} of the table {table.name!a}"
        if numbers:
            if table.number != column.name:
                self._leave_out(what, "SQLite numbers rows by an integer that is their only key")
            return ""
        if not column.default:
            return ""
        # When a step was applied may be told by any clock: the table is the toolkit's own.
        is_utc = self._schema.is_utc or table.name == MIGRATIONS
        text = ""
        with self._leaves_out(what):
            text = escaped(default_in("sqlite", column, is_utc))
        if not text:
            return ""
        kind = type_in("sqlite", column)
        problem = self._problem(
            f"CREATE TABLE {_PROBE} (it {kind} DEFAULT {text})",
            f"INSERT INTO {_PROBE} DEFAULT VALUES",
        )
        if problem is not None:
            self._leave_out(what, problem)
            return ""
        return f" DEFAULT {text}"

    def _check(self, table: Table, columns: list[str], check: Check) -> list[str]:
        what, text = f"the check {check.name!a} of the table {table.name!a}", ""
        with self._leaves_out(what):
            text = f"CHECK ({escaped(condition('sqlite', check.expression, table))})"
        if not text:
            return []
        problem = self._problem(f"CREATE TABLE {_PROBE} ({', '.join(columns)}, {text})")
        if problem is not None:
            self._leave_out(what, problem)
            return []
        return [f"CONSTRAINT {quoted(check.name)} {text}" if check.name else text]

    def _foreign_keys(self, table: Table) -> Iterable[str]:
        known = {one.name for one in self._schema.tables} | self._there.keys()
        for key in table.foreign_keys:
            if key.other not in known:
                self._leave_out(f"{key} of the table {table.name!a}", "there is no such table")
                continue
            yield (
                f"FOREIGN KEY ({listed(key.columns)}) REFERENCES {quoted(key.other)} "
                f"({listed(key.other_columns)}) ON DELETE {key.on_delete} "
                f"ON UPDATE {key.on_update} {key.deferral}"
            )

    def _indexes(self, table: Table, are_unique: bool) -> None:
        for index in table.indexes:
            if index.is_unique is are_unique:
                what = f"the index {index.name!a} of the table {table.name!a}"
                if index.odd:
                    self._leave_out(what, f"SQLite does not know {index.odd}")
                else:
                    with self._leaves_out(what):
                        self._try(what, index_in("sqlite", table, index))

    def _problem(self, *statements: str) -> DatabaseError | None:
        try:
            with self._transaction.savepoint():
                for sql in statements:
                    self._transaction.execute(sql)
                raise _Undone
        except _Undone:
            return None
        except UNKNOWN as error:
            return error
