"""What would stay in a connection is refused before it runs, with what to do in its place."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database.errors import MigrationError, StatementError
from toolkit.database.lasting import lasting
from toolkit.database.sql import Statements
from toolkit.database.transaction import Transaction

ALWAYS = [
    "SET search_path TO x",
    "set\n statement_timeout = 5",
    " SET SESSION x = 1",
    "SET ROLE ann",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "RESET ALL",
    "DISCARD ALL",
    "LISTEN news",
    "UNLISTEN *",
    "PREPARE x AS SELECT 1",
    "DEALLOCATE x",
    "LOAD 'x'",
    "ATTACH 'x.db' AS x",
    "DETACH x",
    "PRAGMA foreign_keys = OFF",
    "pragma main.synchronous=0",
    "PRAGMA query_only(1)",
    "PRAGMA writable_schema=ON",
]
INSIDE = [
    "SET LOCAL statement_timeout = 5",
    "SET TRANSACTION READ ONLY",
    "SET CONSTRAINTS ALL DEFERRED",
    "CREATE TEMP TABLE x (y INTEGER)",
    "create or replace temporary view x as select 1",
    "CREATE LOCAL TEMPORARY TABLE x (y INTEGER)",
    "SELECT 1 INTO TEMP x",
    "PRAGMA defer_foreign_keys = ON",
]
ANYWHERE = [
    "",
    "SELECT 1",
    "UPDATE t SET x = 1",
    "INSERT INTO settings VALUES (1)",
    "CREATE TABLE temp (x INTEGER)",
    "CREATE TABLE t (temp INTEGER)",
    "INSERT INTO temp VALUES (1)",
    "INSERT INTO temp SELECT 1",
    "PRAGMA foreign_keys",
    "PRAGMA user_version = 5",
    "PRAGMA table_info(t)",
    "PRAGMA main.integrity_check(10)",
]


def always(sql: str) -> bool | None:
    found = lasting(sql)
    return None if found is None else found.always


def test_what_stays_is_told_by_the_words() -> None:
    assert [sql for sql in ALWAYS if always(sql) is not True] == []
    assert [sql for sql in INSIDE if always(sql) is not False] == []
    assert [sql for sql in ANYWHERE if always(sql) is not None] == []


@pytest.mark.parametrize("before", ["", "/* x */ ", "-- y\n", ";", " ;\t"])
def test_nor_is_it_hidden_by_what_stands_before(before: str) -> None:
    statements = Statements("?")
    for sql in ("SET x = 1", "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA synchronous = 0"):
        with pytest.raises(StatementError):
            statements.get(before + sql)


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("SET search_path TO x", "options=-c%20NAME%3DVALUE"),
        ("SET LOCAL work_mem = '8MB'", r"run it in transaction\(\)"),
        ("CREATE TEMP TABLE x (y INTEGER)", "in one transaction"),
        ("BEGIN", r"begun and ended by transaction\(\)"),
        ("START TRANSACTION", r"begun and ended by transaction\(\)"),
        ("ROLLBACK TO x", r"begun and ended by transaction\(\)"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_is_refused_with_what_to_do_before_it_runs(
    opens: Open, sql: str, advice: str
) -> None:
    database = await opens()
    before = database.figures().done
    calls: list[Deferred[Any]] = [
        database.query(sql),
        database.execute(sql),
        database.execute_many(sql, [{}]),
    ]
    for call in calls:
        with pytest.raises(StatementError, match=advice):
            await call
    with pytest.raises(StatementError, match=advice):
        database.stream(sql)
    assert database.figures().done == before


@pytest_twisted.ensureDeferred
async def test_nor_may_a_transaction_end_itself(opens: Open) -> None:
    database = await opens()
    for sql in ("COMMIT", "ROLLBACK", "/* x */ BEGIN", "SET x = 1", "PRAGMA synchronous = 0"):
        error = await failure(database.transaction(Transaction.execute, sql))
        assert isinstance(error, StatementError)


@pytest_twisted.ensureDeferred
async def test_what_ends_with_the_transaction_may_be_set_in_it(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, connections=1)

    def sets(transaction: Transaction) -> Any:
        transaction.execute("SET LOCAL work_mem = '8MB'")
        transaction.execute("CREATE TEMP TABLE x (y INTEGER) ON COMMIT DROP")
        return transaction.one("SHOW work_mem")[0]

    before = (await database.one("SHOW work_mem"))[0]
    assert await database.transaction(sets) == "8MB" != before
    assert (await database.one("SHOW work_mem"))[0] == before


@pytest_twisted.ensureDeferred
async def test_a_transaction_that_was_left_open_is_rolled_back_and_told(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, connections=1)
    await database.execute("CREATE TABLE t (x INTEGER)")
    function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END"
    error = await failure(database.execute(f"{function}; BEGIN; INSERT INTO t VALUES (1)"))
    assert isinstance(error, StatementError)
    assert "left a transaction open" in str(error)
    assert await database.query("SELECT * FROM t") == []
    error = await failure(database.transaction(Transaction.execute, f"{function}; COMMIT"))
    assert isinstance(error, StatementError)
    assert "ended its transaction itself" in str(error)


@pytest_twisted.ensureDeferred
async def test_what_a_migration_sets_is_gone_after_it(opens_at: Open, postgresql: str) -> None:
    database = await opens_at(postgresql, connections=1)
    before = (await database.one("SHOW work_mem"))[0]
    await database.migrate(["SET work_mem = '9MB'; CREATE TABLE t (x INTEGER)"])
    assert (await database.one("SHOW work_mem"))[0] == before != "9MB"


@pytest.mark.parametrize("step", ["COMMIT", "CREATE TABLE a (x INTEGER); -- x\n ROLLBACK;"])
@pytest_twisted.ensureDeferred
async def test_a_migration_may_not_end_its_transaction(opens: Open, step: str) -> None:
    database = await opens()
    with pytest.raises(MigrationError, match="step 2 begins or ends a transaction"):
        await database.migrate(["CREATE TABLE t (x INTEGER)", step])
    assert isinstance(await failure(database.query("SELECT * FROM t")), StatementError)
