"""A copy has the rules of what was copied, or says which it has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.database.calling import failure
from tests.database.copying.sources import DOMAINS
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
    assert sql[0].endswith('((lower("name")), "id" DESC)')
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


LIKE_IN_BOTH = """
CREATE TABLE t (
    id INTEGER PRIMARY KEY, a INT CHECK (a), b TEXT CHECK (length(b) BETWEEN 1 AND 3),
    c INT CHECK (c & 1 = 0), d TEXT CHECK (d > 'Z'), e INT CHECK (e / 2 * 2 = e),
    f TEXT CHECK (trim(f) = f), g TEXT CHECK (g IS NOT 'x' AND lower(g) = g),
    h INT CHECK (h IN (1, 2) OR h IS NULL), i INT CHECK (NOT i = 5 AND -i < 7),
    j TEXT CHECK (substr(j, 1, 1) = 'a'), k BOOLEAN CHECK (k = 1), l TEXT CHECK (l <> ''));
CREATE UNIQUE INDEX one ON t (lower(l));
CREATE UNIQUE INDEX two ON t (h) WHERE a
"""


ROWS = {
    "a": (0, 1, -1, None),
    "b": ("", "éàü", "abcd", "a"),
    "c": (1, 2, -3, -4),
    "d": ("a", "A", "é", "Z", "Za"),
    "e": (-3, 3, 4, 0),
    "f": (" a", "a", "\ta", "a "),
    "g": ("x", "X", "É", "é", "a"),
    "h": (1, 3, None),
    "i": (5, 4, -7, -6),
    "j": ("abc", "b", "A"),
    "k": (True, False),
    "l": ("", "É", "é", "A", "a"),
}


@pytest_twisted.ensureDeferred
async def test_rules_that_were_taken_over_take_and_refuse_the_same_rows(
    opens_at: Open, postgresql: str
) -> None:
    first = await opens_at("sqlite::memory:")
    await first.migrate([LIKE_IN_BOTH])
    between, last = await opens_at(postgresql), await opens_at("sqlite::memory:")
    assert (await copy_database(first, between)).left_out == ()
    assert (await copy_database(between, last)).left_out == ()
    for column, values in ROWS.items():
        for value in values:
            took = []
            for database in (first, between, last):
                try:
                    await database.execute(
                        f"INSERT INTO t ({column}) VALUES ({{value}})", value=value
                    )
                    took.append(True)
                except ConstraintViolation:
                    took.append(False)
            assert len(set(took)) == 1, (column, value, took)


@pytest_twisted.ensureDeferred
async def test_rules_that_would_mean_something_else_are_told(
    opens_at: Open, postgresql: str
) -> None:
    source, target = await opens_at("sqlite::memory:"), await opens_at(postgresql)
    await source.migrate(
        [
            """CREATE TABLE t (id INTEGER PRIMARY KEY, a INT DEFAULT (abs(random())),
                b TEXT DEFAULT (date('now')), c DATE DEFAULT (date('now')),
                d TEXT DEFAULT (substr('hello', -3)), e TEXT CHECK (e LIKE 'a%'),
                f TEXT DEFAULT current_time);
            CREATE UNIQUE INDEX i ON t (a) WHERE e LIKE 'X%'"""
        ]
    )
    copy = await copy_database(source, target)
    assert [line.partition(":")[0] for line in copy.left_out[:-1]] == [
        "the index 'i' of the table 't'",
        "the check \"e LIKE 'a%'\" of the table 't'",
        "the default of the column 'a' of the table 't'",
        "the default of the column 'd' of the table 't'",
    ]
    assert "substr() in it does not do the same in both" in copy.left_out[3]
    await target.execute("INSERT INTO t (id) VALUES (1)")
    # A day later it would be another one: it was not reckoned when it was copied.
    assert await target.one(
        "SELECT b = (now() AT TIME ZONE 'UTC')::date::text, c::text = b, length(f) FROM t"
    ) == (True, True, 8)
    defaults = await target.query("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef")
    assert sum("CURRENT_TIMESTAMP" in row[0] for row in defaults) == 3


@pytest_twisted.ensureDeferred
async def test_rules_of_postgresql_that_would_mean_something_else_are_told(
    opens_at: Open, postgresql: str
) -> None:
    source, target = await opens_at(postgresql), await opens_at("sqlite::memory:")
    await source.migrate(
        [
            """CREATE TABLE t (id INT PRIMARY KEY, a FLOAT8 DEFAULT random(),
                b TEXT DEFAULT upper('é'), c TIMESTAMPTZ DEFAULT now() + '1 day'::interval,
                d TEXT DEFAULT current_timestamp, e TIMESTAMPTZ DEFAULT now(),
                f INT DEFAULT floor(random() * 10), CHECK (b LIKE 'a%'), CHECK (d > 'a'));
            CREATE UNIQUE INDEX i ON t (lower(b))"""
        ]
    )
    copy = await copy_database(source, target)
    assert [line.partition(":")[0] for line in copy.left_out[:-1]] == [
        "the default of the column 'a' of the table 't'",
        "the default of the column 'b' of the table 't'",
        "the default of the column 'c' of the table 't'",
        "the default of the column 'd' of the table 't'",
        "the default of the column 'f' of the table 't'",
        "the check 't_b_check' of the table 't'",
        "the check 't_d_check' of the table 't'",
        "the index 'i' of the table 't'",
    ]


@pytest_twisted.ensureDeferred
async def test_a_domain_that_cannot_be_made_is_told_and_its_columns_are_of_what_it_is_made_of(
    opens_at: Open, postgresql: str, postgresql_again: str
) -> None:
    first, second = await opens_at(postgresql), await opens_at(postgresql_again)
    await first.migrate(
        [
            """CREATE FUNCTION f(INT) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
            CREATE DOMAIN most AS NUMERIC(5, 2) CHECK (f(VALUE::int));
            CREATE SCHEMA other;
            CREATE DOMAIN other.less AS INTEGER;
            CREATE TABLE t (a most, b other.less);
            INSERT INTO t VALUES (1.25, 2)"""
        ]
    )
    copy = await copy_database(first, second)
    assert [line.partition(": ")[0] for line in copy.left_out[:-1]] == [
        "the domain 'most'",
        "the domain 'most' of the column 'a' of the table 't'",
        "the domain 'other.less' of the column 'b' of the table 't'",
        "the function 'f'",
    ]
    assert "it is kept as numeric(5,2)" in copy.left_out[1]
    found = await second.query("SELECT pg_typeof(a)::text, a::text, b FROM t")
    assert found == [("numeric", "1.25", 2)]


@pytest_twisted.ensureDeferred
async def test_columns_of_domains_go_to_sqlite_as_what_those_are_made_of(
    opens_at: Open, postgresql: str
) -> None:
    first, second = await opens_at(postgresql), await opens_at("sqlite::memory:")
    await first.migrate([DOMAINS])
    copy = await copy_database(first, second)
    assert [line.partition(": ")[2] for line in copy.left_out[:-1]] == [
        "it is kept as integer, of which that is made",
        "it is kept as integer, of which that is made",
        "it is kept as character varying(3), of which that is made",
        "it is kept as mood, of which that is made",
    ]
    assert await second.query("SELECT * FROM t WHERE id = 1") == [(1, 9, 1, "abc", "good", "{1}")]


@pytest_twisted.ensureDeferred
async def test_what_is_in_other_schemas_and_what_tables_inherit_is_told(
    opens_at: Open, postgresql: str, postgresql_again: str
) -> None:
    first = await opens_at(postgresql)
    await first.migrate(
        [
            """CREATE SCHEMA other; CREATE SCHEMA "A b"; CREATE SCHEMA nothing;
            CREATE TABLE other.x (y INT) PARTITION BY RANGE (y);
            CREATE TABLE other.z PARTITION OF other.x DEFAULT;
            CREATE TABLE "A b".x (y INT); CREATE TABLE "A b".y (y INT);
            CREATE TABLE parent (a INT); CREATE TABLE child (b INT) INHERITS (parent);
            INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
            CREATE RULE r AS ON INSERT TO parent WHERE new.a > 5 DO ALSO NOTHING"""
        ]
    )
    for url in (postgresql_again, "sqlite::memory:"):
        copy = await copy_database(first, second := await opens_at(url))
        assert list(copy.left_out[:-1]) == [
            "the inheritance from 'parent', as which queries found its rows, of the table 'child'",
            "the rule 'r', of the table 'parent'",
            "the schema 'A b', with 2 tables: only the schema 'public' is copied",
            "the schema 'other', with 1 table: only the schema 'public' is copied",
        ]
        assert await second.query("SELECT a FROM parent") == [(1,)]
        assert await second.query("SELECT a, b FROM child") == [(2, 3)]


@pytest_twisted.ensureDeferred
async def test_times_of_a_session_that_is_not_in_utc_are_left_out(
    opens_at: Open, postgresql: str
) -> None:
    source = await opens_at(f"{postgresql}?options=-c%20TimeZone%3DEurope/Berlin")
    await Contacts(source).prepare(seed=True)
    copy = await copy_database(source, target := await opens_at("sqlite::memory:"))
    assert copy.left_out == ()
    assert await target.migrate(STEPS, "contacts") == []
    await source.execute(
        "CREATE TABLE t (a TIMESTAMP DEFAULT now(), b DATE DEFAULT CURRENT_DATE, "
        "c TIMESTAMPTZ DEFAULT now(), d TIMESTAMP DEFAULT (now() AT TIME ZONE 'UTC'))"
    )
    copy = await copy_database(source, target := await opens_at("sqlite::memory:"))
    assert [line.partition(" it is")[0] for line in copy.left_out[:-1]] == [
        "the default of the column 'a' of the table 't':",
        "the default of the column 'b' of the table 't':",
    ]
    assert "the session's time zone" in copy.left_out[0]
    await target.execute("INSERT INTO t DEFAULT VALUES")
    found = await target.one(
        "SELECT a, b, abs(julianday('now') - julianday(substr(c, 1, 19))) < 0.01, "
        "abs(julianday('now') - julianday(d)) < 0.01 FROM t"
    )
    assert tuple(found) == (None, None, 1, 1)
