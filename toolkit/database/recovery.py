"""Recovery: the health of a database whose server was lost, until it answers again."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from toolkit.concurrency import deferred
from toolkit.database.errors import DatabaseError
from toolkit.service import Health

PROBE_SECONDS = 1.0
"""From one probe to the next: short enough to be back well within five seconds."""


class Recovery:
    """Says degraded when a connection is lost, and probes until one is there again.

    Args:
        clock: The reactor.
        health: Where it is said.
        probe: Asks the database whether it is there; fails with a DatabaseError where not.
    """

    def __init__(
        self, clock: IReactorTime, health: Health, probe: Callable[[], Deferred[None]]
    ) -> None:
        self._clock = clock
        self._health = health
        self._probe = probe
        self._watches = False
        self._lost = False
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Say from now on how it fares: what fails before, fails the start."""
        self._watches = True

    def stop(self) -> None:
        """Say no more, and probe no more."""
        self._watches = self._lost = False
        self._rest()

    def fares(self, error: DatabaseError | None) -> None:
        """Note that a call has succeeded (None), or that a connection was lost."""
        if error is not None and self._watches:
            self._lost = True
            self._health.degraded(str(error))
            self._plan()
        elif self._lost and error is None:
            self._lost = False
            self._rest()
            self._health.recovered()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(PROBE_SECONDS, self._ask)

    @deferred
    async def _ask(self) -> None:
        self._timer = None
        try:
            await self._probe()
        except (DatabaseError, CancelledError):
            if self._lost:  # what failed the probe need not have been the connection
                self._plan()
