"""The limits of a listening service: how many connections, how long idle, how they end."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import Logger
from zope.interface import implementer

from toolkit.accepting import aloud
from toolkit.connection import Connection, abort

QUIET_SECONDS = 1.0
"""A raw TCP connection without a byte for so long, and with nothing owed to it, is done."""

SWEEP_SECONDS = 2.5
"""The longest from one look at the connections to the next; a limit is kept within two looks."""


MIN_SWEEP_SECONDS = 0.02
"""The shortest: a limit of a microsecond must not take the whole processor."""


class Limits(Protocol):
    """What `Connections` reads of a service's settings."""

    @property
    def max_connections(self) -> int: ...
    @property
    def max_connections_per_peer(self) -> int: ...
    @property
    def idle_seconds(self) -> float: ...
    @property
    def write_stall_seconds(self) -> float: ...


class _Refused(TwistedProtocol):
    """Closes its connection at once. (A factory may return None instead, but not under TLS.)"""

    def connectionMade(self) -> None:
        abort(self.transport)


@implementer(IProtocolFactory)
class Connections:
    """A factory that lets another one's protocols live within limits.

    Too many connections, in all or from one peer (an IPv4 address, an IPv6 /64): the new one is
    closed at once, and the number of those is logged once a second at most. A connection without
    a byte either way for `idle_seconds` is closed; one whose peer takes nothing of what waits for
    it for `write_stall_seconds`, or that has been asked to close and still is open after so long
    without a byte, is aborted. Each happens at most a quarter of the time, or 5 s, too late, but
    may be 0.04 s late.

    Args:
        clock: The reactor, or in a test a Clock.
        factory: Builds the protocols. They must take attributes, as any Protocol does.
        limits: The four limits.
        name: The service's name, for the log.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, factory: IProtocolFactory, limits: Limits, name: str
    ) -> None:
        self._clock = clock
        self._factory = factory
        self._limits = limits
        self._name = name
        self._open: dict[Connection, None] = {}
        self._by_peer: Counter[str] = Counter()
        self._refused = 0
        self._refused_why = ("", 0)
        self._refusals: IDelayedCall | None = None
        self._sweeper: IDelayedCall | None = None
        self._empty: list[Deferred[None]] = []
        self.refused_in_all = 0
        shortest = min(limits.idle_seconds, limits.write_stall_seconds)
        self._sweep_seconds = max(MIN_SWEEP_SECONDS, min(SWEEP_SECONDS, shortest / 8))

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._open)

    # IProtocolFactory

    def doStart(self) -> None:
        """The port has been bound."""
        aloud(self._factory.doStart)

    def doStop(self) -> None:
        """The port has been closed."""
        self._factory.doStop()

    def buildProtocol(self, addr: IAddress) -> Any:
        """The factory's own protocol, or one that closes the connection at once."""
        peer = _peer(addr)
        if len(self._open) >= self._limits.max_connections:
            return self._refuse(
                "there are {limit} connections already", self._limits.max_connections
            )
        if peer is not None and self._by_peer[peer] >= self._limits.max_connections_per_peer:
            return self._refuse(
                "their peer has {limit} already", self._limits.max_connections_per_peer
            )
        try:
            protocol = self._factory.buildProtocol(addr)
        except Exception:  # noqa: BLE001 - the port would leave the connection open, unserved
            self._log.failure("{service} could not build a protocol", service=self._name)
            return _Refused()
        if protocol is None:
            return _Refused()
        Connection(self, protocol, peer)
        return protocol

    def _refuse(self, why: str, limit: int) -> _Refused:
        self._refused += 1
        self._refused_why = (why, limit)
        self.refused_in_all += 1
        if self._refusals is None:
            self._say_refused()
        return _Refused()

    def _say_refused(self) -> None:
        self._refusals = None
        if self._refused:
            self._log_refused()
            self._refusals = self._clock.callLater(1.0, self._say_refused)

    def _log_refused(self) -> None:
        why, limit = self._refused_why
        self._log.warn(
            "{service} refused {refused} connection(s): " + why,
            service=self._name,
            refused=self._refused,
            limit=limit,
        )
        self._refused = 0

    def opened(self, connection: Connection) -> None:
        """A connection has been made."""
        connection.quiet_since = connection.stalled_since = self._clock.seconds()
        self._open[connection] = None
        if connection.peer is not None:
            self._by_peer[connection.peer] += 1
        if self._sweeper is None:
            self._sweeper = self._clock.callLater(self._sweep_seconds, self._sweep)

    def closed(self, connection: Connection) -> None:
        """A connection has been lost."""
        del self._open[connection]
        peer = connection.peer
        if peer is not None:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]
        if self._open:
            return
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        waiting, self._empty = self._empty, []
        for told in waiting:
            if not told.called:
                told.callback(None)

    def _sweep(self) -> None:
        self._sweeper = self._clock.callLater(self._sweep_seconds, self._sweep)
        now = self._clock.seconds()
        idle, stall = self._limits.idle_seconds, self._limits.write_stall_seconds
        for connection in list(self._open):
            if connection not in self._open:  # the end of another one has ended it
                continue
            connection.look(now)
            stalled, quiet = now - connection.stalled_since, now - connection.quiet_since
            if stalled >= stall:
                self._say_dropped(connection, "it takes nothing of what was sent to it", stalled)
                connection.abort()
            elif connection.leaving and quiet >= stall:
                self._say_dropped(connection, "it was asked to close, and is silent", quiet)
                connection.abort()
            elif quiet >= idle and not connection.leaving and not connection.owed():
                self._say_dropped(connection, "it is idle", quiet)
                connection.close()

    def _say_dropped(self, connection: Connection, why: str, seconds: float) -> None:
        self._log.debug(
            "{service} closes a connection of {peer}: " + why + " for {seconds:.0f} s",
            service=self._name,
            peer=connection.peer,
            seconds=seconds,
        )

    # Ending

    def emptied(self) -> Deferred[None]:
        """A Deferred that fires when the last connection has been lost."""
        told: Deferred[None] = Deferred()
        if self._open:
            self._empty.append(told)
        else:
            told.callback(None)
        return told

    def close_quiet(self) -> None:
        """Close each connection that is done: by its own `drain()` where the protocol has one
        (called once), else when it has been quiet for a second and nothing is owed to it."""
        now = self._clock.seconds()
        for connection in list(self._open):
            if connection.asked or connection not in self._open:
                continue
            connection.look(now)
            drain = getattr(connection.protocol, "drain", None)
            if drain is not None:
                connection.asked = True
                self._ask(connection, drain)
            elif now - connection.quiet_since >= QUIET_SECONDS and not connection.owed():
                connection.asked = True
                connection.close()

    def _ask(self, connection: Connection, drain: Callable[[], object]) -> None:
        try:
            drain()
        except Exception:  # noqa: BLE001 - the others must be asked all the same
            self._log.failure("{service} could not drain a connection", service=self._name)
            connection.abort()

    def abort_all(self) -> None:
        """Close every connection now."""
        for connection in list(self._open):
            connection.abort()

    def close(self) -> None:
        """Stop the timers; no connection must be open."""
        for timer in (self._refusals, self._sweeper):
            if timer is not None and timer.active():
                timer.cancel()
        self._refusals = self._sweeper = None
        if self._refused:
            self._log_refused()


def _peer(address: IAddress) -> str | None:
    """Who counts as one peer: an IPv4 address, an IPv6 /64; None where there is no telling."""
    host = getattr(address, "host", None)
    if not isinstance(host, str) or ":" not in host:
        return host
    ip = ipaddress.IPv6Address(host.partition("%")[0])
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    # A host has a whole /64 to itself (RFC 4291 §2.5.4) and can come from any address in it.
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
