"""What is there already, beside what would be made; no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.schema.tables import Schema, Table

MOST_BYTES = 63  # NAMEDATALEN, less one: what is longer PostgreSQL cuts off


def check_names(schema: Schema) -> None:
    """See whether PostgreSQL keeps all names.

    Args:
        schema: What is to be made there.

    Raises:
        CopyFailed: One is too long, and with another one it would become the same.
    """
    relations = [table.name for table in schema.tables]
    relations += [index.name for table in schema.tables for index in table.indexes]
    _check_names("the database", relations)
    for table in schema.tables:
        where = f"the table {table.name!a}"
        _check_names(where, [column.name for column in table.columns])
        _check_names(where, [check.name for check in table.checks])


def _check_names(where: str, names: Iterable[str]) -> None:
    cut: dict[bytes, str] = {}
    for name in dict.fromkeys(names):
        short = name.encode()[:MOST_BYTES]
        if short in cut:
            raise CopyFailed(
                f"{cut[short]!a} and {name!a} in {where} would be one: PostgreSQL keeps "
                f"{MOST_BYTES} bytes of a name; give one of them another"
            )
        cut[short] = name
    for name in cut.values():
        if len(name.encode()) > MOST_BYTES:
            raise CopyFailed(
                f"{name!a} in {where} is too long: PostgreSQL keeps {MOST_BYTES} bytes of a name; "
                "give it a shorter one"
            )


def check_columns(ours: Table, theirs: Table, url: str) -> None:
    """See whether rows of one table fit into another.

    Args:
        ours: The table that is copied.
        theirs: That of the same name which is there.
        url: Where, for the message.

    Raises:
        CopyFailed: They have other columns.
    """
    odd = {one.name for one in ours.kept} ^ {one.name for one in theirs.kept}
    if odd:
        raise CopyFailed(
            f"the table {ours.name!a} is in {url} with other columns: only one of both has "
            + ", ".join(repr(name) for name in sorted(odd))
        )


def lacking(ours: Table, theirs: Table) -> list[str]:
    """What a table that is there has not got of the one that is copied, one line each.

    Expressions are counted, not compared: each database writes them in its own way.

    Args:
        ours: The table that is copied.
        theirs: That of the same name which is there.
    """
    found = []
    if ours.key and set(ours.key) != set(theirs.key):
        found.append(f"the primary key ({', '.join(ours.key)})")
    keys = {frozenset(one.columns) for one in theirs.unique} | {frozenset(theirs.key)}
    keys |= {
        frozenset(text for text, _, _ in one.parts)
        for one in theirs.indexes
        if one.is_unique and not one.where
    }
    for unique in ours.unique:
        if frozenset(unique.columns) not in keys:
            found.append(f"the key ({', '.join(unique.columns)})")
    foreign = {
        (one.columns, one.other.lower(), one.on_delete, one.on_update)
        for one in theirs.foreign_keys
    }
    for key in ours.foreign_keys:
        if (key.columns, key.other.lower(), key.on_delete, key.on_update) not in foreign:
            found.append(str(key))
    if len(ours.checks) > len(theirs.checks):
        found.append(f"{len(ours.checks) - len(theirs.checks)} of its checks")
    names = {one.name for one in theirs.indexes}
    found += [f"the index {one.name!a}" for one in ours.indexes if one.name not in names]
    columns = {one.name: one for one in theirs.columns}
    for column in ours.kept:
        other = columns[column.name]
        if column.is_required and not other.is_required:
            found.append(f"NOT NULL of the column {column.name!a}")
        if column.default and not (other.default or other.identity or theirs.number == other.name):
            found.append(f"the default of the column {column.name!a}")
    return [f"{what}, which the table {ours.name!a} that was there has not" for what in found]
