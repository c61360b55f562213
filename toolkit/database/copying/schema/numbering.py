"""New rows are numbered from where the copied ones end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from toolkit.database.copying.schema.tables import Table, quoted, raw
from toolkit.database.transaction import Transaction


def number_on(
    transaction: Transaction, tables: Iterable[Table], there: Mapping[str, Table]
) -> None:
    """Have PostgreSQL number new rows from where the copied ones end; SQLite does so itself.

    Args:
        transaction: In the database that got the rows.
        tables: Those that were copied.
        there: Those that were there before, by name.
    """
    if transaction.dialect == "sqlite":
        return
    for table in tables:
        for column in table.kept:
            # A sequence that was copied goes on from where it was.
            is_copied = column.default.startswith("nextval(") and table.name not in there
            if column.kind == "integer" and not is_copied:
                name = quoted(column.name)
                transaction.query(
                    "SELECT setval(pg_get_serial_sequence({table}, {column}), greatest(most, "
                    f"{{last}}::bigint)) FROM (SELECT max({name}) AS most "
                    f"FROM {quoted(table.name)}) AS found "
                    "WHERE greatest(most, {last}::bigint) > 0 "
                    "AND pg_get_serial_sequence({table}, {column}) IS NOT NULL",
                    table=raw(table.name),
                    column=column.name,
                    last=table.last,
                )
