"""Countdown: send `10`, `9`, … `1` on every connection, one line a second, and close it.

The same countdown, without a connection, is the helper `count_down`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from toolkit.concurrency import deferred
from toolkit.errors import SettingsError
from toolkit.listen import Endpoint, ListenSettings, listening
from toolkit.service import Declaration, Shared
from toolkit.settings import Meta


@deferred
async def count_down(
    clock: IReactorTime, start: int, tick: Callable[[int], object], interval_seconds: float = 1.0
) -> None:
    """Count down to 1: call a function with each number, one every interval.

    Each number's time is reckoned from the beginning, so that delays do not add up: after one
    that was late, the next comes early enough to be in time again.

    Args:
        clock: The reactor, or in a test a Clock.
        start: The first number, at least 1. `tick(start)` is called at once.
        tick: Called with each number; what it returns is not waited for.
        interval_seconds: From one number to the next, more than 0.

    Returns:
        A Deferred that fires one interval after `tick(1)`, when a zero would be due: a countdown
        from 10 takes 10 intervals. A tick that raises ends the countdown and fails it.
        Cancelling it stops the timer.

    Raises:
        ValueError: Through the Deferred, where `start` or `interval_seconds` is too small.
    """
    if start < 1 or not 0 < interval_seconds < float("inf"):
        raise ValueError(f"cannot count down from {start} every {interval_seconds} s")
    began = clock.seconds()
    for done, number in enumerate(range(start, 0, -1), 1):
        tick(number)
        left = began + done * interval_seconds - clock.seconds()
        # Never more than an interval: the reactor's clock may have been set back.
        await deferLater(clock, min(max(0.0, left), interval_seconds))


@implementer(IHalfCloseableProtocol)
class CountdownProtocol(Protocol):
    """One connection: a line for each number, ended by a line feed, whatever the peer sends.

    A peer that has sent its last byte still gets every line; one that has gone stops the timer.
    """

    transport: Any
    factory: CountdownFactory
    _counting: Deferred[None] | None = None

    def connectionMade(self) -> None:
        factory = self.factory
        self._counting = count_down(
            factory.clock, factory.start, self._tick, factory.interval_seconds
        )
        self._counting.addCallbacks(self._over, self._stopped)

    def _tick(self, number: int) -> None:
        self.transport.write(b"%d\n" % number)

    def _over(self, _result: None) -> None:
        self.transport.loseConnection()

    def _stopped(self, failure: Failure) -> None:
        failure.trap(CancelledError)

    def dataReceived(self, data: bytes) -> None:
        # Read and dropped, not left in the kernel: closing with unread bytes resets the
        # connection (RFC 2525 §2.17), and the peer might lose the last lines.
        pass

    def drain(self) -> None:
        """Nothing to do when the service stops: the connection is closed after its last line.

        Closed earlier it would look complete. What lasts longer than `drain_seconds` is aborted.
        """

    def readConnectionLost(self) -> None:
        """Nothing to do: the rest of the lines is still owed."""

    def writeConnectionLost(self) -> None:
        """Nothing to do: connectionLost follows."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._counting is not None:
            self._counting.cancel()


class CountdownFactory(ServerFactory):
    """Builds a CountdownProtocol for each connection.

    Args:
        clock: The reactor, or in a test a Clock.
        start: The first number, at least 1.
        interval_seconds: From one line to the next, more than 0.
    """

    protocol: Any = CountdownProtocol
    noisy = False

    def __init__(self, clock: IReactorTime, start: int = 10, interval_seconds: float = 1.0) -> None:
        self.clock = clock
        self.start = start
        self.interval_seconds = interval_seconds


class CountdownSettings(ListenSettings):
    """Count down to 1 on every connection, one line a second, and close it.

    A line counts as activity, so `idle_seconds` must be longer than the wait for the next one.
    """

    listen: Endpoint = "tcp:7001:interface=127.0.0.1"
    start: Annotated[int, Meta(ge=1, le=1_000_000, description="first number")] = 10
    interval_seconds: Annotated[
        float, Meta(gt=0, description="from one line to the next, in seconds")
    ] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.interval_seconds >= self.idle_seconds:
            raise SettingsError(
                [
                    f"interval_seconds ({self.interval_seconds:g}) must be less than "
                    f"idle_seconds ({self.idle_seconds:g}), which ends the connection"
                ]
            )


def make(shared: Shared, settings: CountdownSettings) -> IService:
    """A countdown service that listens where the settings say."""
    factory = CountdownFactory(shared.reactor, settings.start, settings.interval_seconds)
    return listening(shared, factory, settings)


SERVICE = Declaration(CountdownSettings, make)
