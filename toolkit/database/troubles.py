"""Troubles: what a database refuses by its own state is logged, and not with every call."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from toolkit.database import errors

QUIET_SECONDS = 60.0
"""From one line of a kind to the next."""

_KINDS = (
    errors.ReadOnly,
    errors.DiskFull,
    errors.StorageFailed,
    errors.Corrupt,
    errors.OutOfResources,
    errors.Busy,
    errors.QueueFull,
    errors.DeadlinePassed,
)


class Troubles:
    """Logs the first error of a kind, and after a minute how many there were.

    Who asked is told of each; but that is often somebody who can do nothing about it.

    Args:
        clock: The reactor.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def note(self, error: BaseException) -> None:
        """Note that a call has failed.

        Args:
            error: With what.
        """
        if not isinstance(error, _KINDS):
            return
        code, now = error.code, self._clock.seconds()
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if code in self._told and now - self._told[code] < QUIET_SECONDS:
            return
        self._told[code], self._counts[code] = now, 0
        self._log.warn(
            "{code}{times}: {reason}",
            code=code,
            times="" if count == 1 else f", {count} times since this was told last",
            reason=str(error),
        )
