"""A copy has the rules of what was copied, or says which it has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.contacts import STEPS, Contacts
from toolkit.database.copying.copy import copy_database
from toolkit.database.database import Database
from toolkit.database.errors import ConstraintViolation, ForeignKeyViolation, UniqueViolation

SHOP = """
CREATE TABLE Owners (
    id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL DEFAULT 'no''b{ody}',
    is_on BOOLEAN NOT NULL DEFAULT 1 CHECK (is_on IN (0, 1)),
    at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    best INTEGER REFERENCES shops (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE shops (
    id INTEGER PRIMARY KEY,
    owner INTEGER REFERENCES owners (ID) ON DELETE CASCADE ON UPDATE CASCADE,
    "group" TEXT, "a{b}" INTEGER,
    "per""cent %" REAL CONSTRAINT "not ünder" CHECK ("per""cent %" > 0),
    UNIQUE ("group", "a{b}"));
CREATE UNIQUE INDEX partial ON shops ("group" DESC, owner) WHERE "a{b}" IS NULL;
CREATE INDEX expressed ON owners (lower(Name), id DESC);
INSERT INTO owners (id, name, best) VALUES (1, 'ann', 7);
INSERT INTO shops VALUES (7, 1, 'g', 1, 0.5), (8, 1, 'g', NULL, 0.5)
"""


async def keeps_the_rules(shop: Database, owners: str) -> None:
    async def refused(kind: type[Exception], sql: str) -> None:
        assert type(await failure(shop.execute(sql))) is kind, sql

    await refused(ConstraintViolation, f"INSERT INTO {owners} (name) VALUES (NULL)")
    await refused(ConstraintViolation, 'INSERT INTO shops ("per""cent %") VALUES (-1)')
    await refused(UniqueViolation, 'INSERT INTO shops ("group", "a{{b}}") VALUES (\'g\', 1)')
    await refused(UniqueViolation, "INSERT INTO shops (\"group\", owner) VALUES ('g', 1)")
    await shop.execute('INSERT INTO shops ("group", "a{{b}}", owner) VALUES (\'g\', 2, 1)')
    await refused(ForeignKeyViolation, "INSERT INTO shops (owner) VALUES (99)")
    row = await shop.one(f"INSERT INTO {owners} (best) VALUES (7) RETURNING *")
    assert (row["name"], bool(row["is_on"])) == ("no'b{ody}", True)
    assert row[0] > 1  # numbered on
    assert row["at"] is not None

    def swap(transaction: Any) -> None:  # the deferred one is looked at in the end
        transaction.execute(f"UPDATE {owners} SET best = 20")
        transaction.execute("INSERT INTO shops (id) VALUES (20)")

    await shop.transaction(swap)
    await shop.execute(f"DELETE FROM {owners}")
    assert await shop.query("SELECT owner FROM shops") == [(None,)]


@pytest_twisted.ensureDeferred
async def test_rules_defaults_and_indexes_go_to_postgresql_and_back(
    opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    first = await opens_at(f"sqlite:{tmp_path / 'first.db'}")
    await first.migrate([SHOP])
    await first.execute("DROP TABLE toolkit_migrations")
    between = await opens_at(postgresql)
    last = await opens_at(f"sqlite:{tmp_path / 'last.db'}")
    assert (await copy_database(first, between)).left_out == ()
    assert (await copy_database(between, last)).left_out == ()
    names = await between.query("SELECT indexname, indexdef FROM pg_indexes ORDER BY 1")
    found = {row[0]: row[1].partition("btree ")[2] for row in names}
    assert found["expressed"] == "(lower((name)::text), id DESC)"
    assert found["partial"] == '("group" DESC, owner) WHERE ("a{b}" IS NULL)'
    sql = await last.one("SELECT sql FROM sqlite_master WHERE name = 'expressed'")
    assert sql[0].endswith('((lower(name)), "id" DESC)')
    await keeps_the_rules(between, '"Owners"')
    await keeps_the_rules(last, "Owners")


@pytest.mark.parametrize("kind", ["sqlite", "memory", "postgresql"])
@pytest_twisted.ensureDeferred
async def test_a_service_goes_on_with_a_copy(
    kind: str, opens: Open, opens_at: Open, tmp_path: Path, postgresql_again: str
) -> None:
    urls = {
        "sqlite": f"sqlite:{tmp_path / 'target.db'}",
        "memory": "sqlite::memory:",
        "postgresql": postgresql_again,
    }
    source, target = await opens(), await opens_at(urls[kind])
    await Contacts(source).prepare(seed=True)
    copy = await copy_database(source, target)
    assert copy.left_out == ()
    assert {one.table: one.rows for one in copy.tables} == {
        "users": 5,
        "contacts": 9,
        "toolkit_migrations": 3,
    }
    contacts = Contacts(target)
    assert await target.migrate(STEPS, "contacts") == []
    assert await contacts.get_contacts("ben") == ["ann"]
    await contacts.remove_user("ann")
    assert await contacts.get_contacts("ben") == []
    error = await failure(
        target.execute("INSERT INTO contacts (username, contact) VALUES ('ben', 'nobody')")
    )
    assert isinstance(error, ForeignKeyViolation)
    index = "SELECT 1 FROM pg_indexes WHERE indexname = 'contacts_by_contact'"
    if target.dialect == "sqlite":
        index = "SELECT 1 FROM sqlite_master WHERE name = 'contacts_by_contact'"
    assert await target.query(index) == [(1,)]
