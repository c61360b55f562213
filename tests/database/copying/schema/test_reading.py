"""The schema of a database is that of its own kind."""

from __future__ import annotations

import pytest_twisted

from tests.database.databases import Open
from toolkit.database.copying.schema.reading import schema_of


@pytest_twisted.ensureDeferred
async def test_an_empty_database_has_nothing(opens: Open) -> None:
    database = await opens()
    schema = await database.transaction(schema_of)
    assert (schema.dialect, schema.tables, schema.beside) == (database.dialect, (), ())


@pytest_twisted.ensureDeferred
async def test_what_both_kinds_know_is_the_same_in_both(opens: Open) -> None:
    database = await opens()
    await database.execute("CREATE TABLE a (x INTEGER PRIMARY KEY, y VARCHAR(7) NOT NULL)")
    await database.execute(
        "CREATE TABLE b (x INTEGER REFERENCES a ON DELETE CASCADE, y REAL, z NUMERIC(9, 2), "
        "UNIQUE (y, x))"
    )
    await database.execute("CREATE UNIQUE INDEX i ON b (z DESC, y) WHERE x > 1")
    a, b = (await database.transaction(schema_of)).tables
    assert (a.key, b.key) == (("x",), ())
    assert [(one.name, one.kind, one.size, one.is_required) for one in a.columns] == [
        ("x", "integer", None, True),
        ("y", "text", 7, True),
    ]
    assert [(one.kind, one.size, one.scale) for one in b.columns] == [
        ("integer", None, 0),
        ("real", None, 0),
        ("numeric", 9, 2),
    ]
    assert [one.columns for one in b.unique] == [("y", "x")]
    (key,) = b.foreign_keys
    assert (key.columns, key.other, key.other_columns) == (("x",), "a", ("x",))
    assert (key.on_delete, key.on_update, key.deferral) == ("CASCADE", "NO ACTION", "")
    (index,) = b.indexes
    assert (index.name, index.is_unique) == ("i", True)
    assert index.parts == (("z", True, "DESC"), ("y", True, ""))
    assert index.where.strip("()") == "x > 1"
