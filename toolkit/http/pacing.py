"""Pacing: each origin's share of the requests, and the rest it has asked for. No I/O."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Hashable
from itertools import count

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from toolkit.http.failures import FetchError


class _Share:
    """What goes on with one origin: how many ask it, and who waits."""

    __slots__ = ("active", "going_on", "handing_out", "timer", "waiting")

    def __init__(self) -> None:
        self.active = 0
        self.waiting: OrderedDict[Deferred[None], None] = OrderedDict()
        self.going_on: OrderedDict[Deferred[None], None] | None = None  # seldom there are any
        self.timer: IDelayedCall | None = None
        self.handing_out = False


class Pacing:
    """Says when a request may be sent, for each origin apart, first come, first served.

    At most `per_host` at once, their beginnings `1 / rate` seconds apart; what was not used is
    not saved up for a burst. A cool-down (RFC 6585 §4, RFC 9110 §10.2.3) is shared: none of the
    origin's requests begins before it is over, and it does not concern any other origin.

    An origin with nothing going on is forgotten; the end of its cool-down, or of the pause that
    `rate` wants, is kept until it has passed and others have come. So a million hosts cost what
    the last of them did.

    Args:
        clock: The reactor, or in a test a Clock.
        per_host: The most requests of one origin at once, at least 1.
        rate: The most requests of one origin a second; None for any number.
        max_waiting: The most that wait, of all origins together; one more fails.

    Raises:
        ValueError: Where a limit is not positive.
    """

    def __init__(
        self,
        clock: IReactorTime,
        per_host: int,
        rate: float | None = None,
        max_waiting: int = 100_000,
    ) -> None:
        if per_host < 1:
            raise ValueError(f"per_host must be at least 1, not {per_host}")
        if rate is not None and not rate > 0:
            raise ValueError(f"rate must be more than 0 requests a second, not {rate:g}")
        self._clock = clock
        self._per_host = per_host
        self._interval = 0.0 if rate is None else 1 / rate
        self._max_waiting = max_waiting
        self._waiting = 0
        self._shares: dict[Hashable, _Share] = {}
        self._not_before: dict[Hashable, float] = {}
        # A heap with one entry for each of those: when to see whether it is over.
        self._looked_at: list[tuple[float, int, Hashable]] = []
        self._number = count()

    def __len__(self) -> int:
        """How many origins are remembered."""
        return len(self._shares.keys() | self._not_before.keys())

    def take_at_once(self, origin: Hashable) -> bool:
        """The same as `take` without a Deferred, where a request may be sent now.

        Args:
            origin: As for `take`.

        Returns:
            Whether it may be, and is followed by one `give_back`.
        """
        if self._interval or self._not_before:
            return False
        share = self._shares.get(origin)
        if share is None:
            share = self._shares[origin] = _Share()
        elif share.active >= self._per_host or share.waiting or share.going_on:
            return False
        share.active += 1
        return True

    def take(self, origin: Hashable, first: bool = False) -> Deferred[None]:
        """Wait until a request to an origin may be sent.

        Args:
            origin: What tells origins apart: scheme, host and port (RFC 6454 §4).
            first: Whether before all that wait without it: one that was sent, and is sent again.

        Returns:
            A Deferred that fires then; each that fires is followed by one `give_back`. It fails
            with FetchError `queue-full` where too many wait. Cancelling it leaves the queue.
        """
        self._forget_some()
        turn: Deferred[None] = Deferred(lambda gone: self._leave(origin, gone))
        if self._waiting >= self._max_waiting:
            turn.errback(
                FetchError(
                    f"{self._waiting} requests wait for their origins already; ask for fewer at "
                    "once",
                    "queue-full",
                )
            )
            return turn
        share = self._shares.get(origin)
        if share is None:
            share = self._shares[origin] = _Share()
        if not first:
            share.waiting[turn] = None
        elif share.going_on is None:
            share.going_on = OrderedDict({turn: None})
        else:
            share.going_on[turn] = None
        self._waiting += 1
        self._hand_out(origin, share)
        return turn

    def give_back(self, origin: Hashable) -> None:
        """End one request, answered or not.

        Args:
            origin: As it was given to `take`.

        Raises:
            ValueError: Where none is in progress.
        """
        share = self._shares.get(origin)
        if share is None or not share.active:
            raise ValueError(f"no request to {origin!r} is in progress")
        share.active -= 1
        if share.waiting or share.going_on or not share.active:
            self._hand_out(origin, share)

    def cool_down(self, origin: Hashable, seconds: float) -> None:
        """Let an origin rest: no request to it begins before so many seconds from now.

        A longer rest that it has already stays.

        Args:
            origin: As it is given to `take`.
            seconds: How long. The caller bounds it.
        """
        self._forget_some()
        self._not_until(origin, self._clock.seconds() + seconds)

    def cancel(self) -> None:
        """Cancel whatever still waits."""
        for share in list(self._shares.values()):
            for turn in [*share.waiting, *(share.going_on or ())]:
                turn.cancel()

    def _leave(self, origin: Hashable, gone: Deferred[None]) -> None:
        share = self._shares.get(origin)
        if share is None:
            return
        for queue in (share.waiting, share.going_on):
            if queue is not None and gone in queue:
                del queue[gone]
                self._waiting -= 1
                self._hand_out(origin, share)
                return

    def _hand_out(self, origin: Hashable, share: _Share) -> None:
        if share.handing_out:  # called by one that was handed out: the loop below goes on
            return
        share.handing_out = True
        try:
            while (queue := share.going_on or share.waiting) and share.active < self._per_host:
                now = self._clock.seconds()
                if now < self._not_before.get(origin, now):
                    break
                if self._interval:
                    self._not_until(origin, now + self._interval)
                share.active += 1
                self._waiting -= 1
                queue.popitem(last=False)[0].callback(None)
        finally:
            share.handing_out = False
        self._wait(origin, share)

    def _wait(self, origin: Hashable, share: _Share) -> None:
        """Go on when its time comes; drop it where nothing goes on."""
        waits = share.waiting or share.going_on
        if waits and share.active < self._per_host:
            if share.timer is None:  # one that is there comes too early at worst
                now = self._clock.seconds()
                rest = self._not_before.get(origin, now) - now
                share.timer = self._clock.callLater(max(0.0, rest), self._resume, origin, share)
            return
        if share.timer is not None:
            share.timer.cancel()
            share.timer = None
        if not waits and not share.active:
            del self._shares[origin]

    def _resume(self, origin: Hashable, share: _Share) -> None:
        share.timer = None
        self._hand_out(origin, share)

    def _not_until(self, origin: Hashable, when: float) -> None:
        known = self._not_before.get(origin)
        if known is None:
            heapq.heappush(self._looked_at, (when, next(self._number), origin))
        if known is None or when > known:
            self._not_before[origin] = when

    def _forget_some(self) -> None:
        # Two for each one that comes: the heap empties faster than it can fill, and a million
        # whose time is over at once hold nobody up.
        now = self._clock.seconds()
        for _ in range(2):
            if not self._looked_at or self._looked_at[0][0] > now:
                return
            _, number, origin = self._looked_at[0]
            when = self._not_before[origin]
            if when > now:
                heapq.heapreplace(self._looked_at, (when, number, origin))
            else:
                heapq.heappop(self._looked_at)
                del self._not_before[origin]
