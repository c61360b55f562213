"""Time that goes on evenly for a reactor, whatever becomes of the machine's clock."""

from __future__ import annotations

import time
from typing import Any


def steady(reactor: Any) -> None:
    """Have a reactor measure time on the monotonic clock (clock_gettime(2)).

    Twisted's own measure it on the machine's clock: when that is set back, every timer waits as
    much longer, and when it is set forward, all are due. Timers that are scheduled already keep
    the time they have left. From now on `reactor.seconds()` is good for differences only; what
    needs the date asks `time.time()`.

    Args:
        reactor: The reactor itself, not `prompt(reactor)`.
    """
    if reactor.seconds is time.monotonic:
        return
    now = reactor.seconds()
    left = {call: max(0.0, call.getTime() - now) for call in reactor.getDelayedCalls()}
    reactor.seconds = time.monotonic
    for call, seconds in left.items():
        call.seconds = time.monotonic
        call.reset(seconds)
