"""What a database of PostgreSQL has is found, what is nobody else's is told."""

from __future__ import annotations

import pytest_twisted

from tests.database.databases import Open
from toolkit.database.copying.schema.postgresql import schema_of_postgresql
from toolkit.database.copying.schema.tables import PARTITIONS


@pytest_twisted.ensureDeferred
async def test_columns_are_found_with_what_they_may_hold(opens_at: Open, postgresql: str) -> None:
    database = await opens_at(postgresql)
    await database.execute("CREATE TYPE mood AS ENUM ('good', '{{bad}}')")
    await database.execute(
        "CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY, b CHAR(5), c NUMERIC(9, -2), "
        'd mood, e TEXT COLLATE "C", f INTEGER GENERATED ALWAYS AS (1) STORED, g SERIAL, '
        "h VARCHAR DEFAULT 'x')"
    )
    await database.execute("INSERT INTO t (b) VALUES ('x'), ('y')")
    schema = await database.transaction(schema_of_postgresql)
    (table,) = schema.tables
    found = {one.name: one for one in table.columns}
    assert (found["a"].identity, found["a"].last, table.last) == ("a", 2, 2)
    assert [(found[name].size, found[name].scale) for name in "bch"] == [(5, 0), (9, -2), (None, 0)]
    assert found["d"].labels == ("good", "{bad}")
    assert (found["e"].collation, found["h"].collation) == ("C", "")
    assert (found["f"].generated, found["f"].default) == ("1", "")
    assert found["g"].default.startswith("nextval(")
    assert [name for name, _ in schema.before] == ["the type 'mood'", "the sequence 't_g_seq'"]
    assert schema.before[0][1] == "CREATE TYPE \"mood\" AS ENUM ('good', '{{bad}}')"
    assert schema.after[0][1] == 'ALTER SEQUENCE "t_g_seq" OWNED BY "t"."g"'


@pytest_twisted.ensureDeferred
async def test_rules_and_indexes_are_found_with_what_others_do_not_know(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql)
    await database.migrate(
        [
            """CREATE TABLE parent (a INTEGER, b INTEGER, PRIMARY KEY (b, a));
            CREATE TABLE child (x INTEGER CHECK (x > 0), y INTEGER, z TEXT,
                CONSTRAINT up FOREIGN KEY (x, y) REFERENCES parent ON DELETE SET NULL
                DEFERRABLE INITIALLY IMMEDIATE);
            CREATE INDEX i1 ON child USING hash (z);
            CREATE INDEX i2 ON child (lower(z) DESC, x) INCLUDE (y);
            CREATE TABLE parted (x INTEGER) PARTITION BY RANGE (x);
            CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9);
            CREATE VIEW v AS SELECT 1"""
        ]
    )
    schema = await database.transaction(schema_of_postgresql)
    tables = {table.name: table for table in schema.tables}
    assert sorted(tables) == ["child", "parent", "parted", "toolkit_migrations"]
    child = tables["child"]
    (key,) = child.foreign_keys
    assert (key.columns, key.other_columns) == (("x", "y"), ("b", "a"))
    assert (key.on_delete, key.deferral) == ("SET NULL", "DEFERRABLE INITIALLY IMMEDIATE")
    assert [name for name, _ in child.references] == ["up"]
    assert [name for name, _ in child.constraints] == ["child_x_check"]
    assert [(one.name, one.odd) for one in child.indexes] == [
        ("i1", "the access method hash"),
        ("i2", "INCLUDE"),
    ]
    assert child.indexes[1].parts == (("lower(z)", False, "DESC"), ("x", True, ""))
    assert child.indexes[0].definition == "CREATE INDEX i1 ON child USING hash (z)"
    assert tables["parted"].odd == (PARTITIONS,)
    assert schema.odd == ("the view 'v'",)
