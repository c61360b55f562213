"""What waits is told at the stop, what runs may end, and the reactor is never held up."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from tests.database.calling import ENDLESS, Gate, failure
from tests.database.databases import Open
from toolkit.database import errors
from toolkit.testing import is_waiting, result_of


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
