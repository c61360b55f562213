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
        self._going_on: OrderedDict[Deferred[None], None] = OrderedDict()
        self._handing_out = False

    def take_at_once(self) -> bool:
        """Take a turn if one is free and nobody waits; the same as `take`, without a Deferred."""
        if not self._free or self._handing_out:  # else nobody waits while one is free
            return False
        self._free -= 1
        return True

    def take(self, first: bool = False) -> Deferred[None]:
        """Wait for a turn.

        Args:
            first: Whether before all that wait without it: one who has had a turn, and goes on.

        Returns:
            A Deferred that fires when it is one's turn; cancelling it leaves the queue.
        """
        queue = self._going_on if first else self._waiting
        turn: Deferred[None] = Deferred(lambda gone: queue.pop(gone, None))
        queue[turn] = None
        self._hand_out()
        return turn

    def give_back(self) -> None:
        """End one turn."""
        self._free += 1
        if self._waiting or self._going_on:
            self._hand_out()

    def cancel(self) -> None:
        """Cancel whatever still waits."""
        for turn in [*self._waiting, *self._going_on]:
            turn.cancel()

    def _hand_out(self) -> None:
        if self._handing_out:
            return
        self._handing_out = True
        try:
            while self._free and (queue := self._going_on or self._waiting):
                self._free -= 1
                queue.popitem(last=False)[0].callback(None)
        finally:
            self._handing_out = False
