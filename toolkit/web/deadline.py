"""A deadline that is moved with every request, and a timer that is not."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """Calls a function when its time has come, which may be moved at any moment, either way.

    A timer that was made sooner is looked for among all there are, for which every request of ten
    thousand connections would pay. So this one is left to fire, and looks then what is due.

    Args:
        clock: The reactor, or in a test a Clock.
        soonest: The shortest time that `within` is called with, in seconds.
        late: What is called, once for each time that was set and passed.
    """

    __slots__ = ("_clock", "_due", "_late", "_soonest", "_timer")

    def __init__(self, clock: IReactorTime, soonest: float, late: Callable[[], object]) -> None:
        self._clock = clock
        self._soonest = soonest
        self._late = late
        self._due: float | None = None
        self._timer: IDelayedCall | None = None

    def within(self, seconds: float | None) -> None:
        """Begin anew.

        Args:
            seconds: How long it is from now, or None for no deadline.
        """
        if seconds is None:
            self._due = None
            return
        self._due = self._clock.seconds() + seconds
        if self._timer is None:
            self._timer = self._clock.callLater(min(seconds, self._soonest), self._look)

    def stop(self) -> None:
        """There is no deadline any more, and no timer."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        left = self._due - self._clock.seconds()
        if left > 0:
            self._timer = self._clock.callLater(min(left, self._soonest), self._look)
        else:
            self._due = None
            self._late()
