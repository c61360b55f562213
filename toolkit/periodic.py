"""Periodic: a function run every so many seconds, whatever one run may end in."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from math import inf
from typing import cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.concurrency import deferred, deferred_from
from toolkit.errors import reason_of
from toolkit.service import Health
from toolkit.waiting import Waiting

_inside: ContextVar[object] = ContextVar("_inside", default=None)
"""The Periodic whose run is what asks."""

_MOST_DOUBLINGS = 64


class Periodic(Service):
    """A service that runs a function every so many seconds, never twice at once.

    The first run begins with the service. When one takes longer than the interval, the next
    begins as soon as it has ended. When one fails, the failure is logged, the health says
    degraded, and the next waits longer each time: the interval doubled for each failure in a
    row, up to `max_backoff_seconds`, times a random number from 0.5 to 1. The stop waits for the
    run in progress; cancelling the stop cancels the run. A run that is a coroutine may stop its
    own Periodic; that stop does not wait for the run.

    Args:
        clock: The reactor, or in a test a Clock.
        seconds: From the start of one run to the start of the next.
        function: Called without arguments; may return a Deferred or a coroutine.
        health: Where it says that it is degraded, and has recovered.
        max_backoff_seconds: The longest wait after failures; never less than `seconds`.
        jitter: Gives a random number from 0 up to 1.

    Raises:
        ValueError: `seconds` is not a number greater than 0.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        function: Callable[[], Awaitable[object] | object],
        health: Health | None = None,
        max_backoff_seconds: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < seconds < inf:
            raise ValueError(f"seconds must be greater than 0, not {seconds:g}")
        self._clock = clock
        self._seconds = seconds
        self._function = function
        self._health = health or Health("periodic")
        self._max_backoff_seconds = max(max_backoff_seconds, seconds)
        self._jitter = jitter
        self._failures = 0
        self._timer: IDelayedCall | None = None
        self._busy = False
        self._run: Deferred[object] | None = None
        self._run_ended = Waiting()

    def startService(self) -> None:
        """Begin the first run."""
        super().startService()
        if not self._busy:
            self._cancel_timer()
            self._begin()

    def stopService(self) -> Deferred[None]:
        """Begin no further run.

        Returns:
            A Deferred that fires when the run in progress has ended. Cancelling it cancels
            that run.
        """
        super().stopService()
        self._cancel_timer()
        if not self._busy or _inside.get() is self:
            return succeed(None)
        return self._run_ended.add(lambda _: self._run.cancel() if self._run else None)

    def _begin(self) -> None:
        self._busy = True
        began = self._clock.seconds()
        self._run = self._run_once()
        self._run.addBoth(self._ended, began)

    @deferred
    async def _run_once(self) -> object:
        _inside.set(self)  # a coroutine has a context of its own
        return await deferred_from(self._function())

    def _ended(self, outcome: object, began: float) -> None:
        self._busy = False
        self._run = None
        if isinstance(outcome, Failure):
            self._failed(outcome)
        elif self._failures:
            self._failures = 0
            self._health.recovered()
        if self.running:
            self._timer = self._clock.callLater(self._delay(began), self._begin)
        self._run_ended.tell()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) and not self.running:
            return  # by the stop
        self._failures += 1
        self._log.failure("{service} failed", failure, service=self._health.name)
        self._health.degraded(reason_of(cast(BaseException, failure.value)))

    def _delay(self, began: float) -> float:
        if self._failures:
            doublings = min(self._failures, _MOST_DOUBLINGS)  # a float has an end
            longest: float = min(self._seconds * 2.0**doublings, self._max_backoff_seconds)
            return longest * (0.5 + self._jitter() / 2)
        passed = max(0.0, self._clock.seconds() - began)  # less than 0 when the clock was set back
        return max(0.0, self._seconds - passed)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
