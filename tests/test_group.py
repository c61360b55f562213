"""Group starts in order, stops in reverse, and is done in time whatever a child does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import pytest_twisted
from twisted.application.internet import TimerService
from twisted.application.service import IService, IServiceCollection, MultiService, Service
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogEvent
from zope.interface.verify import verifyObject

from toolkit.errors import ListenFailed, SettingsError, StartFailed, TimedOut
from toolkit.group import Group
from toolkit.testing import is_waiting, result_of


class Recorded(Service):
    """Notes what is asked of it, and answers with what `start` and `stop` return."""

    def __init__(
        self,
        events: list[str],
        start: Callable[[], object] = lambda: None,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.events = events
        self.on_start = start
        self.on_stop = stop

    def privilegedStartService(self) -> None:
        self.events.append(f"prepare {self.name}")

    def startService(self) -> Any:
        self.events.append(f"start {self.name}")
        return self.on_start()

    def stopService(self) -> Any:
        self.events.append(f"stop {self.name}")
        return self.on_stop()


class Site:
    """A group on a clock, with recorded children."""

    def __init__(self, start_seconds: float = 60.0, stop_seconds: float = 10.0) -> None:
        self.clock = Clock()
        self.events: list[str] = []
        self.group = Group(self.clock, start_seconds, stop_seconds)

    def add(
        self,
        name: str,
        start: Callable[[], object] = lambda: None,
        stop: Callable[[], object] = lambda: None,
    ) -> Recorded:
        service = Recorded(self.events, start, stop)
        self.group.add(name, service)
        return service

    def state(self, name: str) -> str:
        return self.group.states()[name][0]

    def reason(self, name: str) -> str:
        return self.group.states()[name][1]

    def is_clean(self) -> bool:
        return not self.clock.getDelayedCalls()


def stubborn() -> Deferred[object]:
    """A Deferred whose cancellation does nothing, as a coroutine that swallows it."""

    async def hangs() -> None:
        while True:
            with suppress(CancelledError):
                await Deferred()

    return Deferred.fromCoroutine(hangs())


def raises(error: BaseException) -> Callable[[], object]:
    def raising() -> object:
        raise error

    return raising


# Starting


def test_it_is_a_service_collection() -> None:
    group = Group(Clock())
    assert verifyObject(IService, group)
    assert verifyObject(IServiceCollection, group)


def test_children_start_in_the_order_written_each_after_the_one_before() -> None:
    site = Site()
    first: Deferred[None] = Deferred()
    second: Deferred[None] = Deferred()

    async def coroutine() -> None:
        await second

    site.add("one", lambda: first)
    site.add("two", coroutine)
    site.add("three")
    started = site.group.startService()
    assert site.events == ["start one"]
    first.callback(None)
    assert site.events == ["start one", "start two"]
    assert is_waiting(started)
    second.callback(None)
    assert site.events == ["start one", "start two", "start three"]
    assert result_of(started) is None
    assert site.is_clean()
    assert site.group.running


def test_an_async_def_start_and_stop_are_awaited() -> None:
    events = []
    steps: list[Deferred[None]] = [Deferred(), Deferred()]

    class Coroutines(Service):
        async def startService(self) -> None:
            await steps[0]
            events.append("started")

        async def stopService(self) -> None:
            await steps[1]
            events.append("stopped")

    group = Group(Clock())
    group.add("one", Coroutines())
    started = group.startService()
    assert is_waiting(started)
    steps[0].callback(None)
    assert result_of(started) is None
    stopped = group.stopService()
    assert is_waiting(stopped)
    steps[1].callback(None)
    assert result_of(stopped) is None
    assert events == ["started", "stopped"]


def test_a_group_without_children_starts_and_stops() -> None:
    group = Group(Clock())
    assert result_of(group.startService()) is None
    assert result_of(group.stopService()) is None


def test_a_group_that_runs_cannot_be_started_again() -> None:
    group = Group(Clock())
    group.startService()
    with pytest.raises(RuntimeError, match="running already"):
        group.startService()


def later(error: BaseException) -> Callable[[], Deferred[None]]:
    def fails_later() -> Deferred[None]:
        return fail(error)

    return fails_later


@pytest.mark.parametrize("how", [raises, later])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ListenFailed("cannot listen on tcp:1"), "cannot listen on tcp:1"),
        (OSError("no such\n  disk"), "no such; disk"),
        (SettingsError(["first", "second"]), "first; second"),
        (TimedOut("the database did not answer within 2 s"), "did not answer within 2 s"),
        (ConnectionError(), "ConnectionError"),
    ],
)
def test_a_child_that_cannot_start_is_named_with_the_reason_and_the_others_are_stopped(
    how: Callable[[BaseException], Callable[[], object]], error: Exception, reason: str
) -> None:
    site = Site()
    site.add("one")
    site.add("two")
    site.add("bad", how(error))
    site.add("never")
    started = site.group.startService()
    with pytest.raises(StartFailed) as raised:
        result_of(started)
    message = str(raised.value)
    assert message.startswith("bad could not start: ")
    assert reason in message
    assert "\n" not in message
    assert raised.value.__cause__ is error
    assert site.events == ["start one", "start two", "start bad", "stop two", "stop one"]
    assert site.state("bad") == "failed"
    assert reason in site.reason("bad")
    assert site.state("one") == "stopped"
    assert not site.group.running
    assert site.is_clean()


@pytest.mark.parametrize("error", [KeyError("a bug"), SystemExit("bye"), KeyboardInterrupt("^C")])
def test_a_bug_in_a_start_is_logged_with_its_traceback(
    error: BaseException, logged: list[LogEvent]
) -> None:
    site = Site()
    site.add("one")
    site.add("bad", raises(error))
    with pytest.raises(StartFailed, match="bad could not start"):
        result_of(site.group.startService())
    assert site.events[-1] == "stop one"
    (event,) = [event for event in logged if "log_failure" in event]
    assert event["log_failure"].value is error


def test_a_failure_that_comes_later_stops_those_before_it() -> None:
    site = Site()
    waited: Deferred[None] = Deferred()
    site.add("one")
    site.add("bad", lambda: waited)
    started = site.group.startService()
    assert is_waiting(started)
    waited.errback(OSError("gone"))
    with pytest.raises(StartFailed, match="bad could not start: gone"):
        result_of(started)
    assert site.events == ["start one", "start bad", "stop one"]


def test_the_start_fails_only_after_those_before_it_have_stopped() -> None:
    site = Site()
    slow: Deferred[None] = Deferred()
    site.add("one", stop=lambda: slow)
    site.add("bad", raises(OSError("no")))
    started = site.group.startService()
    assert is_waiting(started)
    slow.callback(None)
    with pytest.raises(StartFailed):
        result_of(started)
    assert site.is_clean()


def test_a_child_that_hangs_ends_the_start_in_time() -> None:
    site = Site(start_seconds=60)
    cancelled: list[str] = []
    site.add("one")
    site.add("slow", lambda: Deferred(lambda _: cancelled.append("slow")))
    started = site.group.startService()
    site.clock.advance(59.9)
    assert is_waiting(started)
    site.clock.advance(0.2)
    with pytest.raises(StartFailed, match=r"slow could not start: not ready after 60 s"):
        result_of(started)
    assert cancelled == ["slow"]
    assert site.events == ["start one", "start slow", "stop one"]
    assert site.is_clean()


def test_the_time_to_start_is_for_all_children_together() -> None:
    site = Site(start_seconds=60)
    site.add("one", lambda: deferLater(site.clock, 40))
    site.add("two", lambda: deferLater(site.clock, 40))
    started = site.group.startService()
    site.clock.advance(40)
    site.clock.advance(20)
    with pytest.raises(StartFailed, match="two could not start: not ready after 20 s"):
        result_of(started)
    assert site.is_clean()


def test_a_child_that_hangs_and_ignores_its_cancellation_is_given_up() -> None:
    site = Site(start_seconds=60, stop_seconds=10)
    site.add("one")
    site.add("stuck", stubborn)
    started = site.group.startService()
    site.clock.advance(60)
    assert site.events == ["start one", "start stuck"]  # it has half of the stop's time to end
    site.clock.advance(5)
    with pytest.raises(StartFailed, match="stuck could not start: not ready after 60 s"):
        result_of(started)
    assert site.events == ["start one", "start stuck", "stop one"]
    assert site.is_clean()


def test_a_child_that_fails_after_it_was_given_up_leaves_no_noise() -> None:
    site = Site(start_seconds=1, stop_seconds=1)
    held: Deferred[None] = Deferred()

    async def ignores() -> None:
        for _ in range(2):  # once in time, once when it is given up
            with suppress(CancelledError):
                await Deferred()
        await held

    site.add("stuck", ignores)
    started = site.group.startService()
    site.clock.pump([1, 1])
    with pytest.raises(StartFailed):
        result_of(started)
    assert not held.called
    held.errback(KeyError("too late"))
    assert site.state("stuck") == "failed"


def test_a_child_that_is_ready_too_late_is_stopped_with_the_others() -> None:
    site = Site(start_seconds=1)

    async def swallows() -> None:
        try:
            await Deferred()
        except CancelledError:
            return

    site.add("one")
    site.add("late", swallows)
    started = site.group.startService()
    site.clock.advance(1)
    with pytest.raises(StartFailed, match="late could not start: not ready after 1 s"):
        result_of(started)
    assert site.events == ["start one", "start late", "stop late", "stop one"]
    assert site.state("late") == "failed"


@pytest.mark.parametrize("how", [raises, later])
def test_a_child_that_is_cancelled_from_within_has_failed_to_start(
    how: Callable[[BaseException], Callable[[], object]],
) -> None:
    site = Site()
    site.add("one")
    site.add("odd", how(CancelledError()))
    with pytest.raises(StartFailed, match="odd could not start: its start was cancelled"):
        result_of(site.group.startService())
    assert site.events == ["start one", "start odd", "stop one"]
    assert site.state("odd") == "failed"


def test_cancelling_the_start_stops_what_has_started_and_ends_after_that() -> None:
    site = Site()
    slow: Deferred[None] = Deferred()
    ends: Deferred[None] = Deferred()

    async def tidies_up() -> None:
        try:
            await Deferred()
        finally:
            await ends
            site.events.append("tidied up")

    site.add("one", stop=lambda: slow)
    site.add("two", tidies_up)
    started = site.group.startService()
    started.cancel()
    assert site.events == ["start one", "start two"]
    ends.callback(None)
    assert site.events == ["start one", "start two", "tidied up", "stop one"]
    assert is_waiting(started)
    slow.callback(None)
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.state("two") == "stopped"
    assert site.is_clean()


def test_after_a_failed_start_the_group_can_be_started_again() -> None:
    site = Site()
    bad = site.add("bad", raises(OSError("no")))
    started = site.group.startService()
    again: list[Deferred[None]] = []

    def once_more(_: object) -> None:
        bad.on_start = lambda: None
        again.append(site.group.startService())

    started.addErrback(once_more)
    assert result_of(again[0]) is None
    assert site.state("bad") == "ready"


def test_what_needs_privileges_is_done_first_and_its_failure_told_in_turn() -> None:
    site = Site()

    class Unprivileged(Recorded):
        def privilegedStartService(self) -> None:
            raise PermissionError("port 80")

    site.add("one")
    site.group.add("web", Unprivileged(site.events))
    site.group.privilegedStartService()
    assert site.events == ["prepare one"]
    with pytest.raises(StartFailed, match="web could not start: port 80"):
        result_of(site.group.startService())
    assert site.events == ["prepare one", "start one", "stop one"]


# Stopping


def test_children_stop_in_reverse_each_after_the_one_before() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()

    async def coroutine() -> None:
        await waits

    site.add("one")
    site.add("two", stop=coroutine)
    site.add("three", stop=lambda: succeed(None))
    site.group.startService()
    site.events.clear()
    stopped = site.group.stopService()
    assert site.events == ["stop three", "stop two"]
    assert not site.group.running
    assert [site.state(name) for name in ("one", "two", "three")] == [
        "ready",
        "stopping",
        "stopped",
    ]
    waits.callback(None)
    assert site.events == ["stop three", "stop two", "stop one"]
    assert result_of(stopped) is None
    assert site.is_clean()


@pytest.mark.parametrize("hangs", [Deferred, stubborn])
def test_one_that_hangs_leaves_time_for_the_others(
    hangs: Callable[[], object], logged: list[LogEvent]
) -> None:
    site = Site(stop_seconds=10)
    site.add("one", stop=lambda: deferLater(site.clock, 4))
    site.add("stuck", stop=hangs)
    site.group.startService()
    stopped = site.group.stopService()
    site.clock.advance(5.9)
    assert site.events[-1] == "stop stuck"  # longer than a listening service drains
    site.clock.advance(0.1)
    assert site.events[-1] == "stop one"
    site.clock.advance(4)
    assert result_of(stopped) is None
    assert site.state("one") == "stopped"
    assert [event["service"] for event in logged if "seconds" in event] == ["stuck"]
    assert site.is_clean()


@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_whole_stop_is_bounded(count: int, logged: list[LogEvent]) -> None:
    site = Site(stop_seconds=10)
    for number in range(count):
        site.add(f"stuck-{number}", stop=stubborn)
    site.group.startService()
    stopped = site.group.stopService()
    site.clock.pump([1 / 64] * 640 + [0] * count)
    assert result_of(stopped) is None
    assert len([event for event in site.events if event.startswith("stop")]) == count
    assert site.is_clean()


@pytest.mark.parametrize(
    "error", [KeyError("a bug"), CancelledError(), TimedOut("own"), SystemExit()]
)
@pytest.mark.parametrize("how", [raises, later])
def test_a_stop_that_fails_is_logged_and_the_others_stop(
    how: Callable[[BaseException], Callable[[], object]],
    error: BaseException,
    logged: list[LogEvent],
) -> None:
    site = Site()
    site.add("one")
    site.add("bad", stop=how(error))
    site.group.startService()
    assert result_of(site.group.stopService()) is None
    assert site.events[-2:] == ["stop bad", "stop one"]
    (event,) = logged
    assert event["service"] == "bad"
    if not isinstance(error, CancelledError):
        assert event["log_failure"].value is error
    assert site.is_clean()


class Odd(BaseException):
    """No Exception, and none of Python's own."""


@pytest.mark.parametrize("how", [raises, later])
def test_a_start_that_raises_whatever_it_likes_is_named(
    how: Callable[[BaseException], Callable[[], object]], logged: list[LogEvent]
) -> None:
    site = Site()
    site.add("odd", how(Odd("no reason")))
    started = site.group.startService()
    site.clock.advance(1)
    with pytest.raises(StartFailed, match="odd could not start: Odd: no reason at "):
        result_of(started)
    assert site.is_clean()


class Draining(Recorded):
    """Has what it has begun end in so many seconds from `stop_accepting` on."""

    def __init__(self, events: list[str], clock: Clock, seconds: float) -> None:
        super().__init__(events, stop=lambda: self.ended)
        self.clock = clock
        self.seconds = seconds
        self.ended: Deferred[None] = Deferred()

    def stop_accepting(self) -> None:
        self.events.append(f"close {self.name}")
        self.ended = deferLater(self.clock, self.seconds)


def test_all_that_listen_stop_accepting_before_the_first_is_stopped() -> None:
    site = Site(stop_seconds=10)
    for name in ("one", "two"):
        site.group.add(name, Draining(site.events, site.clock, 8))
    site.add("database")
    site.group.add("three", Draining(site.events, site.clock, 5))
    site.group.startService()
    site.events.clear()
    stopped = site.group.stopService()
    assert site.events == ["close one", "close two", "close three", "stop three"]
    site.clock.advance(5)
    assert site.events[3:] == ["stop three", "stop database", "stop two"]
    site.clock.advance(3)  # for all of them together, and more than a share of what was left
    assert site.events[5:] == ["stop two", "stop one"]
    assert result_of(stopped) is None
    assert site.is_clean()


def test_one_that_does_not_run_has_nothing_to_close() -> None:
    site = Site()
    site.group.add("one", Draining(site.events, site.clock, 1))
    waits: Deferred[None] = Deferred()
    site.add("two", start=lambda: waits)
    site.group.add("three", Draining(site.events, site.clock, 1))
    started = site.group.startService()
    started.addErrback(lambda _: None)
    site.group.stopService()
    assert [event for event in site.events if event.startswith("close")] == ["close one"]
    site.clock.advance(1)
    assert site.is_clean()


def test_one_that_cannot_stop_accepting_is_logged_and_stopped(logged: list[LogEvent]) -> None:
    site = Site()
    child = site.add("one")
    child.stop_accepting = raises(KeyError("a bug"))  # type: ignore[attr-defined]
    site.group.startService()
    assert result_of(site.group.stopService()) is None
    assert site.events == ["start one", "stop one"]
    assert [event["service"] for event in logged] == ["one"]


def test_a_second_stop_waits_for_the_first_and_asks_nobody_twice() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", stop=lambda: waits)
    site.group.startService()
    first, second = site.group.stopService(), site.group.stopService()
    assert is_waiting(first)
    assert is_waiting(second)
    waits.callback(None)
    assert result_of(first) is None
    assert result_of(second) is None
    assert site.events == ["start one", "stop one"]


def test_a_group_that_never_started_stops_at_once() -> None:
    site = Site()
    site.add("one")
    assert result_of(site.group.stopService()) is None
    assert site.events == []


def test_cancelling_the_stop_gives_up_what_hangs_and_still_asks_the_others(
    logged: list[LogEvent],
) -> None:
    site = Site()
    cancelled: list[str] = []
    site.add("one")
    site.add("two", stop=stubborn)
    site.add("three", stop=lambda: Deferred(lambda _: cancelled.append("three")))
    site.group.startService()
    stopped = site.group.stopService()
    stopped.cancel()
    site.clock.advance(0)
    with pytest.raises(CancelledError):
        result_of(stopped)
    assert cancelled == ["three"]
    assert site.events[-3:] == ["stop three", "stop two", "stop one"]
    assert site.is_clean()


def test_it_starts_again_after_a_stop() -> None:
    site = Site()
    site.add("one")
    site.add("two")
    for _ in range(3):
        site.events.clear()
        assert result_of(site.group.startService()) is None
        assert result_of(site.group.stopService()) is None
        assert site.events == ["start one", "start two", "stop two", "stop one"]


def test_a_start_during_a_stop_waits_for_its_end() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", stop=lambda: waits)
    site.group.startService()
    stopped = site.group.stopService()
    started = site.group.startService()
    assert site.events == ["start one", "stop one"]
    waits.callback(None)
    assert result_of(stopped) is None
    assert result_of(started) is None
    assert site.events == ["start one", "stop one", "start one"]
    assert site.group.running
    assert site.state("one") == "ready"


def test_of_starts_and_stops_during_a_stop_the_last_one_counts() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", stop=lambda: waits)
    site.group.startService()
    site.group.stopService()
    given_up = site.group.startService()
    stopped = site.group.stopService()
    started = site.group.startService()
    waits.callback(None)
    assert result_of(stopped) is None
    assert result_of(started) is None
    with pytest.raises(CancelledError):
        result_of(given_up)
    assert site.events == ["start one", "stop one", "start one"]
    assert site.group.running


# A stop during the start


def test_a_stop_during_the_start_ends_the_start_first() -> None:
    site = Site()
    ends: Deferred[None] = Deferred()

    async def tidies_up() -> None:
        try:
            await Deferred()
        finally:
            await ends
            site.events.append("tidied up")

    site.add("one")
    site.add("two", tidies_up)
    site.add("never")
    started = site.group.startService()
    stopped = site.group.stopService()
    assert site.events == ["start one", "start two"]
    ends.callback(None)
    assert site.events == ["start one", "start two", "tidied up", "stop one"]
    with pytest.raises(CancelledError):
        result_of(started)
    assert result_of(stopped) is None
    assert site.state("two") == "stopped"
    assert site.is_clean()


def test_a_stop_does_not_wait_for_long_for_a_start_that_ignores_its_cancellation() -> None:
    site = Site(stop_seconds=10)
    site.add("one", stop=lambda: deferLater(site.clock, 4))
    site.add("stuck", stubborn)
    started = site.group.startService()
    stopped = site.group.stopService()
    site.clock.advance(4.9)
    assert site.events == ["start one", "start stuck"]
    site.clock.advance(0.1)
    assert site.events == ["start one", "start stuck", "stop one"]
    site.clock.advance(4)
    assert result_of(stopped) is None
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.is_clean()


def test_a_child_that_starts_in_spite_of_the_stop_is_stopped() -> None:
    site = Site()

    async def swallows() -> None:
        try:
            await Deferred()
        except CancelledError:
            return

    site.add("one")
    site.add("two", swallows)
    started = site.group.startService()
    assert result_of(site.group.stopService()) is None
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.events == ["start one", "start two", "stop two", "stop one"]


def test_a_start_that_fails_while_it_is_ended_is_logged(logged: list[LogEvent]) -> None:
    site = Site()

    async def breaks() -> None:
        try:
            await Deferred()
        finally:
            raise KeyError("a bug")

    site.add("bad", breaks)
    started = site.group.startService()
    assert result_of(site.group.stopService()) is None
    with pytest.raises(CancelledError):
        result_of(started)
    assert [event["service"] for event in logged if "log_failure" in event] == ["bad"]


def test_a_stop_after_a_failed_start_joins_its_stop_of_the_others() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", stop=lambda: waits)
    site.add("bad", raises(OSError("no")))
    started = site.group.startService()
    stopped = site.group.stopService()
    assert is_waiting(stopped)
    waits.callback(None)
    assert result_of(stopped) is None
    with pytest.raises(StartFailed):
        result_of(started)
    assert site.events == ["start one", "start bad", "stop one"]


@pytest.mark.parametrize("waits_first", [False, True])
def test_a_child_may_stop_the_group_from_its_own_start(waits_first: bool) -> None:
    site = Site()
    step: Deferred[None] = Deferred()

    async def stops() -> None:
        if waits_first:
            await step
        site.group.stopService()

    site.add("one")
    site.add("two", stops)
    site.add("never")
    started = site.group.startService()
    step.callback(None)
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.events == ["start one", "start two", "stop two", "stop one"]
    assert site.is_clean()


def test_a_child_that_stops_the_group_and_then_waits_is_cancelled() -> None:
    site = Site()
    cancelled: list[str] = []

    def stops() -> Deferred[None]:
        site.group.stopService()
        return Deferred(lambda _: cancelled.append("two"))

    site.add("one")
    site.add("two", stops)
    started = site.group.startService()
    assert cancelled == ["two"]
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.events == ["start one", "start two", "stop one"]
    assert site.is_clean()


def test_the_group_can_be_started_as_soon_as_a_stop_during_the_start_has_ended() -> None:
    site = Site()
    two = site.add("two", Deferred)
    started = site.group.startService()
    stopped = site.group.stopService()
    two.on_start = lambda: None
    again = stopped.addCallback(lambda _: site.group.startService())
    assert result_of(again) is None
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.group.running
    assert site.state("two") == "ready"


# States


def test_each_state_can_be_asked() -> None:
    site = Site()
    starts: Deferred[None] = Deferred()
    stops: Deferred[None] = Deferred()
    shared = site.group.shared("one")
    assert site.group.states() == {}
    site.add("one", lambda: starts, lambda: stops)
    seen = [site.state("one")]
    site.group.startService()
    seen.append(site.state("one"))
    starts.callback(None)
    seen.append(site.state("one"))
    shared.health.degraded("the peer is slow")
    assert site.group.states() == {"one": ("degraded", "the peer is slow")}
    shared.health.recovered()
    seen.append(site.state("one"))
    site.group.stopService()
    seen.append(site.state("one"))
    shared.health.degraded("too late")
    stops.callback(None)
    seen.append(site.state("one"))
    assert seen == ["stopped", "starting", "ready", "ready", "stopping", "stopped"]
    assert site.reason("one") == ""


def test_a_child_that_is_degraded_from_the_start_stays_so_when_it_is_ready() -> None:
    site = Site()
    health = site.group.shared("one").health
    site.add("one", lambda: health.degraded("no peer yet"))
    assert result_of(site.group.startService()) is None
    assert site.group.states() == {"one": ("degraded", "no peer yet")}


def test_a_child_is_given_the_groups_clock_and_its_name() -> None:
    site = Site()
    shared = site.group.shared("one")
    assert (shared.reactor, shared.name, shared.health.name) == (site.clock, "one", "one")


# Children that come and go


def test_a_child_is_found_by_its_name_and_by_iteration() -> None:
    site = Site()
    one, two = site.add("one"), site.add("two")
    assert site.group.getServiceNamed("two") is two
    assert list(site.group) == [one, two]
    with pytest.raises(KeyError):
        site.group.getServiceNamed("three")
    with pytest.raises(RuntimeError, match="two services of the name 'one'"):
        site.add("one")


def test_children_without_a_name_get_one_each() -> None:
    group = Group(Clock())
    services = [Service() for _ in range(3)]
    for service in services:
        service.setServiceParent(group)
    services[0].disownServiceParent()
    Service().setServiceParent(group)
    assert sorted(str(service.name) for service in group) == ["Service-1", "Service-2", "Service-3"]


def test_a_child_added_before_the_start_starts_with_it() -> None:
    site = Site()
    service = Recorded(site.events)
    service.setName("one")
    assert site.group.addService(service) is None
    assert site.events == []


def test_a_child_added_while_the_group_runs_is_started() -> None:
    site = Site()
    site.add("one")
    site.group.startService()
    starts: Deferred[None] = Deferred()
    late = Recorded(site.events, lambda: starts)
    late.setName("late")
    added = site.group.addService(late)
    assert site.events == ["start one", "prepare late", "start late"]
    assert added is not None
    assert is_waiting(added)
    starts.callback(None)
    assert result_of(added) is None
    assert site.state("late") == "ready"
    site.group.stopService()
    assert site.events[-2:] == ["stop late", "stop one"]
    assert site.is_clean()


def test_a_child_added_late_that_cannot_start_leaves_the_others_running() -> None:
    site = Site()
    site.add("one")
    site.group.startService()
    bad = Recorded(site.events, raises(OSError("no")))
    bad.setName("bad")
    added = site.group.addService(bad)
    assert added is not None
    with pytest.raises(StartFailed, match="bad could not start: no"):
        result_of(added)
    assert site.group.states() == {"one": ("ready", ""), "bad": ("failed", "no")}
    assert site.group.running
    site.group.stopService()
    assert site.events[-1] == "stop one"
    assert "stop bad" not in site.events


def test_a_child_added_late_is_ended_by_a_stop_of_the_group() -> None:
    site = Site()
    site.add("one")
    site.group.startService()
    site.add("late", Deferred)
    assert result_of(site.group.stopService()) is None
    assert site.group.states() == {"one": ("stopped", ""), "late": ("stopped", "")}
    assert site.is_clean()


def test_cancelling_a_late_start_ends_it() -> None:
    site = Site()
    site.group.startService()
    cancelled: list[str] = []
    late = Recorded(site.events, lambda: Deferred(lambda _: cancelled.append("late")))
    added = site.group.addService(late)
    assert added is not None
    added.cancel()
    assert result_of(added) is None
    assert cancelled == ["late"]
    assert site.state(str(late.name)) == "stopped"
    assert site.is_clean()


def test_a_child_added_during_the_start_starts_in_its_turn() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", lambda: waits)
    site.add("two")
    started = site.group.startService()
    site.add("late")
    waits.callback(None)
    assert result_of(started) is None
    assert [event for event in site.events if "start" in event] == [
        "start one",
        "start two",
        "start late",
    ]
    assert site.state("late") == "ready"


def test_a_child_may_add_another_from_its_own_start() -> None:
    site = Site()
    site.add("one", lambda: site.add("two"))
    assert result_of(site.group.startService()) is None
    assert site.events == ["start one", "prepare two", "start two"]


def test_a_child_added_during_the_stop_waits_for_the_next_start() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", stop=lambda: waits)
    site.group.startService()
    stopped = site.group.stopService()
    site.add("two")
    waits.callback(None)
    assert result_of(stopped) is None
    assert site.events == ["start one", "stop one"]
    site.group.startService()
    assert site.events[-1] == "start two"


def test_a_child_that_is_removed_while_it_runs_is_stopped() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    one = site.add("one", stop=lambda: waits)
    site.group.startService()
    removed = one.disownServiceParent()
    assert removed is not None
    assert is_waiting(removed)
    assert site.group.states() == {}
    waits.callback(None)
    assert result_of(removed) is None
    assert result_of(site.group.stopService()) is None
    assert site.events == ["start one", "stop one"]
    assert site.is_clean()


def test_a_child_that_does_not_run_is_removed_at_once() -> None:
    site = Site()
    one = site.add("one")
    assert site.group.removeService(one) is None
    assert list(site.group) == []
    with pytest.raises(ValueError, match="one is no child of this group"):
        site.group.removeService(one)


def test_a_child_that_is_removed_during_its_start_is_ended_and_the_next_one_starts() -> None:
    site = Site()
    one = site.add("one", Deferred)
    site.add("two")
    started = site.group.startService()
    removed = site.group.removeService(one)
    assert removed is not None
    assert result_of(removed) is None
    assert result_of(started) is None
    assert site.group.states() == {"two": ("ready", "")}
    assert site.is_clean()


def test_a_child_that_is_removed_before_its_turn_never_starts() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one", lambda: waits)
    two = site.add("two")
    started = site.group.startService()
    assert site.group.removeService(two) is None
    waits.callback(None)
    assert result_of(started) is None
    assert site.events == ["start one"]


def test_a_child_that_is_removed_while_the_group_stops_is_stopped_once() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    one = site.add("one", stop=lambda: waits)
    site.group.startService()
    stopped = site.group.stopService()
    removed = site.group.removeService(one)
    assert removed is not None
    assert is_waiting(removed)
    assert is_waiting(stopped)
    waits.callback(None)
    assert result_of(removed) is None
    assert result_of(stopped) is None
    assert site.events == ["start one", "stop one"]


def test_the_stop_waits_for_a_child_that_was_removed_just_before() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    site.add("one")
    two = site.add("two", stop=lambda: waits)
    site.group.startService()
    site.group.removeService(two)
    stopped = site.group.stopService()
    assert site.events == ["start one", "start two", "stop two"]
    waits.callback(None)
    assert result_of(stopped) is None
    assert site.events[-1] == "stop one"


def test_a_child_that_is_added_again_while_it_stops_starts_after_that() -> None:
    site = Site()
    waits: Deferred[None] = Deferred()
    one = site.add("one", stop=lambda: waits)
    site.group.startService()
    one.disownServiceParent()
    one.setServiceParent(site.group)
    assert site.events == ["start one", "stop one", "prepare one"]
    waits.callback(None)
    assert site.events == ["start one", "stop one", "prepare one", "start one"]
    assert site.state("one") == "ready"


# Ordinary Twisted services, and groups in groups


def test_ordinary_services_of_twisted_are_children_too() -> None:
    site = Site()
    calls: list[str] = []
    timer = TimerService(1, calls.append, "tick")
    timer.clock = site.clock
    several = MultiService()
    inner = Recorded(site.events)
    inner.setName("inner")
    inner.setServiceParent(several)
    plain = Service()
    site.group.add("timer", timer)
    site.group.add("several", several)
    site.group.add("plain", plain)
    assert result_of(site.group.startService()) is None
    site.clock.advance(1)
    assert calls == ["tick", "tick"]
    assert plain.running
    assert result_of(site.group.stopService()) is None
    assert not plain.running
    assert site.events == ["start inner", "stop inner"]
    assert site.is_clean()


def nested() -> tuple[Site, Group]:
    site = Site()
    site.add("database")
    inner = Group(site.clock)
    site.group.add("inner", inner)
    return site, inner


def test_a_group_in_a_group_starts_and_stops_in_order() -> None:
    site, inner = nested()
    inner.add("app", Recorded(site.events))
    assert result_of(site.group.startService()) is None
    assert result_of(site.group.stopService()) is None
    assert site.events == ["start database", "start app", "stop app", "stop database"]
    assert site.is_clean()


def test_a_failure_in_a_group_in_a_group_names_both() -> None:
    site, inner = nested()
    inner.add("app", Recorded(site.events, raises(OSError("no"))))
    with pytest.raises(StartFailed, match=r"^inner could not start: app could not start: no$"):
        result_of(site.group.startService())
    assert site.events == ["start database", "start app", "stop database"]


def test_a_stop_during_the_start_of_a_group_in_a_group_keeps_the_order() -> None:
    site, inner = nested()
    waits: Deferred[None] = Deferred()
    inner.add("app", Recorded(site.events, stop=lambda: waits))
    inner.add("slow", Recorded(site.events, Deferred))
    started = site.group.startService()
    stopped = site.group.stopService()
    assert site.events == ["start database", "start app", "start slow", "stop app"]
    waits.callback(None)
    assert site.events[-1] == "stop database"
    assert result_of(stopped) is None
    with pytest.raises(CancelledError):
        result_of(started)
    assert site.is_clean()


def test_a_group_in_a_group_that_hangs_is_stopped_within_the_outer_ones_time(
    logged: list[LogEvent],
) -> None:
    site, inner = nested()
    inner.add("first", Recorded(site.events))
    for name in ("a", "b", "c"):
        inner.add(name, Recorded(site.events, stop=stubborn))
    site.group.startService()
    site.events.clear()
    stopped = site.group.stopService()
    site.clock.pump([0.1] * 100)
    assert result_of(stopped) is None
    assert sorted(site.events) == ["stop a", "stop b", "stop c", "stop database", "stop first"]
    assert site.is_clean()


@pytest_twisted.ensureDeferred
async def test_on_the_real_reactor_the_stop_ends_in_time(
    reactor: Any, logged: list[LogEvent]
) -> None:
    group = Group(reactor, stop_seconds=0.05)
    events: list[str] = []
    group.add("one", Recorded(events, lambda: deferLater(reactor, 0.01)))
    group.add("stuck", Recorded(events, stop=stubborn))
    await group.startService()
    began = reactor.seconds()
    await group.stopService()
    assert reactor.seconds() - began < 1
    assert events == ["start one", "start stuck", "stop stuck", "stop one"]
