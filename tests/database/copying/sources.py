"""Databases that are copied in tests."""

from __future__ import annotations

from toolkit.database.database import Database


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
