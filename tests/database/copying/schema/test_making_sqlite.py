"""What PostgreSQL has is made in SQLite, or told."""

from __future__ import annotations

from pathlib import Path

import pytest_twisted

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database.copying.copy import copy_database
from toolkit.database.errors import ConstraintViolation


@pytest_twisted.ensureDeferred
async def test_what_sqlite_does_not_know_is_told(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    source = await opens_at(postgresql)
    await source.migrate(
        [
            """CREATE TYPE mood AS ENUM ('good', 'bad');
            CREATE DOMAIN most AS INTEGER CHECK (VALUE > 0);
            CREATE SEQUENCE alone;
            CREATE TABLE t (a SERIAL PRIMARY KEY, b INTEGER DEFAULT nextval('alone'), m mood,
                c TEXT CHECK (c ~ 'x'), d TEXT DEFAULT gen_random_uuid(), e most,
                n NUMERIC CHECK (n < 1000) CHECK (n IN (5, 17)), f TEXT,
                g INTEGER GENERATED ALWAYS AS (1) STORED, CHECK (f IN ('x', 'y')));
            CREATE INDEX i ON t USING hash (f);
            CREATE VIEW v AS SELECT 1;
            CREATE MATERIALIZED VIEW mv AS SELECT 1;
            CREATE FUNCTION fn() RETURNS trigger AS $$ BEGIN RETURN new; END $$ LANGUAGE plpgsql;
            CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION fn();
            INSERT INTO t (m, c, n, f) VALUES ('good', 'x', 17, 'y')"""
        ]
    )
    target = await opens_at(f"sqlite:{tmp_path / 'target.db'}")
    copy = await copy_database(source, target)
    assert [line.partition(":")[0] for line in copy.left_out] == [
        "the default of the column 'b' of the table 't'",
        "the default of the column 'd' of the table 't'",
        "the check 't_c_check' of the table 't'",
        "the index 'i' of the table 't'",
        "the trigger 'tr', of the table 't'",
        "the domain 'most' of the column 'e' of the table 't'",
        "the column 'g' of the table 't'",
        "the materialized view 'mv'",
        "the view 'v'",
        "the function 'fn'",
        "the sequence 'alone'",
        "the rows of toolkit_migrations",
    ]
    row = await target.one("SELECT a, m, n FROM t")
    assert row == (1, "good", 17)
    for column, value in (("m", "worse"), ("n", 1001), ("f", "z")):
        error = await failure(target.execute(f"UPDATE t SET {column} = {{value}}", value=value))
        assert isinstance(error, ConstraintViolation), column
