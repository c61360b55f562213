"""Tables that are there are kept, filled, and lose no row without leave."""

from __future__ import annotations

from pathlib import Path

import pytest_twisted

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.contacts import STEPS, Contacts
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database


@pytest_twisted.ensureDeferred
async def test_values_fit_the_types_of_a_table_that_is_there(
    opens_at: Open, postgresql: str
) -> None:
    source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
    await source.execute("CREATE TABLE t (a UUID, b JSONB, c TEXT, d INTEGER, e REAL)")
    row = (
        "ABCDEF00-0000-0000-0000-000000000001",
        '{"b":1.50,"a":[]}',
        "2026-01-02T03:04:05",
        7,
        0.1,
    )
    await source.execute(
        "INSERT INTO t VALUES ({a}, {b}, {c}, {d}, {e})", **dict(zip("abcde", row, strict=True))
    )
    await target.execute(
        "CREATE TABLE t (a UUID, b JSONB, c TIMESTAMP, d NUMERIC, e NUMERIC(5, 2))"
    )
    copy = await copy_database(source, target)
    assert copy.left_out == ()
    found = await target.query("SELECT a::text, b ->> 'b', c::text, d::int, e::float8 FROM t")
    assert found == [(row[0].lower(), "1.50", "2026-01-02 03:04:05", 7, 0.1)]


@pytest_twisted.ensureDeferred
async def test_tables_that_are_there_are_kept_and_what_they_lack_is_told(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await Contacts(source).prepare(seed=True)
    target = await opens()
    await target.execute("CREATE TABLE users (username VARCHAR(64) PRIMARY KEY, name TEXT)")
    await target.execute("CREATE TABLE contacts (username TEXT, contact TEXT)")
    await target.execute("INSERT INTO contacts VALUES ('old', 'row')")
    copy = await copy_database(source, target, replace=True)
    assert [line.partition(", which")[0] for line in copy.left_out[:-1]] == [
        "the primary key (username, contact)",
        "the foreign key (username) to 'users'",
        "the foreign key (contact) to 'users'",
        "the index 'contacts_by_contact'",
        "NOT NULL of the column 'username'",
        "NOT NULL of the column 'contact'",
        "NOT NULL of the column 'name'",
    ]
    assert "toolkit_migrations" in copy.left_out[-1]
    assert "--replace" in copy.left_out[-1]
    assert await target.query("SELECT count(*) FROM contacts") == [(9,)]


@pytest_twisted.ensureDeferred
async def test_tables_that_the_service_has_made_are_filled_and_keep_their_rules(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await Contacts(source).prepare(seed=True)
    target = await opens()
    await Contacts(target).prepare(seed=True)
    copy = await copy_database(source, target, replace=True)
    assert copy.left_out == ()
    assert await target.migrate(STEPS, "contacts") == []
    await Contacts(target).remove_user("ann")
    assert await Contacts(target).get_contacts("ben") == []


@pytest_twisted.ensureDeferred
async def test_rows_of_another_table_are_not_deleted_with_those_they_name(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.execute("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    target = await opens()
    await target.execute("CREATE TABLE a (x INTEGER PRIMARY KEY)")
    await target.execute("CREATE TABLE b (y INTEGER REFERENCES a (x) ON DELETE CASCADE)")
    await target.execute("INSERT INTO a VALUES (1)")
    await target.execute("INSERT INTO b VALUES (1)")
    error = await failure(copy_database(source, target, replace=True))
    assert isinstance(error, CopyFailed)
    assert "those of 'b', which is not in the source, name them" in str(error)
    assert await target.query("SELECT * FROM a, b") == [(1, 1)]


@pytest_twisted.ensureDeferred
async def test_nothing_is_overwritten_unless_told_so(
    opens: Open, opens_at: Open, tmp_path: Path
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await source.migrate(["CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)"])
    target = await opens()
    await target.execute("CREATE TABLE b (x INTEGER)")
    await target.execute("CREATE TABLE a (x INTEGER)")
    await target.execute("INSERT INTO a VALUES (2)")
    error = await failure(copy_database(source, target))
    assert isinstance(error, CopyFailed)
    assert "'a'" in str(error)
    assert "--replace" in str(error)
    assert await target.query("SELECT x FROM a") == [(2,)]
    copied = await copy_database(source, target, replace=True)
    assert [one.table for one in copied.tables] == ["a", "toolkit_migrations"]
    assert await target.query("SELECT x FROM a") == [(1,)]
    # The steps are known to have been applied there.
    assert await target.migrate(["CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)"]) == []
