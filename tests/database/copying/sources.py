"""Databases that are copied in tests."""

from __future__ import annotations

from toolkit.database.database import Database

DOMAINS = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN most AS INTEGER DEFAULT 5 CONSTRAINT small CHECK (VALUE < 10) CHECK (VALUE > 0);
CREATE DOMAIN "Less {1}" AS most NOT NULL CHECK (VALUE <> 3);
CREATE DOMAIN short AS VARCHAR(3) COLLATE "C";
CREATE DOMAIN fine AS mood CHECK (VALUE = 'good');
CREATE TABLE t (id INT, a most, b "Less {1}" DEFAULT 4, c short, d fine, e most[]);
INSERT INTO t VALUES (1, 9, 1, 'abc', 'good', '{1}'), (2, NULL, 2, NULL, NULL, NULL)
"""


async def two_tables(database: Database, rows: int = 3000) -> None:
    await database.execute("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    await database.execute("CREATE TABLE b (x INTEGER)")
    for table in "ab":
        numbers = [{"x": number} for number in range(rows)]
        await database.execute_many(f"INSERT INTO {table} VALUES ({{x}})", numbers)


async def one_column(database: Database, kind: str, *values: object) -> None:
    await database.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, it {kind})")
    await database.execute_many(
        "INSERT INTO t (it) VALUES ({it})", [{"it": value} for value in values]
    )
