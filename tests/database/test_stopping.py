"""What waits is told at the stop, what runs may end, and the reactor is never held up."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.database.calling import ENDLESS, Gate, failure
from tests.database.databases import Open
from tests.database.stepped import Desk, desk, error_in, fails_with
from toolkit.database import errors
from toolkit.database.stopping import stop
from toolkit.database.work import GRACE_SECONDS
from toolkit.testing import is_waiting, logged, result_of


def stopping(work: Desk, drain_seconds: float = 5.0) -> Deferred[None]:
    return Deferred.fromCoroutine(stop(work.reactor, work.work, drain_seconds))


def test_what_waits_wherever_is_told_at_once_and_what_runs_may_end() -> None:
    with desk() as work:
        again = work.begin(fails_with(errors.ConnectionLost("gone")))
        work.run()
        runs = work.begin(work.standing())
        work.run()
        waits = work.begin()
        stopped = stopping(work)
        for job in (again, waits):
            assert isinstance(error_in(job), errors.Closed)
        work.turn(4.9)
        assert is_waiting(stopped)
        assert work.writing.sessions[0].was_interrupted == 0
        work.run()
        assert result_of(runs.result) == "done"
        work.run()  # the threads end
        assert result_of(stopped) is None
        assert [one.threads.ended for one in work.stages.values()] == [True] * 3
        assert work.reactor.getDelayedCalls() == []


def test_what_runs_longer_is_interrupted_and_then_given_up() -> None:
    with desk() as work:
        runs = work.begin(work.standing())
        work.run()
        stopped = stopping(work)
        work.turn(5.0)
        assert work.writing.sessions[0].was_interrupted == 1
        assert is_waiting(runs.result)
        work.turn(GRACE_SECONDS)
        assert isinstance(error_in(runs), errors.Closed)
        assert work.writing.sessions[0].was_severed == 1
        assert is_waiting(stopped)
        with logged() as events:
            work.turn(GRACE_SECONDS)
        assert result_of(stopped) is None
        assert ["left behind" in str(event["log_format"]) for event in events] == [True]
        assert work.reactor.getDelayedCalls() == []


def test_cancelling_interrupts_and_cancelling_again_gives_up() -> None:
    with desk() as work:
        runs = work.begin(work.standing())
        work.run()
        stopped = stopping(work)
        stopped.cancel()
        assert work.writing.sessions[0].was_interrupted == 1
        assert is_waiting(runs.result)
        stopped.cancel()
        assert isinstance(error_in(runs), errors.Closed)
        assert work.writing.sessions[0].was_severed == 1


def test_who_wants_to_know_of_the_stop_is_told_while_it_runs() -> None:
    with desk() as work:
        told: list[str] = []
        runs, waits = work.begin(work.standing()), work.begin()
        runs.on_stop = lambda: told.append("runs")
        waits.on_stop = lambda: told.append("waits")
        work.run()
        stopped = stopping(work)
        assert told == ["runs"]
        assert isinstance(error_in(waits), errors.Closed)
        work.run(2)
        assert result_of(stopped) is None


def test_where_there_is_nothing_it_ends_at_once() -> None:
    with desk() as work:
        assert result_of(stopping(work)) is None
        assert isinstance(error_in(work.begin()), errors.Closed)


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
