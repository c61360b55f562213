"""A call ends in time, leaves the queue when it is cancelled, and finds a bound to the queue."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import deferLater

from tests.database.databases import Open
from tests.database.test_database import failure
from toolkit.database import errors
from toolkit.database.calls import Calls
from toolkit.database.database import Database
from toolkit.database.transaction import Transaction
from toolkit.testing import is_waiting, result_of

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
"""A statement that never ends by itself, in either dialect."""


class Gate:
    """Holds transactions up, in their threads, until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered: Deferred[None] = Deferred()

    def passes(self, transaction: Transaction, reactor: Any) -> str:
        reactor.callFromThread(self._enter)
        assert self._open.wait(10)
        return "through"

    def _enter(self) -> None:
        if not self.entered.called:
            self.entered.callback(None)

    def open(self) -> None:
        self._open.set()


async def answers(database: Calls) -> bool:
    return await database.query("SELECT 1") == [(1,)]


@pytest_twisted.ensureDeferred
async def test_a_statement_that_takes_too_long_is_interrupted_and_its_thread_is_free(
    opens: Open, reactor: Any
) -> None:
    database = await opens(connections=1, slow_seconds=30)
    began = reactor.seconds()
    error = await failure(database.with_deadline(0.2).query(ENDLESS))
    assert isinstance(error, errors.DeadlinePassed)
    assert "0.2 s" in str(error)
    assert reactor.seconds() - began < 1.5
    assert await answers(database)
    assert database.figures().expired == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 86_401, "x", None])
def test_a_deadline_that_is_none_is_told(reactor: Any, seconds: Any) -> None:
    database = Database(reactor, "sqlite::memory:")
    with pytest.raises(ValueError, match="a deadline is above 0 and at most 86,400 seconds, not"):
        database.with_deadline(seconds)


@pytest_twisted.ensureDeferred
async def test_a_transaction_that_takes_too_long_leaves_nothing(opens: Open) -> None:
    database = await opens(slow_seconds=30)
    await database.execute("CREATE TABLE t (x INTEGER)")

    def writes(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO t VALUES (1)")
        transaction.query(ENDLESS)

    error = await failure(database.with_deadline(0.2).transaction(writes))
    assert isinstance(error, errors.DeadlinePassed)
    assert await database.query("SELECT * FROM t") == []


@pytest_twisted.ensureDeferred
async def test_a_function_that_dawdles_is_undone_at_its_end(opens: Open, reactor: Any) -> None:
    database = await opens()
    await database.execute("CREATE TABLE t (x INTEGER)")
    gate = Gate()

    def writes(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO t VALUES (1)")
        gate.passes(transaction, reactor)

    waited = database.with_deadline(0.2).transaction(writes)
    await gate.entered
    await deferLater(reactor, 0.3, gate.open)
    assert isinstance(await failure(waited), errors.DeadlinePassed)
    assert await database.query("SELECT * FROM t") == []


@pytest_twisted.ensureDeferred
async def test_a_thread_that_does_not_end_is_waited_for_a_second_longer(
    opens: Open, reactor: Any
) -> None:
    database = await opens(slow_seconds=30)
    gate = Gate()
    began = reactor.seconds()
    waited = database.with_deadline(0.1).transaction(gate.passes, reactor)
    assert isinstance(await failure(waited), errors.DeadlinePassed)
    assert 1.0 <= reactor.seconds() - began < 2.0
    gate.open()
    assert await answers(database)


@pytest_twisted.ensureDeferred
async def test_the_deadline_of_a_call_that_waits_takes_it_off_the_queue(
    opens: Open, reactor: Any
) -> None:
    database = await opens(connections=1)
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    late = database.with_deadline(0.05).execute("CREATE TABLE t (x INTEGER)")
    assert isinstance(await failure(late), errors.DeadlinePassed)
    assert database.figures().waiting == 0
    gate.open()
    assert await first == "through"
    assert isinstance(await failure(database.query("SELECT * FROM t")), errors.StatementError)


@pytest_twisted.ensureDeferred
async def test_cancelling_takes_a_call_that_waits_off_the_queue(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1)
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    waiting = database.execute("CREATE TABLE t (x INTEGER)")
    assert database.figures().waiting == 1
    waiting.cancel()
    assert database.figures().waiting == 0
    with pytest.raises(CancelledError):
        result_of(waiting)
    gate.open()
    assert await first == "through"
    assert isinstance(await failure(database.query("SELECT * FROM t")), errors.StatementError)
    assert database.figures().cancelled == 1


@pytest_twisted.ensureDeferred
async def test_cancelling_interrupts_a_call_that_runs(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1, slow_seconds=30)
    running = database.query(ENDLESS)
    await deferLater(reactor, 0.1)
    running.cancel()
    with pytest.raises(CancelledError):
        result_of(running)
    assert await answers(database)


@pytest_twisted.ensureDeferred
async def test_a_full_queue_refuses_at_once_and_says_what_to_do(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1, max_waiting=3)
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    write = "CREATE TABLE t{} (x INTEGER)"
    waiting = [database.execute(write.format(n)) for n in range(3)]
    refused = database.execute(write.format(3))
    with pytest.raises(errors.QueueFull, match="3 calls of the database wait already; try again"):
        result_of(refused)
    assert database.figures().refused == 1
    gate.open()
    await first
    assert await DeferredList(waiting) == [(True, 0)] * 3
    assert await answers(database)


@pytest_twisted.ensureDeferred
async def test_a_thousand_wait_and_no_more(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1)
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    waiting = [database.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER)") for _ in range(1000)]
    with pytest.raises(errors.QueueFull):
        result_of(database.execute("SELECT 1"))
    left = waiting.pop()
    left.cancel()
    with pytest.raises(CancelledError):
        result_of(left)
    waiting.append(database.execute("SELECT 1"))  # there is room again
    gate.open()
    await first
    outcomes: Any = await DeferredList(waiting)
    assert {is_done for is_done, _ in outcomes} == {True}


@pytest_twisted.ensureDeferred
async def test_what_is_quick_does_not_wait_for_what_is_slow(
    opens_at: Open, postgresql: str, tmp_path: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await opens_at(url, connections=2, slow_seconds=30)
        slow = database.query(ENDLESS)
        for _ in range(5):
            assert await answers(database)
        slow.cancel()
        assert isinstance(await failure(slow), CancelledError)


@pytest_twisted.ensureDeferred
async def test_what_waits_behind_something_quick_is_not_lost(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1, deadline_seconds=5)
    for _ in range(5):
        assert await answers(database)  # it is known for quick now
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    quick = database.query("SELECT 1")
    others: list[Deferred[Any]] = [
        database.transaction(Transaction.query, "SELECT 2"),
        database.execute("CREATE TABLE t (x INTEGER)"),
    ]
    gate.open()
    await first
    assert await quick == [(1,)]
    assert await others[0] == [(2,)]
    assert await others[1] == 0


@pytest_twisted.ensureDeferred
async def test_after_the_stop_nothing_is_taken_and_what_waits_is_told(
    opens: Open, reactor: Any
) -> None:
    database = await opens(connections=1)
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    waiting = database.execute("CREATE TABLE t (x INTEGER)")
    stopped = database.stopService()
    with pytest.raises(errors.Closed, match="stopping"):
        result_of(waiting)
    with pytest.raises(errors.Closed, match="not running"):
        result_of(database.query("SELECT 1"))
    assert is_waiting(first)
    assert is_waiting(stopped)
    gate.open()
    assert await first == "through"
    await stopped
    assert database.figures().connections == 0


@pytest_twisted.ensureDeferred
async def test_what_runs_longer_than_the_drain_is_interrupted(opens: Open, reactor: Any) -> None:
    database = await opens(drain_seconds=0.1, slow_seconds=30)
    running = database.query(ENDLESS)
    await deferLater(reactor, 0.05)
    began = reactor.seconds()
    stopped = database.stopService()
    assert isinstance(await failure(running), errors.Closed)
    await stopped
    assert reactor.seconds() - began < 1.0


@pytest_twisted.ensureDeferred
async def test_cancelling_the_stop_interrupts_at_once(opens: Open, reactor: Any) -> None:
    database = await opens(slow_seconds=30)
    running = database.query(ENDLESS)
    await deferLater(reactor, 0.05)
    stopped = database.stopService()
    began = reactor.seconds()
    stopped.cancel()
    assert isinstance(await failure(running), errors.Closed)
    await stopped
    assert reactor.seconds() - began < 1.0


@pytest_twisted.ensureDeferred
async def test_a_thread_that_hangs_holds_up_neither_the_reactor_nor_the_stop(
    opens: Open, reactor: Any
) -> None:
    database = await opens(drain_seconds=0.1)
    gate = Gate()
    running = database.transaction(gate.passes, reactor)
    await gate.entered
    began = reactor.seconds()
    stopped = database.stopService()
    assert reactor.seconds() - began < 0.05
    assert isinstance(await failure(running), errors.Closed)
    await stopped
    assert reactor.seconds() - began < 3
    gate.open()


@pytest_twisted.ensureDeferred
async def test_a_database_that_was_stopped_can_be_started_again(opens: Open) -> None:
    database: Database = await opens()
    await database.stopService()
    await database.stopService()
    assert isinstance(await failure(database.probe()), errors.Closed)
    await database.startService()
    assert await answers(database)
    await database.probe()
