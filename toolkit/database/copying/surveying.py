"""What the columns of a table really hold, where their types do not tell."""

from __future__ import annotations

from dataclasses import replace

from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.schema.kinds import EXACT_DIGITS, affinity, without_size
from toolkit.database.copying.schema.tables import Column, Schema, Table, quoted
from toolkit.database.transaction import Transaction

_CLASSES = {"integer": "integer", "real": "real", "text": "text", "blob": "bytes"}
_AS_TEXT = ("timestamp", "timestamptz", "date", "json", "jsonb", "uuid", "exact")
_LEAST, _MOST = "5e-324", "1.7976931348623157e308"  # of a float, but for 0
_ROWIDS = ("rowid", "_rowid_", "oid")


def surveyed(transaction: Transaction, schema: Schema, to: str) -> Schema:
    """The schema, with the kinds that the columns' values have.

    SQLite keeps any value in any column: a column of one class of values is of that kind. And
    numbers of PostgreSQL that have more digits than SQLite keeps are `exact`.

    Args:
        transaction: In the database.
        schema: Of it.
        to: The kind of database that the values go to.

    Raises:
        CopyFailed: A column has values of several classes, which no type of PostgreSQL keeps.
    """
    if schema.dialect == to:
        return schema
    of = _of_sqlite if to == "postgresql" else _of_postgresql
    return replace(schema, tables=tuple(of(transaction, table) for table in schema.tables))


def rowid_of(transaction: Transaction, table: Table) -> str:
    """What SQLite calls the number of a row, or nothing where rows have none.

    Args:
        transaction: In the database.
        table: Whose columns may have taken a name for it.

    Raises:
        CopyFailed: They have taken all of them.
    """
    if any(
        row["wr"]
        for row in transaction.query(
            "SELECT wr FROM pragma_table_list WHERE name = {name} AND schema = 'main'",
            name=table.name,
        )
    ):
        return ""
    taken = {column.name.lower() for column in table.columns}
    found = next((name for name in _ROWIDS if name not in taken), "")
    if not found:
        raise CopyFailed(
            f"the table {table.name!a} cannot be copied: its columns have all the names of its "
            f"rows' numbers: {', '.join(_ROWIDS)}; give one of them another name"
        )
    return found


def _of_sqlite(transaction: Transaction, table: Table) -> Table:
    columns, odd = {column.name: column for column in table.columns}, list(table.odd)
    for column in table.kept:
        seen = columns[column.name] = _seen(transaction, table, column)
        if column.size is not None and seen.size is None:
            odd.append(f"the limit {column.type} of {column.name!a}, to which not all rows keep")
    return replace(table, columns=tuple(columns.values()), odd=tuple(odd))


def _seen(transaction: Transaction, table: Table, column: Column) -> Column:
    name = quoted(column.name)
    rows = transaction.query(
        f"SELECT DISTINCT typeof({name}) FROM {quoted(table.name)} WHERE {name} IS NOT NULL"
    )
    classes = {row[0] for row in rows}
    kind = column.kind
    if not classes or classes == {_class_of(kind)}:
        return _with_size_that_holds(transaction, table, column)
    if classes == {"integer"} and kind == "boolean":
        odd = transaction.query(
            f"SELECT 1 FROM {quoted(table.name)} WHERE {name} NOT IN (0, 1) LIMIT 1"
        )
        return replace(column, kind="integer") if odd else column
    # In such a column SQLite keeps a whole number as one: the same comes back (§3 of its types).
    if classes <= {"integer", "real"} and affinity(column.type) in ("integer", "numeric"):
        if kind == "integer" and classes == {"integer"}:
            return column
        kind = "numeric" if kind in ("integer", "numeric", "boolean") or len(classes) > 1 else kind
        if kind == "numeric":
            return _with_size_that_holds(transaction, table, replace(column, kind=kind))
    if len(classes) == 1:
        return without_size(replace(column, kind=_CLASSES[classes.pop()]))
    raise CopyFailed(_mixed(transaction, table, column, sorted(classes)))


def _class_of(kind: str) -> str:
    if kind in _AS_TEXT:
        return "text"
    return {"bytes": "blob"}.get(kind, kind)


def _with_size_that_holds(transaction: Transaction, table: Table, column: Column) -> Column:
    """The column as it is said to be, if its values keep to that: SQLite does not look."""
    if column.size is None or column.kind == "exact":
        return column  # what is exact is compared when it was copied
    name = quoted(column.name)
    over = f"length({name}) > {column.size}"
    if column.kind != "text":
        if column.size > 1000 or column.scale > min(column.size, EXACT_DIGITS):
            return without_size(column)
        most = 10.0 ** (column.size - column.scale)
        number = f"CAST({name} AS NUMERIC)"
        over = f"abs({number}) >= {most!r} OR round({number}, {column.scale}) <> {number}"
    found = transaction.query(f"SELECT 1 FROM {quoted(table.name)} WHERE {over} LIMIT 1")
    return without_size(column) if found else column


def _mixed(transaction: Transaction, table: Table, column: Column, classes: list[str]) -> str:
    rowid = rowid_of(transaction, table)
    found = []
    for one in classes:
        where = f"FROM {quoted(table.name)} WHERE typeof({quoted(column.name)}) = '{one}' LIMIT 1"
        at = f" (row {transaction.one(f'SELECT {rowid} {where}')[0]})" if rowid else ""
        found.append(f"{one}{at}")
    return (
        f"the column {column.name!a} of the table {table.name!a} has values of several classes, "
        f"which no type of PostgreSQL keeps apart: {', '.join(found)}; make them all of one"
    )


def _of_postgresql(transaction: Transaction, table: Table) -> Table:
    columns = {column.name: column for column in table.columns}
    for column in table.kept:
        if column.kind == "numeric" and not _is_kept(transaction, table, column):
            columns[column.name] = replace(column, kind="exact")
    return replace(table, columns=tuple(columns.values()))


def _is_kept(transaction: Transaction, table: Table, column: Column) -> bool:
    """Whether SQLite keeps all digits of a column's numbers, as an integer or a float."""
    if column.size is not None and column.size > EXACT_DIGITS:
        return False
    name = quoted(column.name)
    found = transaction.query(
        f"SELECT 1 FROM {quoted(table.name)} WHERE {name} IS NOT NULL AND NOT CASE "
        f"WHEN {name}::text IN ('NaN', 'Infinity', '-Infinity') THEN false "
        f"WHEN {name} >= -{2**63} AND {name} < {2**63} AND {name} = trunc({name}) THEN true "
        f"WHEN abs({name}) NOT BETWEEN {_LEAST} AND {_MOST} THEN false "
        f"ELSE {name}::float8::text::numeric = {name} END LIMIT 1"
    )
    return not found
