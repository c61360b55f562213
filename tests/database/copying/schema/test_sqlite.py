"""What a database of SQLite has is found, what is nobody else's is told."""

from __future__ import annotations

import pytest_twisted

from tests.database.databases import Open
from toolkit.database.copying.schema.sqlite import schema_of_sqlite
from toolkit.database.copying.schema.tables import Check, ForeignKey


@pytest_twisted.ensureDeferred
async def test_rules_are_found_as_they_are_written(opens_at: Open) -> None:
    database = await opens_at("sqlite::memory:")
    await database.migrate(
        [
            """CREATE TABLE parent (a TEXT COLLATE NOCASE, b INTEGER DEFAULT (1 + 1),
                c INTEGER AS (b * 2), PRIMARY KEY (b, a));
            CREATE TABLE child (x INTEGER PRIMARY KEY AUTOINCREMENT, y TEXT, z INTEGER
                CONSTRAINT positive CHECK (z > 0), CHECK (y <> '{'),
                FOREIGN KEY (z, y) REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
            CREATE INDEX expressed ON child (lower(y) DESC);
            INSERT INTO child (x) VALUES (41)"""
        ]
    )
    schema = await database.transaction(schema_of_sqlite)
    child, parent = (one for one in schema.tables if one.name != "toolkit_migrations")
    assert parent.key == ("b", "a")
    assert [(one.collation, one.default, one.generated) for one in parent.columns] == [
        ("NOCASE", "", ""),
        ("", "1 + 1", ""),
        ("", "", "b * 2"),
    ]
    assert parent.odd == ("the collation NOCASE of the column 'a'",)
    assert child.checks == (Check("z > 0", "positive"), Check("y <> '{'"))
    assert child.foreign_keys == (
        ForeignKey(("z", "y"), "parent", ("b", "a"), deferral="DEFERRABLE INITIALLY DEFERRED"),
    )
    assert (child.last, parent.last) == (41, None)
    assert child.indexes[0].parts == (("lower(y)", False, "DESC"),)
    assert "'{{'" in child.definition


@pytest_twisted.ensureDeferred
async def test_what_is_no_table_is_told_or_made_after_the_rows(opens_at: Open) -> None:
    database = await opens_at("sqlite::memory:")
    await database.execute("CREATE TABLE t (x)")
    await database.execute("CREATE VIEW v AS SELECT '{{}}'")
    await database.execute("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END")
    await database.execute("CREATE VIRTUAL TABLE f USING fts5 (body)")
    schema = await database.transaction(schema_of_sqlite)
    assert [table.name for table in schema.tables] == ["t"]  # not those of the virtual one
    assert schema.odd == ("the virtual table 'f'",)
    assert [what for what, _ in schema.after] == ["the view 'v'", "the trigger 'r'"]
    assert schema.after[0][1] == "CREATE VIEW v AS SELECT '{{}}'"
