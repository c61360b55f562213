"""The schema of a database, of whichever kind."""

from __future__ import annotations

from toolkit.database.copying.schema.postgresql import schema_of_postgresql
from toolkit.database.copying.schema.sqlite import schema_of_sqlite
from toolkit.database.copying.schema.tables import Schema
from toolkit.database.transaction import Transaction


def schema_of(transaction: Transaction) -> Schema:
    """The schema of a database.

    Args:
        transaction: In the database.
    """
    if transaction.dialect == "sqlite":
        return schema_of_sqlite(transaction)
    return schema_of_postgresql(transaction)
