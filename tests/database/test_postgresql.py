"""What can happen between here and a server: each has its class, and nothing is written twice."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.task import LoopingCall, deferLater

from tests.database.calling import failure
from tests.database.cluster import cluster
from tests.database.consumer import Consumer
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.settings import DatabaseSettings
from toolkit.database.transaction import Transaction
from toolkit.service import Health
from toolkit.settings import Secret

KILL_SELF = "SELECT pg_terminate_backend(pg_backend_pid())"
KILL_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def writes(transaction: Transaction, number: int) -> None:
    transaction.execute("INSERT INTO a VALUES ({number})", number=number)
    transaction.execute("INSERT INTO b VALUES ({number})", number=number)


async def with_tables(database: Database) -> Database:
    await database.execute("CREATE TABLE a (x INTEGER)")
    await database.execute("CREATE TABLE b (x INTEGER)")
    return database


async def check(database: Database, outcomes: Any) -> None:
    """What was acknowledged is there, what failed is not, and nothing is there twice."""
    rows = await database.query("SELECT x FROM a")
    found = [row[0] for row in rows]
    assert sorted(found) == sorted(row[0] for row in await database.query("SELECT x FROM b"))
    assert len(set(found)) == len(found)
    for number, (is_done, outcome) in enumerate(outcomes):
        if is_done:
            assert number in found
        elif outcome.type is not errors.OutcomeUnknown:
            assert issubclass(outcome.type, errors.DatabaseError)
            assert number not in found


@pytest_twisted.ensureDeferred
async def test_backends_that_are_terminated_under_load_lose_and_double_nothing(
    opens_at: Open, postgresql: str
) -> None:
    database = await with_tables(await opens_at(postgresql))
    with closing(psycopg.connect(postgresql, autocommit=True)) as other:
        calls = [database.transaction(writes, number) for number in range(900)]
        killing = LoopingCall(other.execute, KILL_ALL)
        killing.start(0.02)
        outcomes = await DeferredList(calls, consumeErrors=True)
        killing.stop()
    await check(database, outcomes)
    assert sum(is_done for is_done, _ in outcomes) > 100
    assert database.figures().lost > 0
    assert database.figures().retried > 0


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_stopped_and_started_is_used_again_by_itself(
    opens_at: Open, reactor: Any
) -> None:
    with cluster() as server:
        health = Health("database")
        settings = DatabaseSettings(connect_seconds=1)
        database = Database(reactor, server.url, settings, health)
        await database.startService()
        await with_tables(database)
        calls: list[Deferred[None]] = []
        numbers = count()

        def load() -> None:
            calls.extend([database.transaction(writes, next(numbers)) for _ in range(20)])

        loading = LoopingCall(load)
        loading.start(0.05)
        await deferLater(reactor, 0.2)
        await _in_thread(reactor, server.stop)
        while health.state == "ready":
            await deferLater(reactor, 0.01)
        loading.stop()
        outcomes: Any = await DeferredList(calls, consumeErrors=True)
        late = await failure(database.query("SELECT 1"))
        assert isinstance(late, errors.Unavailable)
        assert str(server.port) in str(late)
        await _in_thread(reactor, server.start)
        began = reactor.seconds()
        while health.state == "degraded":  # nobody asks: it finds out by itself
            assert reactor.seconds() - began < 5
            await deferLater(reactor, 0.01)
        await check(database, outcomes)
        assert {outcome.type for is_done, outcome in outcomes if not is_done} <= {
            errors.Unavailable,
            errors.ConnectionLost,
            errors.OutcomeUnknown,
        }
        await database.stopService()


def _in_thread(reactor: Any, function: Any) -> Deferred[None]:
    done: Deferred[None] = Deferred()

    def call() -> None:
        function()
        reactor.callFromThread(done.callback, None)

    threading.Thread(target=call, daemon=True).start()
    return done


@pytest_twisted.ensureDeferred
async def test_an_idle_connection_that_was_lost_is_replaced_before_it_is_used(
    opens_at: Open, postgresql: str, reactor: Any
) -> None:
    database = await with_tables(await opens_at(postgresql, attempts=1))
    await database.execute("INSERT INTO a VALUES (1)")
    with closing(psycopg.connect(postgresql, autocommit=True)) as other:
        other.execute(KILL_ALL)
        while other.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchone() != (1,):
            await deferLater(reactor, 0.005)
    assert await database.execute("INSERT INTO a VALUES (2)") == 1
    assert database.figures().retried == 0


@pytest_twisted.ensureDeferred
async def test_a_connection_lost_in_a_statement_is_told_by_what_is_known(
    opens_at: Open, postgresql: str
) -> None:
    database = await opens_at(postgresql, attempts=2)
    assert isinstance(await failure(database.query(KILL_SELF)), errors.ConnectionLost)
    assert database.figures().retried == 1
    assert isinstance(await failure(database.execute(KILL_SELF)), errors.OutcomeUnknown)
    assert database.figures().retried == 1
    lost = await failure(database.transaction(Transaction.query, KILL_SELF))
    assert isinstance(lost, errors.ConnectionLost)
    assert database.figures().retried == 2
    assert await database.query("SELECT 1") == [(1,)]


@pytest_twisted.ensureDeferred
async def test_a_connection_lost_in_the_commit_leaves_the_outcome_unknown(
    opens_at: Open, postgresql: str
) -> None:
    database = await with_tables(await opens_at(postgresql))
    await database.execute(
        "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
    )
    await database.execute(
        "CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION dies()"
    )
    error = await failure(database.transaction(writes, 1))
    assert isinstance(error, errors.OutcomeUnknown)
    assert database.figures().retried == 0
    assert await database.query("SELECT * FROM a") == []


@pytest_twisted.ensureDeferred
async def test_a_deadlock_is_tried_again(opens_at: Open, postgresql: str) -> None:
    database = await with_tables(await opens_at(postgresql))
    await database.execute_many("INSERT INTO a VALUES ({x})", [{"x": 1}, {"x": 2}])
    await database.execute(
        "ALTER DATABASE " + postgresql.rpartition("/")[2] + " SET deadlock_timeout = '50ms'"
    )
    await database.stopService()
    await database.startService()
    both = threading.Barrier(2)
    begun: set[int] = set()

    def crosses(transaction: Transaction, first: int, second: int) -> None:
        transaction.execute("UPDATE a SET x = x WHERE x = {x}", x=first)
        if first not in begun:
            begun.add(first)
            both.wait(5)
        transaction.execute("UPDATE a SET x = x WHERE x = {x}", x=second)

    await gatherResults([database.transaction(crosses, 1, 2), database.transaction(crosses, 2, 1)])
    assert database.figures().retried >= 1


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", errors.DiskFull),
        ("53200", errors.OutOfResources),
        ("53300", errors.Unavailable),
        ("53400", errors.OutOfResources),
        ("57P03", errors.Unavailable),
        ("58030", errors.StorageFailed),
        ("25006", errors.ReadOnly),
        ("55P03", errors.Busy),
        ("40001", errors.Conflict),
        ("40P01", errors.Conflict),
        ("XX001", errors.Corrupt),
        ("23514", errors.ConstraintViolation),
        ("57014", errors.Interrupted),
        ("42703", errors.StatementError),
    ],
)
@pytest_twisted.ensureDeferred
async def test_each_state_has_its_class(
    opens_at: Open, postgresql: str, state: str, kind: type[errors.DatabaseError]
) -> None:
    database = await opens_at(postgresql, attempts=1, conflicts=0, connect_seconds=0.05)
    raised = f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{state}'; END $$"
    error: Any = await failure(database.execute(raised))
    assert type(error) is kind
    assert error.native == state
    assert str(error).startswith("so it is, in: DO $$ BEGIN")


@pytest_twisted.ensureDeferred
async def test_a_server_that_takes_no_writes_any_more_says_so(
    opens_at: Open, postgresql: str
) -> None:
    url = f"{postgresql}?options=-c%20default_transaction_read_only%3Don"
    await with_tables(await opens_at(postgresql))
    database = await opens_at(url)
    calls: list[Deferred[Any]] = [
        database.execute("INSERT INTO a VALUES (1)"),
        database.transaction(writes, 1),
        database.execute_many("INSERT INTO a VALUES ({x})", [{"x": 1}]),
    ]
    for call in calls:
        assert type(await failure(call)) is errors.ReadOnly
    assert await database.query("SELECT * FROM a") == []


@pytest_twisted.ensureDeferred
async def test_a_standby_is_read_and_not_written(opens_at: Open) -> None:
    with cluster() as server:
        database = await with_tables(await opens_at(server.url))
        await database.stopService()
        server.stop()
        server.becomes_standby()
        server.start()
        database = await opens_at(server.url, connections=1)
        assert await database.query("SELECT * FROM a") == []
        assert await database.stream("SELECT 1").send_to(Consumer()) == 1
        assert type(await failure(database.execute("DELETE FROM a"))) is errors.ReadOnly
        error = await failure(database.transaction(Transaction.query, "SELECT * FROM a"))
        assert type(error) is errors.ReadOnly
        assert "set isolation to repeatable-read" in str(error)
        await database.stopService()
        database = await opens_at(server.url, isolation="repeatable-read")
        assert await database.transaction(Transaction.query, "SELECT * FROM a") == []
        await database.stopService()


@pytest_twisted.ensureDeferred
async def test_a_server_with_no_connection_left_is_waited_for(
    opens_at: Open, postgresql: str, reactor: Any
) -> None:
    with cluster("-c", "max_connections=5", "-c", "superuser_reserved_connections=0") as server:
        others = [psycopg.connect(server.url) for _ in range(4)]
        database = await opens_at(server.url, connections=1, max_streams=1, connect_seconds=0.3)
        stream = database.stream("SELECT 1")
        error = await failure(stream.send_to(Consumer()))
        assert isinstance(error, errors.Unavailable)
        assert "too many clients" in str(error)
        calls = database.stream("SELECT 2")
        others.pop().close()
        assert [row[0] async for rows in calls for row in rows] == [2]
        for other in others:
            other.close()
        await database.stopService()


@pytest_twisted.ensureDeferred
async def test_the_stop_does_not_wait_for_what_is_to_be_tried_again(
    opens_at: Open, postgresql: str, reactor: Any
) -> None:
    database = await opens_at(postgresql, drain_seconds=30, connect_seconds=30)
    raised = "DO $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53300'; END $$"
    waiting = database.execute(raised)
    while database.figures().retried < 3:
        await deferLater(reactor, 0.005)
    began = reactor.seconds()
    stopped = database.stopService()
    error = await failure(waiting)
    await stopped
    assert isinstance(error, errors.Closed | errors.Unavailable)
    assert reactor.seconds() - began < 1.0


@pytest_twisted.ensureDeferred
async def test_a_function_that_goes_on_after_an_error_is_told_why_it_is_undone(
    opens_at: Open, postgresql: str
) -> None:
    database = await with_tables(await opens_at(postgresql))

    def goes_on(transaction: Transaction) -> None:
        with pytest.raises(errors.StatementError):
            transaction.query("SELECT nothing")

    error = await failure(database.transaction(goes_on))
    assert isinstance(error, errors.StatementError)
    assert "savepoint" in str(error)


@pytest_twisted.ensureDeferred
async def test_what_is_interrupted_ends_on_the_server_too(
    opens_at: Open, postgresql: str, reactor: Any
) -> None:
    database = await opens_at(postgresql)
    with closing(psycopg.connect(postgresql, autocommit=True)) as other:
        ours = f"/* {uuid4()} */"  # others may use the same server
        error = await failure(database.with_deadline(0.2).query(f"SELECT {ours} pg_sleep(30)"))
        assert isinstance(error, errors.DeadlinePassed)
        left = other.execute(
            "SELECT count(*) FROM pg_stat_activity "
            f"WHERE state = 'active' AND query LIKE 'SELECT {ours}%'"
        )
        assert left.fetchone() == (0,)


@pytest.mark.parametrize("path", ["127.0.0.1:1/x", "127.0.0.1/no_such_database"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_cannot_be_used_fails_the_start_with_one_line(
    reactor: Any, path: str
) -> None:
    settings = DatabaseSettings(password=Secret("hunter2"))
    database = Database(reactor, f"postgresql://ann:hunter3@{path}", settings)
    error = await failure(database.startService())
    assert isinstance(error, errors.Unavailable)
    assert str(error).startswith(f"cannot connect to postgresql://****@{path}: ")
    assert "hunter" not in str(error)
    assert "\n" not in str(error)


@pytest_twisted.ensureDeferred
async def test_of_a_password_that_is_not_quoted_no_part_is_told(reactor: Any) -> None:
    for user in ("ann:se%zzcret", "ann:hun@ter2"):
        database = Database(reactor, f"postgresql://{user}@127.0.0.1:1/x")
        error = await failure(database.startService())
        assert isinstance(error, errors.Unavailable)
        for part in ("se%zzcret", "zzcret", "hun@", "ter2"):
            assert part not in str(error)


@pytest_twisted.ensureDeferred
async def test_fewer_connections_than_are_wanted_are_enough(
    opens_at: Open, postgresql: str
) -> None:
    role = f"few_{uuid4().hex[:12]}"
    with closing(psycopg.connect(postgresql, autocommit=True)) as server:
        server.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 2")
        try:
            url = postgresql + ("&" if "?" in postgresql else "?") + f"user={role}"
            database = await opens_at(url, connections=10)
            sleeps = [database.query("SELECT pg_sleep(0.01)") for _ in range(60)]
            assert len(await gatherResults(sleeps)) == 60
            figures = database.figures()
            assert (figures.failed, figures.retried, figures.connections) == (0, 0, 2)
            await database.stopService()
        finally:
            server.execute(f"DROP ROLE {role}")
