"""Deadlines: many things that have the same number of seconds each, and one timer for all. No I/O.

A timer for each request costs more than sending it: it is made, put into a heap, and nearly always
cancelled. Where all have the same time, the one that began first is the first that is late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Watches what must be done within so many seconds.

    Args:
        clock: The reactor, or in a test a Clock.
        seconds: How long each may take.
        late: Called with each that was not done in time; it is not watched any more then.
    """

    def __init__(self, clock: IReactorTime, seconds: float, late: Callable[[T], object]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._late = late
        self._since: dict[T, float] = {}  # the oldest first
        self._timer: Any = None

    def __len__(self) -> int:
        """How many are watched."""
        return len(self._since)

    def watch(self, one: T, now: float) -> None:
        """Begin with one, or begin anew.

        Args:
            one: What is to be done in time.
            now: The clock's seconds, which the caller has at hand.
        """
        self._since.pop(one, None)
        self._since[one] = now
        if self._timer is None:
            self._timer = self._clock.callLater(self.seconds, self._look)

    def forget(self, one: T) -> None:
        """One is done, or is not watched any more; it need not be watched."""
        self._since.pop(one, None)

    def left(self, one: T) -> float:
        """How many seconds one has left, at least 0; it is watched."""
        return max(0.0, self._since[one] + self.seconds - self._clock.seconds())

    def stop(self) -> None:
        """Watch nothing more. Whoever watches again begins anew."""
        self._since.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        due = self._clock.seconds() - self.seconds
        while self._since:
            one, since = next(iter(self._since.items()))
            if since > due:
                if self._timer is None:  # who was late may have begun another
                    self._timer = self._clock.callLater(since - due, self._look)
                return
            del self._since[one]
            self._late(one)
