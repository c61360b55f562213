"""Waiting for what one does not own: each with a Deferred that can be cancelled alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred

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
