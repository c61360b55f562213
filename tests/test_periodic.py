"""Periodic runs again and again, never twice at once, whatever a run ends in."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogEvent

from toolkit.periodic import Periodic
from toolkit.service import Health
from toolkit.testing import failures_in, is_waiting, result_of


class Job:
    """A function whose runs are ended by the test; `times` says when each began."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.times: list[float] = []
        self.runs: list[Deferred[None]] = []

    def __call__(self) -> Deferred[None]:
        self.times.append(self.clock.seconds())
        self.runs.append(Deferred())
        return self.runs[-1]


def ready(name: str = "job") -> Health:
    health = Health(name)
    health.become("ready")
    return health


def counted(clock: Clock, times: list[float]) -> Callable[[], None]:
    return lambda: times.append(clock.seconds())


def test_it_runs_at_once_and_then_every_interval() -> None:
    clock, times = Clock(), list[float]()
    periodic = Periodic(clock, 5, counted(clock, times))
    periodic.startService()
    clock.pump([1] * 15)
    assert times == [0, 5, 10, 15]
    assert result_of(periodic.stopService()) is None
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be greater than 0"):
        Periodic(Clock(), seconds, lambda: None)


def test_the_interval_is_from_start_to_start() -> None:
    clock = Clock()
    job = Job(clock)
    Periodic(clock, 5, job).startService()
    clock.advance(3)
    job.runs[0].callback(None)
    clock.advance(2)
    assert job.times == [0, 5]


def test_a_run_that_takes_too_long_is_followed_at_once_and_never_joined() -> None:
    clock = Clock()
    job = Job(clock)
    Periodic(clock, 5, job).startService()
    clock.pump([1] * 12)
    assert job.times == [0]
    job.runs[0].callback(None)
    clock.advance(0)
    assert job.times == [0, 12]


def test_a_coroutine_is_waited_for() -> None:
    clock, ended = Clock(), list[float]()

    async def takes_time() -> None:
        await deferLater(clock, 7)
        ended.append(clock.seconds())

    Periodic(clock, 5, takes_time).startService()
    clock.pump([1] * 14)
    assert ended == [7, 14]


def test_a_start_that_is_repeated_does_not_run_twice() -> None:
    clock, times = Clock(), list[float]()
    periodic = Periodic(clock, 5, counted(clock, times))
    periodic.startService()
    periodic.startService()
    clock.pump([1] * 10)
    assert times == [0, 0, 5, 10]


def fails_later(error: BaseException) -> Callable[[], object]:
    async def failing() -> None:
        raise error

    return failing


def fails_now(error: BaseException) -> Callable[[], object]:
    def failing() -> None:
        raise error

    return failing


@pytest.mark.parametrize("how", [fails_now, fails_later])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("the disk\nis gone"), "the disk; is gone"),
        (CancelledError(), "CancelledError"),
        (SystemExit("bye"), "bye"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_failure_is_logged_and_shown_and_the_next_run_comes_later(
    how: Callable[[BaseException], Callable[[], object]],
    error: BaseException,
    reason: str,
    logged: list[LogEvent],
) -> None:
    clock, health, times = Clock(), ready(), list[float]()

    def run() -> object:
        times.append(clock.seconds())
        return how(error)()

    periodic = Periodic(clock, 1, run, health, jitter=lambda: 1.0)
    periodic.startService()
    assert (health.state, health.reason) == ("degraded", reason)
    (event,) = [event for event in logged if "log_failure" in event]
    assert event["log_failure"].value is error
    assert event["service"] == "job"
    clock.pump([0.5] * 12)
    assert times == [0, 2, 6]
    periodic.stopService()
    assert not clock.getDelayedCalls()


def test_the_wait_after_failures_is_bounded(logged: list[LogEvent]) -> None:
    clock, times = Clock(), list[float]()

    def fails() -> None:
        times.append(clock.seconds())
        raise OSError("no")

    Periodic(clock, 10, fails, max_backoff_seconds=60, jitter=lambda: 1.0).startService()
    clock.pump([10] * 30)
    waits = [after - before for before, after in pairwise(times)]
    assert waits == [20, 40, 60, 60, 60, 60]


@given(st.integers(0, 5000), st.floats(0, 1, exclude_max=True), st.floats(0.001, 1e6))
def test_however_often_it_fails_the_wait_is_within_its_bounds(
    failures: int, jitter: float, seconds: float
) -> None:
    clock = Clock()
    health = ready()
    periodic = Periodic(clock, seconds, lambda: None, health, 60.0, lambda: jitter)
    periodic._failures = failures
    longest = max(60.0, seconds)
    assert 0 < periodic._delay(0.0) <= longest
    if failures > 40:
        assert periodic._delay(0.0) >= longest / 2


def test_it_is_still_alive_after_two_thousand_failures(logged: list[LogEvent]) -> None:
    clock, times = Clock(), list[float]()

    def fails() -> None:
        times.append(clock.seconds())
        raise OSError("no")

    periodic = Periodic(clock, 1, fails, max_backoff_seconds=1, jitter=lambda: 1.0)
    periodic.startService()
    clock.pump([1] * 2000)
    assert len(times) == 2001
    assert len(failures_in(logged)) == 2001
    periodic.stopService()


def test_a_success_recovers_and_takes_up_the_interval_again(logged: list[LogEvent]) -> None:
    clock, health, times = Clock(), ready(), list[float]()

    def fails_twice() -> None:
        times.append(clock.seconds())
        if len(times) <= 2:
            raise OSError("no")

    Periodic(clock, 1, fails_twice, health, jitter=lambda: 0.0).startService()
    clock.pump([0.5] * 10)
    assert times == [0, 1, 3, 4, 5]
    assert health.state == "ready"
    assert [event["log_format"] for event in logged][-1] == "{service} has recovered"


def test_a_clock_that_is_set_back_does_not_put_off_the_next_run() -> None:
    clock = Clock()
    clock.advance(1000)
    periodic = Periodic(clock, 5, lambda: None)
    assert periodic._delay(began=5000.0) == 5


# Stopping


def test_the_stop_waits_for_the_run_in_progress_and_no_other_follows() -> None:
    clock = Clock()
    job = Job(clock)
    periodic = Periodic(clock, 5, job)
    periodic.startService()
    first, second = periodic.stopService(), periodic.stopService()
    assert is_waiting(first)
    job.runs[0].callback(None)
    assert result_of(first) is None
    assert result_of(second) is None
    clock.advance(100)
    assert job.times == [0]
    assert not clock.getDelayedCalls()


def test_a_stop_between_two_runs_is_done_at_once() -> None:
    clock, times = Clock(), list[float]()
    periodic = Periodic(clock, 5, counted(clock, times))
    periodic.startService()
    assert result_of(periodic.stopService()) is None
    assert not clock.getDelayedCalls()
    assert times == [0]


def test_a_stop_before_any_start_is_done_at_once() -> None:
    assert result_of(Periodic(Clock(), 5, lambda: None).stopService()) is None


def test_cancelling_the_stop_cancels_the_run_without_a_complaint() -> None:
    clock = Clock()
    job, health = Job(clock), ready()
    periodic = Periodic(clock, 5, job, health)
    periodic.startService()
    stopped = periodic.stopService()
    stopped.cancel()
    assert result_of(stopped) is None
    assert job.runs[0].called
    assert health.state == "ready"
    assert not clock.getDelayedCalls()


def test_cancelling_the_stop_does_not_wait_for_a_run_that_ignores_it() -> None:
    clock = Clock()
    goes_on: Deferred[None] = Deferred()

    async def ignores() -> None:
        try:
            await Deferred()
        except CancelledError:
            await goes_on

    periodic = Periodic(clock, 5, ignores)
    periodic.startService()
    stopped = periodic.stopService()
    stopped.cancel()
    with pytest.raises(CancelledError):
        result_of(stopped)
    again = periodic.stopService()
    assert is_waiting(again)
    goes_on.callback(None)
    assert result_of(again) is None


def test_a_run_that_fails_during_the_stop_is_logged(logged: list[LogEvent]) -> None:
    clock = Clock()
    job = Job(clock)
    periodic = Periodic(clock, 5, job)
    periodic.startService()
    stopped = periodic.stopService()
    job.runs[0].errback(OSError("no"))
    assert result_of(stopped) is None
    assert [event["service"] for event in logged if "log_failure" in event] == ["periodic"]
    assert not clock.getDelayedCalls()


def test_it_starts_again_after_a_stop() -> None:
    clock, times = Clock(), list[float]()
    periodic = Periodic(clock, 5, counted(clock, times))
    periodic.startService()
    clock.advance(2)
    periodic.stopService()
    clock.advance(100)
    periodic.startService()
    clock.advance(5)
    assert times == [0, 102, 107]


def test_a_start_while_the_last_run_still_ends_waits_for_it() -> None:
    clock = Clock()
    job = Job(clock)
    periodic = Periodic(clock, 5, job)
    periodic.startService()
    stopped = periodic.stopService()
    periodic.startService()
    clock.advance(7)
    assert job.times == [0]
    job.runs[0].callback(None)
    assert result_of(stopped) is None
    clock.advance(0)
    assert job.times == [0, 7]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_run_may_wait_for_the_stop_of_its_own_service(steps: int) -> None:
    clock, ended = Clock(), list[str]()

    async def stops() -> None:
        for _ in range(steps):
            await deferLater(clock, 1)
        await periodic.stopService()
        ended.append("run")

    periodic = Periodic(clock, 5, stops)
    periodic.startService()
    clock.pump([1] * 10)
    assert ended == ["run"]
    assert not periodic.running
    assert not clock.getDelayedCalls()


def test_a_plain_function_may_stop_its_own_service() -> None:
    clock, times = Clock(), list[float]()

    def stops() -> None:
        times.append(clock.seconds())
        periodic.stopService()

    periodic = Periodic(clock, 5, stops)
    periodic.startService()
    clock.pump([1] * 10)
    assert times == [0]
    assert not clock.getDelayedCalls()


def test_a_stop_from_outside_still_waits_after_one_from_inside() -> None:
    clock = Clock()
    rest: Deferred[None] = Deferred()

    async def stops() -> None:
        await periodic.stopService()
        await rest

    periodic = Periodic(clock, 5, stops)
    periodic.startService()
    stopped = periodic.stopService()
    assert is_waiting(stopped)
    rest.callback(None)
    assert result_of(stopped) is None


def test_a_run_may_stop_and_start_its_own_service() -> None:
    clock, times = Clock(), list[float]()

    async def restarts() -> None:
        times.append(clock.seconds())
        await periodic.stopService()
        periodic.startService()

    periodic = Periodic(clock, 5, restarts)
    periodic.startService()
    clock.pump([1] * 10)
    assert times == [0, 5, 10]


@pytest_twisted.ensureDeferred
async def test_on_the_real_reactor_it_runs_until_it_stops_itself(reactor: Any) -> None:
    times: list[float] = []
    done: Deferred[None] = Deferred()

    async def run() -> None:
        times.append(reactor.seconds())
        if len(times) == 3:
            await periodic.stopService()
            done.callback(None)

    periodic = Periodic(reactor, 0.01, run)
    periodic.startService()
    await done
    await periodic.stopService()
    assert len(times) == 3
