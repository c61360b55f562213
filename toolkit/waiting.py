"""Waiting for what one does not own: each with a Deferred that can be cancelled alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def apart(waited: Deferred[T]) -> Deferred[T]:
    """Wait for a Deferred without owning it.

    Args:
        waited: What is waited for; its result belongs to this function from now on.

    Returns:
        A Deferred with its result. Cancelling it ends the wait, and leaves `waited` alone.
    """
    result: Deferred[T] = Deferred()
    waited.chainDeferred(result)
    return result


def shielded(waited: Deferred[T] | Coroutine[Any, Any, T]) -> Deferred[T]:
    """Finish what has begun: a write, say, although the peer that asked for it has left.

    Args:
        waited: A Deferred or a coroutine. It belongs to this function from now on.

    Returns:
        A Deferred with its result. Cancelling it leaves `waited` alone, and takes effect when
        that has ended: CancelledError in place of its result; its failure stays what it is.
    """
    result: _Shielded[T] = _Shielded()
    begun = waited if isinstance(waited, Deferred) else Deferred.fromCoroutine(waited)
    begun.addBoth(result.end)
    return result


class _Shielded(Deferred[T]):
    """A Deferred whose cancellation waits."""

    _is_cancelled = False

    def cancel(self) -> None:
        if self.called:
            super().cancel()
        self._is_cancelled = True

    def end(self, outcome: T | Failure) -> None:
        if self._is_cancelled and not isinstance(outcome, Failure):
            self.errback(Failure(CancelledError()))
        else:
            self.callback(outcome)


class Waiting:
    """Those who wait for one thing, each with a Deferred of its own."""

    def __init__(self) -> None:
        self._deferreds: list[Deferred[None]] = []

    def add(self, canceller: Callable[[Deferred[None]], None] | None = None) -> Deferred[None]:
        """Wait for the next `tell`.

        Args:
            canceller: What cancelling this one Deferred does besides ending its wait.
        """
        waiting: Deferred[None] = Deferred(canceller)
        self._deferreds.append(waiting)
        return waiting

    def tell(self) -> None:
        """Fire the Deferreds of all who wait by now."""
        waiting, self._deferreds = self._deferreds, []
        for one in waiting:
            if not one.called:
                one.callback(None)
