"""Deadlines hold, limits hold, and nothing that was begun is left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogEvent

from toolkit.concurrency import (
    deferred,
    deferred_from,
    for_each_limited,
    gather_limited,
    parallel_lookup,
    within,
)
from toolkit.errors import TimedOut
from toolkit.testing import is_waiting, result_of

# deferred


def test_a_coroutine_function_becomes_one_that_returns_a_deferred() -> None:
    waited: Deferred[int] = Deferred()

    @deferred
    async def adds(one: int, *, two: int) -> int:
        """Adds."""
        return one + two + await waited

    result = adds(1, two=2)
    assert isinstance(result, Deferred)
    assert is_waiting(result)
    waited.callback(4)
    assert result_of(result) == 7
    assert (adds.__name__, adds.__doc__) == ("adds", "Adds.")


def test_cancelling_reaches_the_coroutine_where_it_waits() -> None:
    tidied: list[str] = []

    @deferred
    async def waits() -> None:
        try:
            await Deferred()
        finally:
            tidied.append("up")

    result = waits()
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert tidied == ["up"]


# deferred_from


class Answer:
    """An awaitable that is neither a Deferred nor a coroutine."""

    def __await__(self) -> Generator[Any, Any, int]:
        return (yield from succeed(42).__await__())


async def forty_two() -> int:
    return 42


@pytest.mark.parametrize("make", [lambda: 42, lambda: succeed(42), forty_two, Answer])
def test_whatever_a_function_returns_becomes_a_deferred(make: Callable[[], Any]) -> None:
    assert result_of(deferred_from(make())) == 42


def test_a_deferred_is_given_back_as_it_is() -> None:
    given: Deferred[int] = Deferred()
    assert deferred_from(given) is given


# within


def test_a_result_in_time_is_the_result_and_leaves_no_timer() -> None:
    clock, waited = Clock(), Deferred[int]()
    result = within(clock, 5, waited)
    clock.advance(4.9)
    assert is_waiting(result)
    waited.callback(42)
    assert result_of(result) == 42
    assert not clock.getDelayedCalls()


def test_a_failure_in_time_is_the_failure_and_leaves_no_timer() -> None:
    clock, waited = Clock(), Deferred[int]()
    result = within(clock, 5, waited)
    waited.errback(OSError("no"))
    with pytest.raises(OSError, match="no"):
        result_of(result)
    assert not clock.getDelayedCalls()


def test_what_has_fired_already_is_the_result_even_with_no_time_at_all() -> None:
    clock = Clock()
    assert result_of(within(clock, 0, succeed(42))) == 42
    with pytest.raises(OSError, match="no"):
        result_of(within(clock, -1, fail(OSError("no"))))
    assert not clock.getDelayedCalls()


def test_after_the_deadline_it_has_timed_out_and_what_was_waited_for_is_cancelled() -> None:
    clock, order = Clock(), list[str]()
    waited: Deferred[None] = Deferred(lambda _: order.append("cancelled"))
    result = within(clock, 5, waited)
    result.addErrback(lambda failure: order.append(str(failure.value)))
    clock.advance(5)
    assert order == ["cancelled", "not done within 5 s"]
    assert not clock.getDelayedCalls()


def test_a_deadline_fails_with_timed_out_whatever_the_cancelled_one_makes_of_it() -> None:
    clock = Clock()

    async def answers_all_the_same() -> int:
        try:
            await Deferred()
        except CancelledError:
            return 42
        return 0

    result = within(clock, 5, Deferred.fromCoroutine(answers_all_the_same()))
    clock.advance(5)
    with pytest.raises(TimedOut) as raised:
        result_of(result)
    assert raised.value.code == "timeout"


@pytest.mark.parametrize("end", [lambda one: one.callback(1), lambda one: one.errback(OSError())])
@pytest.mark.parametrize("by", ["deadline", "cancel"])
def test_what_ignores_its_cancellation_is_not_waited_for_and_its_end_is_no_noise(
    end: Callable[[Deferred[int]], None], by: str
) -> None:
    clock, gate = Clock(), Deferred[int]()

    async def ignores() -> int:
        with suppress(CancelledError):
            await Deferred()
        return await gate

    result = within(clock, 5, Deferred.fromCoroutine(ignores()))
    if by == "deadline":
        clock.advance(5)
    else:
        result.cancel()
    with pytest.raises((TimedOut, CancelledError)):
        result_of(result)
    end(gate)  # a failure that nobody handles would fail the test
    assert not clock.getDelayedCalls()


def test_cancelling_it_cancels_what_it_waits_for() -> None:
    clock, cancelled = Clock(), list[str]()
    result = within(clock, 5, Deferred[None](lambda _: cancelled.append("it")))
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert cancelled == ["it"]
    assert not clock.getDelayedCalls()


# for_each_limited, gather_limited


class Calls:
    """A function whose calls the test ends, and a generator that knows how far it was read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0
        self.begun: dict[int, Deferred[Any]] = {}
        self.cancelled: list[int] = []

    def items(self) -> Iterator[int]:
        for number in range(self.count):
            self.read += 1
            yield number

    def __call__(self, number: int) -> Deferred[Any]:
        self.begun[number] = Deferred(lambda _: self.cancelled.append(number))
        return self.begun[number]

    @property
    def in_progress(self) -> list[int]:
        return [number for number, call in self.begun.items() if not call.called]


@given(st.data(), st.integers(0, 20), st.integers(1, 25))
def test_whatever_the_order_of_their_ends_the_limit_holds_and_the_results_are_in_order(
    data: st.DataObject, count: int, limit: int
) -> None:
    calls = Calls(count)
    result = gather_limited(calls, calls.items(), limit)
    while calls.in_progress:
        assert len(calls.in_progress) == min(
            limit, count - len(calls.begun) + len(calls.in_progress)
        )
        assert calls.read == len(calls.begun)
        number = data.draw(st.sampled_from(calls.in_progress))
        calls.begun[number].callback(number * 10)
    assert result_of(result) == [number * 10 for number in range(count)]


def test_items_are_read_only_as_room_comes_free() -> None:
    calls = Calls(1_000_000)
    result = for_each_limited(calls, calls.items(), 3)
    assert calls.read == 3
    calls.begun[1].callback(None)
    assert calls.read == 4
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert calls.read == 4


def test_a_limit_far_beyond_the_items_costs_nothing() -> None:
    calls = Calls(3)
    result = for_each_limited(calls, calls.items(), 10**12)
    for call in calls.begun.values():
        call.callback(None)
    assert result_of(result) is None


@pytest.mark.parametrize("limit", [1, 50])
def test_a_hundred_thousand_items_that_are_done_at_once_do_not_recurse(limit: int) -> None:
    assert result_of(gather_limited(lambda item: item + 1, range(100_000), limit))[-1] == 100_000
    assert len(result_of(gather_limited(succeed, range(100_000), limit))) == 100_000


def test_no_items_are_done_at_once() -> None:
    assert result_of(for_each_limited(lambda item: item, [], 5)) is None
    assert result_of(gather_limited(lambda item: item, iter(()), 5)) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused_and_nothing_read(limit: int) -> None:
    calls = Calls(3)
    with pytest.raises(ValueError, match="limit must be at least 1"):
        result_of(for_each_limited(calls, calls.items(), limit))
    assert calls.read == 0


def test_the_first_failure_is_the_one_raised_and_the_others_are_cancelled() -> None:
    calls = Calls(10)
    result = gather_limited(calls, calls.items(), 3)
    error = OSError("first")
    calls.begun[1].errback(error)
    with pytest.raises(OSError, match="first") as raised:
        result_of(result)
    assert raised.value is error
    assert raised.value.__context__ is None
    assert calls.cancelled == [0, 2]
    assert calls.read == 3


def test_the_failure_comes_when_those_that_were_cancelled_have_ended() -> None:
    tidied: Deferred[None] = Deferred()

    async def call(item: int) -> None:
        if item:
            raise OSError("no")
        try:
            await Deferred()
        finally:
            await tidied

    result = for_each_limited(call, [0, 1], 2)
    assert is_waiting(result)
    tidied.callback(None)
    with pytest.raises(OSError, match="no"):
        result_of(result)


def test_failures_after_the_first_are_no_noise() -> None:
    async def call(item: int) -> None:
        if item == 2:
            raise OSError("first")
        try:
            await Deferred()
        finally:
            raise KeyError("a bug while tidying up")

    with pytest.raises(OSError, match="first"):
        result_of(for_each_limited(call, range(5), 3))


@pytest.mark.parametrize("error", [OSError("no"), CancelledError("no"), SystemExit("no")])
@pytest.mark.parametrize("sort", ["raises", "fails", "coroutine"])
def test_a_call_that_fails_at_once_ends_it_and_no_other_begins(
    sort: str, error: BaseException
) -> None:
    begun: list[int] = []

    async def coroutine() -> None:
        raise error

    def call(item: int) -> Awaitable[None]:
        begun.append(item)
        if sort == "raises":
            raise error
        return fail(error) if sort == "fails" else coroutine()

    with pytest.raises(type(error), match="no"):
        result_of(for_each_limited(call, range(5), 3))
    assert begun == [0]


def test_an_iterator_that_raises_ends_it_and_cancels_what_was_begun() -> None:
    calls = Calls(10)

    def items() -> Iterator[int]:
        yield 0
        yield 1
        raise OSError("the list is gone")

    result = for_each_limited(calls, items(), 5)
    with pytest.raises(OSError, match="the list is gone"):
        result_of(result)
    assert calls.cancelled == [0, 1]


def test_what_cannot_be_iterated_fails_the_deferred() -> None:
    with pytest.raises(TypeError):
        result_of(for_each_limited(lambda item: item, 42, 5))  # type: ignore[arg-type]


def test_cancelling_cancels_all_and_begins_no_other() -> None:
    calls = Calls(10)
    result = gather_limited(calls, calls.items(), 3)
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert calls.cancelled == [0, 1, 2]
    assert calls.read == 3


def test_a_call_that_swallows_its_cancellation_is_not_followed_by_another() -> None:
    begun: list[int] = []

    async def swallows(item: int) -> None:
        begun.append(item)
        with suppress(CancelledError):
            await Deferred()

    result = for_each_limited(swallows, range(100), 2)
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert begun == [0, 1]


def test_a_call_that_goes_on_after_its_cancellation_is_waited_for() -> None:
    gate: Deferred[None] = Deferred()

    async def goes_on(item: int) -> None:
        with suppress(CancelledError):
            await Deferred()
        await gate

    result = for_each_limited(goes_on, range(100), 2)
    result.cancel()
    assert is_waiting(result)
    result.cancel()  # once more, for those who insist
    with pytest.raises(CancelledError):
        result_of(result)


def test_a_failure_in_one_call_while_another_is_begun_reads_no_more() -> None:
    first: Deferred[None] = Deferred()
    begun: list[int] = []

    def call(item: int) -> Deferred[None]:
        begun.append(item)
        if item == 0:
            return first
        first.errback(OSError("no"))
        return Deferred()

    with pytest.raises(OSError, match="no"):
        result_of(for_each_limited(call, range(100), 50))
    assert begun == [0, 1]


# parallel_lookup


def test_each_name_has_what_was_found_in_the_order_given() -> None:
    calls: list[str] = []

    async def lookup(name: str) -> str:
        calls.append(name)
        return name.upper()

    found = result_of(parallel_lookup(["b", "a", "b"], lookup))
    assert list(found.items()) == [("b", "B"), ("a", "A")]
    assert calls == ["b", "a"]


@pytest.mark.parametrize("error", [OSError("no"), CancelledError()])
def test_a_look_up_that_fails_is_none_and_logged_and_spoils_no_other(
    error: Exception, logged: list[LogEvent]
) -> None:
    def lookup(name: str) -> str:
        if name == "bad":
            raise error
        return name.upper()

    found = result_of(parallel_lookup(["a", "bad", "b"], lookup, limit=1))
    assert found == {"a": "A", "bad": None, "b": "B"}
    assert [event["name"] for event in logged] == ["bad"]


def test_look_ups_keep_their_limit() -> None:
    calls = Calls(0)
    result = parallel_lookup(range(200), calls)
    assert len(calls.begun) == 50
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)


def test_cancelling_ends_all_look_ups_in_silence(logged: list[LogEvent]) -> None:
    calls = Calls(0)
    result = parallel_lookup(range(200), calls, limit=3)
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert calls.cancelled == [0, 1, 2]
    assert len(calls.begun) == 3
    assert logged == []


@pytest_twisted.ensureDeferred
async def test_on_the_real_reactor_they_go_on_side_by_side(reactor: Any) -> None:
    at_once, most = 0, 0

    async def call(item: int) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await deferLater(reactor, 0.001)
        at_once -= 1
        return item

    assert await within(reactor, 30, gather_limited(call, range(100), 10)) == list(range(100))
    assert most == 10
