"""For tests, under pytest and trial alike: connections in memory, results at once, leaks found.

Production code never imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocolFactory,
    ITCPTransport,
)
from twisted.internet.process import reapProcessHandlers
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

T = TypeVar("T")

PEER = IPv4Address("TCP", "192.0.2.1", 54321)
HOST = IPv4Address("TCP", "192.0.2.2", 80)


class _NoReactor:
    """What a FileDescriptor tells a reactor; in memory nobody has to know."""

    def _nothing(self, _descriptor: object) -> None: ...

    addReader = removeReader = addWriter = removeWriter = _nothing


@implementer(ITCPTransport)
class MemoryTransport(FileDescriptor):
    """A TCP transport in memory: Twisted's own buffers and producers, and a Peer for a network."""

    def __init__(self, peer: Peer, address: IAddress) -> None:
        super().__init__(_NoReactor())  # type: ignore[arg-type] # see _NoReactor
        self._peer = peer
        self._address = address
        self.protocol: Any = None
        self.connected = 1
        self.reading = True
        self.writing = False
        self.aborting = False
        self.options: dict[str, bool] = {}

    @property
    def producerState(self) -> str:
        """`producing`, or `paused` while the protocol's side does not read."""
        return "producing" if self.reading else "paused"

    def startReading(self) -> None:
        self.reading = True
        self._peer.pump()

    def stopReading(self) -> None:
        self.reading = False

    def startWriting(self) -> None:
        self.writing = True
        self._peer.pump()

    def stopWriting(self) -> None:
        self.writing = False

    def writeSomeData(self, data: bytes) -> int:
        return self._peer.takes(bytes(data))

    def connectionLost(self, reason: Failure) -> None:
        if self.disconnected:
            return
        super().connectionLost(reason)
        self.protocol.connectionLost(reason)

    def loseConnection(self) -> None:
        # The base class asks to write before it has noted why; a reactor writes a turn later.
        with self._peer.held():
            super().loseConnection()

    def loseWriteConnection(self) -> None:
        with self._peer.held():
            super().loseWriteConnection()

    def doRead(self) -> None:
        self._peer.deliver(self.bufferSize)

    def abortConnection(self) -> None:
        # As over TCP: nothing moves from now on, and the protocol is told when it has returned.
        if not self.disconnected:
            self.aborting = True
            self.reading = self.writing = False
            self._peer.pump()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        with self._peer.held():
            super().registerProducer(producer, streaming)

    def _closeWriteConnection(self) -> None:
        self._peer.half_closed = True
        self.stopWriting()
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.writeConnectionLost()

    def getPeer(self) -> Any:
        return self._address

    def getHost(self) -> Any:
        return HOST

    def getTcpNoDelay(self) -> bool:
        return self.options.get("nodelay", False)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options["nodelay"] = bool(enabled)

    def getTcpKeepAlive(self) -> bool:
        return self.options.get("keepalive", False)

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options["keepalive"] = bool(enabled)


class Peer:
    """The other end of a connection in memory: what `connected` gives.

    `received` holds what the protocol has sent; `protocol` and `transport` are the near end's.
    """

    def __init__(self, factory: IProtocolFactory, address: IAddress) -> None:
        self.received = b""
        self.half_closed = False
        self.transport = MemoryTransport(self, address)
        self._reads = True
        self._sent = bytearray()
        self._finished = False
        self._pumping = False
        self.protocol: Any = factory.buildProtocol(address)
        if self.protocol is None:
            self.transport.disconnected = 1
            self.transport.connected = 0
            return
        self.transport.protocol = self.protocol
        with self.held():
            self.protocol.makeConnection(self.transport)

    @property
    def connected(self) -> bool:
        """Whether the protocol's end is still open."""
        return not self.transport.disconnected

    def send(self, data: bytes) -> None:
        """Send bytes; while the protocol does not read, they wait."""
        self._sent += data
        self.pump()

    def send_eof(self) -> None:
        """Send the last byte: close one's own direction only."""
        self._finished = True
        self.pump()

    def stops_reading(self) -> None:
        """From now on, take nothing of what the protocol sends."""
        self._reads = False

    def starts_reading(self) -> None:
        """Take what waits, and what comes."""
        self._reads = True
        self.pump()

    def close(self) -> None:
        """Close the connection in good order."""
        self.transport.connectionLost(Failure(ConnectionDone()))

    def vanish(self) -> None:
        """Break the connection."""
        self.transport.connectionLost(Failure(ConnectionLost()))

    def takes(self, data: bytes) -> int:
        """How much the network takes of what the transport sends."""
        if not self._reads:
            return 0
        self.received += data
        return len(data)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Move no bytes inside the `with`; move them after it."""
        before, self._pumping = self._pumping, True
        try:
            yield
        finally:
            self._pumping = before
        self.pump()

    def pump(self) -> None:
        """Move bytes both ways until nothing moves any more."""
        if self._pumping or self.transport.protocol is None:
            return
        self._pumping = True
        try:
            while self.connected and self._moves():
                pass
        finally:
            self._pumping = False

    def _moves(self) -> bool:
        transport = self.transport
        if transport.aborting:
            transport.connectionLost(Failure(ConnectionAborted()))
        elif transport.reading and (self._sent or self._finished):
            transport.doRead()
        elif transport.writing and self._reads:
            outcome = transport.doWrite()
            if outcome is not None:
                transport.connectionLost(Failure(outcome))
        else:
            return False
        return True

    def deliver(self, size: int) -> None:
        """Give the protocol what was sent, at most so many bytes, or the end of it."""
        if self._sent:
            chunk = bytes(self._sent[:size])
            del self._sent[:size]
            self.protocol.dataReceived(chunk)
            return
        self._finished = False
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self.transport.stopReading()
            self.protocol.readConnectionLost()
        else:
            self.close()


def connected(factory: IProtocolFactory, address: IAddress = PEER) -> Peer:
    """Connect to what a factory builds, in memory.

    Args:
        factory: Any factory, of a server or a client.
        address: Who the peer appears to be.

    Returns:
        The other end. Bytes move at once, with no reactor.
    """
    return Peer(factory, address)


def result_of(deferred: Deferred[T]) -> T:
    """The result that a Deferred has by now; it keeps one that is not a failure.

    Raises:
        AssertionError: If it has none yet. A failure is raised as the exception it holds.
    """
    if is_waiting(deferred):
        raise AssertionError(f"no result yet: {deferred!r}")
    outcome: list[Any] = []

    def keep(result: Any) -> Any:
        outcome.append(result)
        return None if isinstance(result, Failure) else result

    deferred.addBoth(keep)
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    value: T = outcome[0]
    return value


def is_waiting(deferred: Deferred[Any]) -> bool:
    """Whether a Deferred has no result yet; it keeps the one it has."""
    return not deferred.called or bool(deferred.paused)


@contextmanager
def logged() -> Iterator[list[LogEvent]]:
    """Collect the events that are logged inside the `with`, in a list that grows."""
    events: list[LogEvent] = []

    @implementer(ILogObserver)
    def collect(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(collect)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(collect)


def failures_in(events: list[LogEvent]) -> list[LogEvent]:
    """The events that tell of a failure nobody handled, or an error logged as one."""
    return [
        event
        for event in events
        if event.get("log_failure") is not None or event.get("log_level") is LogLevel.critical
    ]


def leftovers(reactor: Any) -> list[str]:
    """What a test has left behind in a reactor: timers, sockets, processes.

    Args:
        reactor: The real reactor.

    Returns:
        A line for each; empty when all is clean.
    """
    internal: set[Any] = getattr(reactor, "_internalReaders", set())
    readers = [reader for reader in reactor.getReaders() if reader not in internal]
    return [
        *(f"timer: {call}" for call in reactor.getDelayedCalls()),
        *(f"reader: {reader!r}" for reader in readers),
        *(f"writer: {writer!r}" for writer in reactor.getWriters()),
        *(f"process: {pid}" for pid in reapProcessHandlers),
    ]
