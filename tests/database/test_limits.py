"""A call ends in time, leaves the queue when it is cancelled, and finds a bound to the queue."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, DeferredList
from twisted.internet.task import deferLater

from tests.database.calling import ENDLESS, Gate, answers, failure, held
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.transaction import Transaction
from toolkit.testing import result_of


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
    async with held(database, reactor):
        late = database.with_deadline(0.05).execute("CREATE TABLE t (x INTEGER)")
        assert isinstance(await failure(late), errors.DeadlinePassed)
        assert database.figures().waiting == 0
    assert isinstance(await failure(database.query("SELECT * FROM t")), errors.StatementError)


@pytest_twisted.ensureDeferred
async def test_cancelling_takes_a_call_that_waits_off_the_queue(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1)
    async with held(database, reactor):
        waiting = database.execute("CREATE TABLE t (x INTEGER)")
        assert database.figures().waiting == 1
        waiting.cancel()
        assert database.figures().waiting == 0
        with pytest.raises(CancelledError):
            result_of(waiting)
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
    async with held(database, reactor):
        write = "CREATE TABLE t{} (x INTEGER)"
        waiting = [database.execute(write.format(n)) for n in range(3)]
        refused = database.execute(write.format(3))
        with pytest.raises(
            errors.QueueFull, match="3 calls of the database wait already; try again"
        ):
            result_of(refused)
        assert database.figures().refused == 1
    assert await DeferredList(waiting) == [(True, 0)] * 3
    assert await answers(database)


@pytest_twisted.ensureDeferred
async def test_a_thousand_wait_and_no_more(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1)
    async with held(database, reactor):
        waiting = [
            database.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER)") for _ in range(1000)
        ]
        with pytest.raises(errors.QueueFull):
            result_of(database.execute("SELECT 1"))
        left = waiting.pop()
        left.cancel()
        with pytest.raises(CancelledError):
            result_of(left)
        waiting.append(database.execute("SELECT 1"))  # there is room again
    outcomes: Any = await DeferredList(waiting)
    assert {is_done for is_done, _ in outcomes} == {True}
