"""The part of a copy that is done in the database which is copied: one transaction, as it is."""

from __future__ import annotations

from toolkit.database.copying.batches import SAME, batches, counted
from toolkit.database.copying.checksum import Sum
from toolkit.database.copying.conversion import Taking
from toolkit.database.copying.copied import CopyFailed, reason_of
from toolkit.database.copying.handover import Handover
from toolkit.database.copying.schema.reading import schema_of
from toolkit.database.copying.schema.tables import Schema, Table, quoted
from toolkit.database.copying.surveying import surveyed
from toolkit.database.errors import StatementError
from toolkit.database.migrating import TABLE as MIGRATIONS
from toolkit.database.transaction import Transaction


def give(transaction: Transaction, handover: Handover, to: str, batch_rows: int) -> None:
    """Give the schema, get it back as the target has it, and give the rows.

    Of each table: how many rows it has, these, and their checksum.

    Args:
        transaction: In the database, of which nothing has been read yet.
        handover: Where the other part takes it.
        to: The kind of the other database.
        batch_rows: How many rows at a time.

    Raises:
        CopyFailed: The other kind of database does not keep it.
        DatabaseError: It cannot be read.
    """
    if transaction.dialect == "postgresql":
        transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for sql in SAME:
            transaction.execute(sql)
    schema = surveyed(transaction, schema_of(transaction), to)
    if transaction.dialect == "sqlite":
        _check_foreign_keys(transaction, schema)
    handover.give(schema)
    schema = handover.answered()
    for table in sorted(schema.tables, key=lambda table: table.name == MIGRATIONS):
        handover.give(counted(transaction, table))
        handover.give(_rows(transaction, handover, table, to, batch_rows))


def _rows(
    transaction: Transaction, handover: Handover, table: Table, to: str, batch_rows: int
) -> Sum:
    is_same = transaction.dialect == to
    taking = Taking(table, to, is_same)
    found = Sum([] if is_same else [column.kind for column in table.kept])
    try:
        for rows, called in batches(transaction, table, batch_rows):
            taken = taking.rows(rows, called, found.rows)
            found.add(rows)
            handover.give(taken)
    except StatementError as error:
        raise CopyFailed(
            f"the table {table.name!a} cannot be read after its first {found.rows} rows: "
            f"{reason_of(error)}"
        ) from None
    return found


def _check_foreign_keys(transaction: Transaction, schema: Schema) -> None:
    """See whether each row that is named is there: SQLite looks only when it is told to."""
    for table in schema.tables:
        if table.foreign_keys:
            check_foreign_keys(transaction, table)


def check_foreign_keys(transaction: Transaction, table: Table) -> None:
    """See whether each row that a table of SQLite names is there.

    Args:
        transaction: In its database.
        table: Which.

    Raises:
        CopyFailed: One is not.
    """
    try:
        rows = transaction.query(f"PRAGMA foreign_key_check({quoted(table.name)})")
    except StatementError:
        return  # what it names has no key: the foreign key is what cannot be copied
    if rows:
        row = "a row" if rows[0]["rowid"] is None else f"row {rows[0]['rowid']}"
        raise CopyFailed(
            f"{row} of the table {table.name!a} names a row of {rows[0]['parent']!a} that is not "
            f"there: {len(rows)} such cannot be copied; mend or delete them first"
        )
