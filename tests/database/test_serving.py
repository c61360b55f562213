"""Statements of PostgreSQL that are sent together: each has its own result, or its own error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, cast

import psycopg
import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, DeferredList, gatherResults
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from tests.database.calling import failure
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.rows import Row
from toolkit.database.transaction import Transaction

SLEEPS = "SELECT {number}::int AS number, pg_sleep({seconds}) AS slept"
DIVIDES = "SELECT 100 / {number}::int AS result"


@pytest.fixture
def opens(opens_at: Open, postgresql: str) -> Open:
    """Opens the test's database, with one connection."""
    return partial(opens_at, postgresql, connections=1)


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Hold the connection meanwhile: what is asked for waits, and is then taken together."""
    gate = threading.Event()
    holds = database.transaction(lambda _: gate.wait(30))
    yield
    gate.set()
    holds.addErrback(lambda failure: failure.trap(errors.DatabaseError))


async def warm(database: Database) -> Database:
    """Have the statements be known for quick."""
    for number in range(1, 10):
        await database.query(DIVIDES, number=number)
        await database.query(SLEEPS, number=number, seconds=0)
    return database


def divided(database: Database, numbers: Any) -> list[Deferred[Row]]:
    return [database.one(DIVIDES, number=number) for number in numbers]


def sleeping(database: Database, number: int, seconds: float) -> Deferred[list[Row]]:
    return database.query(SLEEPS, number=number, seconds=seconds)


async def wait_for_sleep(url: str, database: Database) -> None:
    """Wait until the server is in the middle of a sleep."""
    name = url.rpartition("/")[2]
    while not await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = {name} AND wait_event = 'PgSleep'",
        name=name,
    ):
        pass


@pytest_twisted.ensureDeferred
async def test_each_gets_its_own_rows(opens: Open) -> None:
    database = await warm(await opens())
    for count in (1, 2, 3, 20, 500):
        numbers = range(1, count + 1)
        with held(database):
            waited = divided(database, numbers)
        rows = await gatherResults(waited)
        assert [row["result"] for row in rows] == [100 // number for number in numbers]


@pytest_twisted.ensureDeferred
async def test_one_that_fails_fails_alone(opens: Open) -> None:
    database = await warm(await opens())
    with held(database):
        waited = DeferredList(divided(database, [1, 2, 0, 4, 0, 5]), consumeErrors=True)
    outcomes: list[tuple[bool, Any]] = await waited
    assert [is_done for is_done, _ in outcomes] == [True, True, False, True, False, True]
    for _, outcome in (outcomes[2], outcomes[4]):
        assert outcome.type is errors.StatementError
        assert "division by zero" in str(outcome.value)
    assert [row["result"] for is_done, row in outcomes if is_done] == [100, 50, 25, 20]


@pytest_twisted.ensureDeferred
async def test_one_whose_parameter_cannot_be_sent_fails_alone(opens: Open) -> None:
    database = await warm(await opens())
    with held(database):
        waited = DeferredList(divided(database, [1, object(), 2**70, 4]), consumeErrors=True)
    outcomes: list[tuple[bool, Any]] = await waited
    assert [is_done for is_done, _ in outcomes] == [True, False, False, True]
    assert all(isinstance(one.value, errors.DatabaseError) for ok, one in outcomes if not ok)


@pytest_twisted.ensureDeferred
async def test_one_whose_rows_cannot_be_read_fails_alone(opens: Open) -> None:
    database = await opens(deadline_seconds=5)
    sql = "SELECT {day}::text::date AS day"
    for _ in range(5):
        await database.query(sql, day="2026-01-01")
    days = ["2026-01-02", "infinity", "2026-01-03", "10000-01-01"]  # Python's dates end before
    with held(database):
        waited = DeferredList([database.one(sql, day=day) for day in days], consumeErrors=True)
    outcomes: list[tuple[bool, Any]] = await waited
    assert [row["day"].day for is_done, row in outcomes if is_done] == [2, 3]
    assert [is_done for is_done, _ in outcomes] == [True, False, True, False]
    for _, outcome in (outcomes[1], outcomes[3]):
        assert outcome.type is errors.StatementError


@pytest_twisted.ensureDeferred
async def test_one_whose_parameter_raises_anything_fails_alone(opens: Open) -> None:
    class Nowhere(tzinfo):
        def utcoffset(self, _: datetime | None) -> timedelta:
            raise LookupError("no such zone")

        dst = tzname = utcoffset  # type: ignore[assignment] # neither is asked for

    database = await opens(deadline_seconds=5)
    sql = "SELECT {moment}::timestamptz"
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(5):
        await database.query(sql, moment=moment)
    moments = [moment, moment.replace(tzinfo=Nowhere()), moment]
    with held(database):
        waited = DeferredList(
            [database.one(sql, moment=one) for one in moments], consumeErrors=True
        )
    outcomes: list[tuple[bool, Any]] = await waited
    assert [is_done for is_done, _ in outcomes] == [True, False, True]
    assert outcomes[1][1].type is LookupError


@pytest_twisted.ensureDeferred
async def test_one_that_finds_no_row_where_one_is_wanted_fails_alone(opens: Open) -> None:
    database = await opens()
    sql = "SELECT 1 AS one WHERE 1 = {number}::int"
    for _ in range(5):
        await database.maybe_one(sql, number=1)
    with held(database):
        waited = DeferredList(
            [database.one(sql, number=number) for number in (1, 2, 1)], consumeErrors=True
        )
    outcomes: list[tuple[bool, Any]] = await waited
    assert [is_done for is_done, _ in outcomes] == [True, False, True]
    assert outcomes[1][1].type is errors.NoRow


@pytest_twisted.ensureDeferred
async def test_cancelling_one_that_runs_frees_it_and_the_others_are_answered(
    opens: Open, opens_at: Open, postgresql: str
) -> None:
    other = await opens_at(postgresql)
    database = await warm(await opens())
    with held(database):
        slow = sleeping(database, 1, 60)
        others = divided(database, range(1, 6))
    await wait_for_sleep(postgresql, other)
    slow.cancel()
    assert isinstance(await failure(slow), CancelledError)
    rows = await gatherResults(others)
    assert [row["result"] for row in rows] == [100, 50, 33, 25, 20]


@pytest_twisted.ensureDeferred
async def test_one_behind_another_that_hangs_ends_by_its_deadline(opens: Open) -> None:
    database = await warm(await opens())
    with held(database):
        slow = sleeping(database, 1, 60)
        late = database.with_deadline(0.2).query(DIVIDES, number=1)
    assert isinstance(await failure(late), errors.DeadlinePassed)
    slow.cancel()
    assert isinstance(await failure(slow), CancelledError)
    assert [row["result"] for row in await gatherResults(divided(database, [1, 2]))] == [100, 50]


@pytest_twisted.ensureDeferred
async def test_a_connection_that_is_lost_meanwhile_costs_nobody_the_answer(
    opens: Open, opens_at: Open, postgresql: str
) -> None:
    other = await opens_at(postgresql)
    database = await warm(await opens(slow_seconds=100.0))
    with held(database):
        first = divided(database, [1, 2])
        slow = sleeping(database, 3, 0.5)
        others = divided(database, [4, 5])
    await wait_for_sleep(postgresql, other)
    with closing(psycopg.connect(postgresql, autocommit=True)) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )
    rows = await gatherResults([*first, *others])
    assert [row["result"] for row in rows] == [100, 50, 25, 20]
    assert (await slow)[0]["number"] == 3


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    """What is logged in the test."""
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


@pytest_twisted.ensureDeferred
async def test_a_slow_one_is_logged_with_how_many_were_sent_with_it(
    opens: Open, logged: list[LogEvent]
) -> None:
    database = await warm(await opens(slow_seconds=0.1))
    with held(database):
        slow = sleeping(database, 1, 0.15)
        others = divided(database, [1, 2])
    await slow
    await gatherResults(others)
    lines = [formatEvent(event) for event in logged if "slow" in event.get("log_format", "")]
    assert len(lines) == 3
    assert all(
        line.startswith("slow statement, or one of the 2 sent with it, 0.1") for line in lines
    )
    assert SLEEPS in lines[0]


@pytest_twisted.ensureDeferred
async def test_many_that_are_quick_need_few_connections_and_slow_ones_get_their_own(
    opens_at: Open, postgresql: str
) -> None:
    database = await warm(await opens_at(postgresql, connections=8))
    await gatherResults(divided(database, range(1, 21)))
    assert database.figures().connections < 8
    sleeps = [database.query("SELECT pg_sleep({s})", s=0.3) for _ in range(8)]
    await gatherResults(sleeps)
    assert database.figures().connections == 8


@pytest_twisted.ensureDeferred
async def test_ones_that_fail_leave_nothing_behind_for_those_that_do_not(
    opens_at: Open, postgresql: str, caplog: pytest.LogCaptureFixture
) -> None:
    sql = "SELECT {text}::int AS number"
    database = await opens_at(postgresql, connections=3)
    for _ in range(3):
        await database.query(sql, text="1")
    for _ in range(5):
        outcomes: list[tuple[bool, Any]] = await DeferredList(
            [database.query(sql, text="bad" if n % 4 == 2 else "1") for n in range(100)],
            consumeErrors=True,
        )
        assert [is_done for is_done, _ in outcomes] == [n % 4 != 2 for n in range(100)]
    for _ in range(10):
        rows = await gatherResults([database.one(sql, text="1") for _ in range(10)])
        assert [row["number"] for row in rows] == [1] * 10
    assert not caplog.records  # psycopg's own would show the values


@pytest_twisted.ensureDeferred
async def test_one_that_writes_though_it_reads_is_kept_when_it_is_acknowledged(opens: Open) -> None:
    database = await opens()
    await database.execute("CREATE TABLE t (x INTEGER)")
    await database.execute(
        "CREATE FUNCTION keeps(i INTEGER) RETURNS INTEGER LANGUAGE sql AS "
        "$$ INSERT INTO t VALUES (i) RETURNING x $$"
    )
    for _ in range(9):
        await database.query(DIVIDES, number=1)
    keeps = "SELECT keeps({x}) AS kept"
    for number in range(5):
        await database.query(keeps, x=-number)
    with held(database):
        kept = [database.one(keeps, x=number) for number in range(1, 6)]
        fails = database.one(DIVIDES, number=0)
    assert [row["kept"] for row in await gatherResults(kept)] == [1, 2, 3, 4, 5]
    assert isinstance(await failure(fails), errors.StatementError)
    rows = await database.query("SELECT x FROM t WHERE x > 0 ORDER BY x")
    assert [row["x"] for row in rows] == [1, 2, 3, 4, 5]


@pytest_twisted.ensureDeferred
async def test_one_that_waits_for_a_lock_does_not_hold_up_the_others(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, connections=2)
    for table in ("held", "free"):
        await database.execute(f"CREATE TABLE {table} (x INTEGER)")
        for _ in range(9):
            await database.query(f"SELECT x FROM {table}")
    with closing(psycopg.connect(postgresql)) as other:
        other.execute("LOCK TABLE held")
        with held(database):
            waits = database.query("SELECT x FROM held")
            free = [database.query("SELECT x FROM free") for _ in range(20)]
        assert await gatherResults(free) == [[]] * 20
        assert not waits.called
        other.rollback()
    assert await waits == []


@pytest_twisted.ensureDeferred
async def test_a_table_that_others_change_is_read_as_it_is_now(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, connections=2)
    await database.execute("CREATE TABLE t (x INTEGER)")
    everything, inserts = "SELECT * FROM t", "INSERT INTO t (x) VALUES (1) RETURNING *"
    columns = ["x"]
    for step in range(3):
        for _ in range(10):
            await gatherResults([database.query(everything) for _ in range(5)])
            row = await database.one(inserts)
            assert list(dict(row)) == columns
            assert await database.transaction(lambda t: list(dict(t.query(everything)[0]))) == (
                columns
            )
        columns.append(f"y{step}")
        with closing(psycopg.connect(postgresql, autocommit=True)) as other:
            other.execute(f"ALTER TABLE t ADD COLUMN y{step} INTEGER")
    assert (await database.one("SELECT count(*) AS rows FROM t"))["rows"] == 30


@pytest_twisted.ensureDeferred
async def test_what_python_cannot_read_is_told_and_what_was_written_with_it(opens: Open) -> None:
    database = await opens()
    await database.execute("CREATE TABLE t (d DATE)")
    error = await failure(database.query("INSERT INTO t VALUES ('infinity') RETURNING d"))
    assert isinstance(error, errors.StatementError)
    assert "Python cannot read what it returns (what it writes, it has written)" in str(error)
    assert (await database.one("SELECT count(*) AS rows FROM t"))["rows"] == 1


@pytest_twisted.ensureDeferred
async def test_a_lock_of_others_is_waited_for_so_long_and_then_told_as_such(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, busy_seconds=0.1)
    await database.execute("CREATE TABLE t (x INTEGER)")
    with closing(psycopg.connect(postgresql)) as other:
        other.execute("LOCK TABLE t")
        for call in (
            database.execute("INSERT INTO t VALUES (1)"),
            database.transaction(lambda t: t.execute("INSERT INTO t VALUES (1)")),
        ):
            assert isinstance(await failure(call), errors.Busy)


def adds_if_missing(transaction: Transaction, name: str) -> bool:
    if transaction.maybe_one("SELECT 1 FROM names WHERE name = {name}", name=name):
        return False
    transaction.execute("INSERT INTO names VALUES ({name})", name=name)
    return True


@pytest_twisted.ensureDeferred
async def test_who_looks_before_it_writes_is_not_told_of_a_row_that_it_did_not_see(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql)
    await database.execute("CREATE TABLE names (name TEXT PRIMARY KEY)")
    added = await gatherResults(
        [database.transaction(adds_if_missing, name) for name in "abcd" for _ in range(10)]
    )
    assert sum(added) == 4


@pytest_twisted.ensureDeferred
async def test_a_row_that_is_there_is_a_violation_all_the_same(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql)
    await database.execute("CREATE TABLE names (name TEXT PRIMARY KEY)")
    inserts = "INSERT INTO names VALUES ('a')"
    await database.execute(inserts)
    call = database.transaction(lambda transaction: transaction.execute(inserts))
    assert isinstance(await failure(call), errors.UniqueViolation)


@pytest_twisted.ensureDeferred
async def test_many_of_which_one_fails_are_no_line_of_the_drivers(
    opens: Open, caplog: pytest.LogCaptureFixture
) -> None:
    database = await opens()
    await database.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)")
    rows = [{"x": number % 40} for number in range(50)]
    for _ in range(2):
        call = database.execute_many("INSERT INTO t VALUES ({x})", rows)
        assert isinstance(await failure(call), errors.UniqueViolation)
    assert await database.execute_many("INSERT INTO t VALUES ({x})", rows[:40]) == 40
    assert not caplog.records


@pytest_twisted.ensureDeferred
async def test_of_very_many_of_which_one_fails_none_is_kept_and_the_next_ones_are(
    opens: Open,
) -> None:
    database = await opens()
    await database.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)")
    rows = [{"x": number % 900} for number in range(1000)]
    for _ in range(2):
        call = database.execute_many("INSERT INTO t VALUES ({x})", rows)
        assert isinstance(await failure(call), errors.UniqueViolation)
    assert await database.execute_many("INSERT INTO t VALUES ({x})", rows[:900]) == 900


@pytest_twisted.ensureDeferred
async def test_of_very_many_that_are_sent_together_each_has_its_own_answer(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, connections=2)
    for number in range(15):
        sql = f"SELECT {{text}}::int AS number, {number} AS round"  # one that failed is not quick
        for _ in range(3):
            await database.query(sql, text="1")
        await gatherResults([database.query(sql, text="1") for _ in range(20)])
        outcomes: list[tuple[bool, Any]] = await DeferredList(
            [database.query(sql, text="bad" if n % 4 == 3 else str(n)) for n in range(200)],
            consumeErrors=True,
        )
        found = [rows if is_done else "failed" for is_done, rows in outcomes]
        assert found == ["failed" if n % 4 == 3 else [(n, number)] for n in range(200)]
