"""A child by itself, where a Group would not let these things be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from toolkit.child import Child
from toolkit.errors import StartFailed
from toolkit.service import Health
from toolkit.testing import is_waiting, result_of


class Held(Service):
    """Starts and stops when it is let."""

    ignores_cancelling = False

    def __init__(self) -> None:
        self.starts: list[Deferred[None]] = []
        self.stops: list[Deferred[None]] = []
        self.prepare: Callable[[], None] = lambda: None

    def privilegedStartService(self) -> None:
        self.prepare()

    async def startService(self) -> None:
        self.starts.append(Deferred())
        try:
            await self.starts[-1]
        except CancelledError:
            if self.ignores_cancelling:
                await Deferred()
            raise

    def stopService(self) -> Any:
        self.stops.append(Deferred())
        return self.stops[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def held() -> Held:
    service = Held()
    service.setName("held")
    return service


@pytest.fixture
def child(clock: Clock, held: Held) -> Child:
    return Child(clock, held, Health("held"), 2.0)


def test_it_is_active_from_the_start_to_the_end_of_the_stop(child: Child, held: Held) -> None:
    seen = [child.active]
    child.start(10)
    seen.append(child.active)
    held.starts[0].callback(None)
    seen.append(child.active)
    child.stop(10)
    seen.append(child.active)
    held.stops[0].callback(None)
    seen.append(child.active)
    assert seen == [False, True, True, True, False]


def test_what_privileges_were_needed_for_fails_one_start_and_not_the_next(
    child: Child, held: Held
) -> None:
    def refused() -> None:
        raise PermissionError("not allowed")

    held.prepare = refused
    child.prepare()
    with pytest.raises(StartFailed, match="held could not start: not allowed"):
        result_of(child.start(10))
    assert held.starts == []
    again = child.start(10)
    held.starts[0].callback(None)
    assert result_of(again) is None
    assert child.running


def test_a_stop_of_what_does_not_run_asks_the_service_nothing(child: Child, held: Held) -> None:
    assert result_of(child.stop(10)) is None
    assert held.stops == []


def test_a_start_waits_for_the_stop_in_progress(child: Child, held: Held) -> None:
    child.start(10)
    held.starts[0].callback(None)
    stopped = child.stop(10)
    started = child.start(10)
    assert len(held.starts) == 1
    held.stops[0].callback(None)
    assert result_of(stopped) is None
    assert len(held.starts) == 2
    held.starts[1].callback(None)
    assert result_of(started) is None
    assert child.health.state == "ready"


def test_hurry_gives_up_a_start_before_its_grace_is_over(
    child: Child, held: Held, clock: Clock
) -> None:
    held.ignores_cancelling = True
    started = child.start(10)
    stopped = child.stop(10)
    assert is_waiting(stopped)
    child.hurry()
    assert result_of(started) is None
    assert result_of(stopped) is None
    assert (child.health.state, child.active) == ("stopped", False)
    assert clock.getDelayedCalls() == []


def test_hurry_gives_up_a_stop_and_says_so(
    child: Child, held: Held, clock: Clock, logged: list[LogEvent]
) -> None:
    child.start(10)
    held.starts[0].callback(None)
    stopped = child.stop(10)
    clock.advance(3)
    child.hurry()
    assert result_of(stopped) is None
    assert (child.health.state, child.active) == ("stopped", False)
    assert [event["seconds"] for event in logged if "was given up" in event["log_format"]] == [3]
    assert clock.getDelayedCalls() == []


def test_a_second_stop_waits_for_the_first_and_its_own_time_does_not_count(
    child: Child, held: Held, clock: Clock
) -> None:
    child.start(10)
    held.starts[0].callback(None)
    first, second = child.stop(10), child.stop(1)
    clock.advance(5)
    assert is_waiting(first)
    assert is_waiting(second)
    held.stops[0].callback(None)
    assert (result_of(first), result_of(second)) == (None, None)
    assert len(held.stops) == 1
