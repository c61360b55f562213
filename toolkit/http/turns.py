"""Turns: at most so many at once."""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.defer import Deferred


class Turns:
    """At most so many at once, first come, first served.

    DeferredSemaphore calls the next one from inside `release`: a thousand that end at once are
    a thousand calls deep.

    Args:
        limit: The most turns given out at once.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: OrderedDict[Deferred[None], None] = OrderedDict()
        self._handing_out = False

    def take(self) -> Deferred[None]:
        """A Deferred that fires when it is one's turn; cancelling it leaves the queue."""
        turn: Deferred[None] = Deferred(lambda gone: self._waiting.pop(gone, None))
        self._waiting[turn] = None
        self._hand_out()
        return turn

    def give_back(self) -> None:
        """End one turn."""
        self._free += 1
        self._hand_out()

    def cancel(self) -> None:
        """Cancel whatever still waits."""
        for turn in list(self._waiting):
            turn.cancel()

    def _hand_out(self) -> None:
        if self._handing_out:
            return
        self._handing_out = True
        try:
            while self._free and self._waiting:
                self._free -= 1
                self._waiting.popitem(last=False)[0].callback(None)
        finally:
            self._handing_out = False
