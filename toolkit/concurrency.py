"""Coroutines inside, Deferreds at the edge, and many of them at once within a limit."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, ParamSpec, TypeVar, overload

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    FirstError,
    gatherResults,
    succeed,
)
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.errors import TimedOut
from toolkit.waiting import apart

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)

_log = Logger()


def deferred(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Deferred[T]]:
    """Make an `async def` return a Deferred, so that callbacks and `await` both work on it.

    Args:
        function: A coroutine function. It runs at once, up to its first wait.

    Returns:
        A function with the same arguments. Cancelling its Deferred raises `CancelledError`
        inside the coroutine, at the `await` it stands at.
    """

    @functools.wraps(function)
    def starts(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return Deferred.fromCoroutine(function(*args, **kwargs))

    return starts


@overload
def deferred_from(value: Awaitable[T]) -> Deferred[T]: ...
@overload
def deferred_from(value: T) -> Deferred[T]: ...
def deferred_from(value: Any) -> Deferred[Any]:
    """A Deferred for whatever a function may have returned.

    Args:
        value: A Deferred (given back as it is), a coroutine or another awaitable (started), or
            a plain value.

    Returns:
        A Deferred with the value; cancelling it cancels what it came from.
    """
    if isinstance(value, Deferred):
        return value
    if isinstance(value, Coroutine):
        return Deferred.fromCoroutine(value)
    if isinstance(value, Awaitable):
        return Deferred.fromCoroutine(_awaited(value))
    return succeed(value)


async def _awaited(value: Awaitable[T]) -> T:
    return await value


def within(clock: IReactorTime, seconds: float, waited: Deferred[T]) -> Deferred[T]:
    """Give a Deferred a deadline: it is cancelled then, and what it comes to afterwards is lost.

    Args:
        clock: The reactor, or in a test a Clock.
        seconds: How long it may take.
        waited: What is waited for. It belongs to this function from now on.

    Returns:
        A Deferred with its result, or failing with TimedOut. Cancelling it cancels `waited`;
        neither is held up by a `waited` that ignores its cancellation.
    """
    result: Deferred[T] = Deferred(lambda _: stop())
    expired = False

    def stop() -> None:
        if timer.active():
            timer.cancel()
        waited.cancel()

    def expire() -> None:
        nonlocal expired
        expired = True
        waited.cancel()  # first: what it held is free when the result tells of it
        if not result.called:
            result.errback(TimedOut(f"not done within {seconds:g} s"))

    def end(outcome: T | Failure) -> None:
        if expired or result.called:  # given up: what it came to is of no use any more
            return
        if timer.active():
            timer.cancel()
        result.callback(outcome)

    timer = clock.callLater(max(0.0, seconds), expire)
    waited.addBoth(end)
    return result


@deferred
async def for_each_limited(
    function: Callable[[T], Awaitable[object] | object], items: Iterable[T], limit: int
) -> None:
    """Call a function with each item, at most `limit` at once.

    Args:
        function: Called with one item; may return a Deferred or a coroutine, which is waited for.
        items: Read one by one, as room comes free: a generator of a million is never a list.
        limit: The most calls in progress, at least 1.

    Returns:
        A Deferred that fires when every call has ended. The first call that fails cancels the
        others, and fails it when they have ended too. Cancelling it does the same.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    waiting = iter(items)
    over = False

    async def works_off() -> None:
        nonlocal over
        try:
            for item in waiting:
                await deferred_from(function(item))
                if over:
                    return
        finally:
            over = True  # there are no more items, or there was a failure: nothing new is begun

    workers: list[Deferred[None]] = []
    while len(workers) < limit and not over:
        workers.append(Deferred.fromCoroutine(works_off()))
    # Apart from the workers, so that cancelling ends this wait before it reaches any of them:
    # a call that takes its cancellation for an ordinary end must not be followed by another.
    ended = apart(gatherResults(workers, consumeErrors=True))
    try:
        await ended
        return
    except FirstError as first:
        failure = first.subFailure
    except CancelledError:
        failure = Failure()
    over = True
    for worker in workers:
        worker.cancel()
    await DeferredList(workers)
    failure.raiseException()


@overload
def gather_limited(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int
) -> Deferred[list[R]]: ...
@overload
def gather_limited(
    function: Callable[[T], R], items: Iterable[T], limit: int
) -> Deferred[list[R]]: ...
@deferred
async def gather_limited(
    function: Callable[[Any], Any], items: Iterable[Any], limit: int
) -> list[Any]:
    """Call a function with each item, at most `limit` at once, and collect what they return.

    Args:
        function: Called with one item; may return a Deferred or a coroutine.
        items: Read one by one, as room comes free.
        limit: The most calls in progress, at least 1.

    Returns:
        A Deferred with the results, in the order of the items. The first call that fails
        cancels the others, and fails it when they have ended too. Cancelling it does the same.
    """
    results: dict[int, Any] = {}

    async def keep(numbered: tuple[int, Any]) -> None:
        number, item = numbered
        results[number] = await deferred_from(function(item))

    await for_each_limited(keep, enumerate(items), limit)
    return [results[number] for number in range(len(results))]


@overload
def parallel_lookup(
    names: Iterable[K], lookup: Callable[[K], Awaitable[R]], limit: int = 50
) -> Deferred[dict[K, R | None]]: ...
@overload
def parallel_lookup(
    names: Iterable[K], lookup: Callable[[K], R], limit: int = 50
) -> Deferred[dict[K, R | None]]: ...
@deferred
async def parallel_lookup(
    names: Iterable[Any], lookup: Callable[[Any], Any], limit: int = 50
) -> dict[Any, Any]:
    """Look several names up at once; one that fails does not spoil the others.

    Args:
        names: What to look up; a name that comes twice is looked up once.
        lookup: Called with a name; may return a Deferred or a coroutine.
        limit: The most look-ups in progress.

    Returns:
        A Deferred with a dict from each name, in the order given, to what was found, or to None
        where the look-up failed (the failure is logged). Cancelling it cancels all look-ups.
    """
    found: dict[Any, Any] = dict.fromkeys(names)
    cancelled: list[Any] = []

    async def look_up(name: Any) -> None:
        try:
            found[name] = await deferred_from(lookup(name))
        except CancelledError:
            cancelled.append(name)  # alone, or with all: that is known when all have ended
        except Exception:  # noqa: BLE001 - whatever one look-up raises, the others are still wanted
            _log.failure("could not look up {name}", name=name)

    await for_each_limited(look_up, list(found), limit)
    for name in cancelled:
        _log.error("could not look up {name}: it was cancelled", name=name)
    return found
