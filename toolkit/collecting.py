"""Collect: connect, read the connection to its end, and tell a clean end from a broken one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from toolkit.concurrency import deferred, gather_limited, within
from toolkit.connect import client_endpoint, why
from toolkit.errors import ConnectFailed, ConnectionBroken, TimedOut, TooLarge, ToolkitError
from toolkit.sending import send_file

MAX_BYTES = 16 * 1024 * 1024
TIMEOUT_SECONDS = 30.0


@deferred
async def collect(
    reactor: IReactorTime,
    endpoint: IStreamClientEndpoint | str,
    max_bytes: int = MAX_BYTES,
    timeout_seconds: float = TIMEOUT_SECONDS,
    send: bytes | BinaryIO | None = None,
) -> bytes:
    """Connect, read the connection to its clean end, and give all that came.

    Args:
        reactor: The reactor; with an endpoint of one's own, whatever is its clock.
        endpoint: Where to connect: an endpoint, or a description such as `tcp:HOST:PORT`,
            `tcp:[::1]:PORT`, `tls:HOST:PORT` (certificate verified) or `unix:PATH`.
        max_bytes: The most bytes that may come. One more, and the connection is aborted.
        timeout_seconds: One deadline over connecting, sending and reading.
        send: What to send first: bytes, or a file that is read as the peer takes it. After it
            one's own direction is closed. (Not over TLS: there Twisted has no half-close, and
            it is for the server to end.)

    Returns:
        A Deferred with the bytes. Cancelling it aborts the connection. It fails with

        - ConnectFailed when no connection was made: refused, no such name, a certificate that
          does not verify, a description that is none (code `invalid-endpoint`);
        - ConnectionBroken when it was lost before its end, when TLS was cut off without
          close_notify (RFC 8446 §6.1), or when the peer would not take all that was to be sent;
        - TooLarge and TimedOut, the connection having been aborted.
    """
    data = bytearray()
    await collect_into(reactor, endpoint, data.extend, max_bytes, timeout_seconds, send)
    return bytes(data)


@deferred
async def collect_into(
    reactor: IReactorTime,
    endpoint: IStreamClientEndpoint | str,
    write: Callable[[bytes], object],
    max_bytes: int = MAX_BYTES,
    timeout_seconds: float = TIMEOUT_SECONDS,
    send: bytes | BinaryIO | None = None,
) -> int:
    """Connect, and hand each piece that comes to a function, until the connection's clean end.

    Args:
        reactor: As for `collect`, like the other arguments not described here.
        endpoint: Where to connect.
        write: Called with each piece, in order; together they are at most `max_bytes`. While it
            runs, nothing more is read. If it raises, the connection is aborted.
        max_bytes: The most bytes that may come.
        timeout_seconds: One deadline over connecting, sending and reading.
        send: What to send first.

    Returns:
        A Deferred with the number of bytes. It fails as that of `collect` does, or with what
        `write` raised; what came before has been handed over. Cancelling it aborts the connection.
    """
    name = str(endpoint)
    if isinstance(endpoint, str):
        endpoint = client_endpoint(reactor, endpoint)
    collector = _Collector(reactor, name, write, max_bytes, send)
    try:
        await within(reactor, timeout_seconds, _read(endpoint, collector))
    except TimedOut as error:
        what = f"no end of what {name} sends" if collector.connected else f"no connection to {name}"
        came = f"; {collector.received} bytes came" if collector.connected else ""
        raise TimedOut(f"{what} within {timeout_seconds:g} s{came}") from error
    return collector.received


@dataclass(frozen=True)
class Collected:
    """What became of one endpoint.

    Args:
        endpoint: Its description.
        data: All that it sent, or None if it failed.
        error: Why it failed, or None.
        seconds: How long it took, from the attempt to connect.
        partial: What had come when it failed.
    """

    endpoint: str
    data: bytes | None
    error: ToolkitError | None
    seconds: float
    partial: bytes = b""


def collect_all(
    reactor: IReactorTime,
    endpoints: Iterable[IStreamClientEndpoint | str],
    max_bytes: int = MAX_BYTES,
    timeout_seconds: float = TIMEOUT_SECONDS,
    limit: int = 50,
) -> Deferred[list[Collected]]:
    """Collect from several endpoints; each one's failure is kept beside it.

    Args:
        reactor: The reactor.
        endpoints: As for `collect`; read one by one, as room comes free.
        max_bytes: The most bytes that may come from each.
        timeout_seconds: The deadline of each, from its own attempt to connect.
        limit: The most connections at once, at least 1.

    Returns:
        A Deferred with a Collected for each endpoint, in the order given. Cancelling it aborts
        all connections.
    """

    @deferred
    async def one(endpoint: IStreamClientEndpoint | str) -> Collected:
        began = reactor.seconds()
        data, error = bytearray(), None
        try:
            await collect_into(reactor, endpoint, data.extend, max_bytes, timeout_seconds)
        except ToolkitError as failed:
            error = failed
        took = reactor.seconds() - began
        if error is None:
            return Collected(str(endpoint), bytes(data), None, took)
        return Collected(str(endpoint), None, error, took, bytes(data))

    return gather_limited(one, endpoints, limit)


@deferred
async def _read(endpoint: IStreamClientEndpoint, collector: _Collector) -> None:
    factory = Factory.forProtocol(lambda: collector)
    factory.noisy = False
    try:
        await endpoint.connect(factory)
    except CancelledError:
        raise
    except ConnectingCancelledError as error:
        raise CancelledError from error
    except Exception as error:
        raise ConnectFailed(f"cannot connect to {collector.name}: {why(error)}") from error
    await collector.ended


@implementer(IHalfCloseableProtocol)
class _Collector(Protocol):
    """One connection, over when the peer has ended it and all that was to be sent is sent.

    `ended` fires once the connection is gone, however it ended.
    """

    transport: Any

    def __init__(
        self,
        reactor: Any,
        name: str,
        write: Callable[[bytes], object],
        max_bytes: int,
        send: bytes | BinaryIO | None,
    ) -> None:
        self.name = name
        self.received = 0
        self.ended: Deferred[None] = Deferred(lambda _: self._fail(CancelledError()))
        self._reactor = reactor
        self._write = write
        self._max_bytes = max_bytes
        self._file = io.BytesIO(send) if isinstance(send, bytes) else send
        self._sent = send is None
        self._all_read = False
        self._handshaking = False
        self._error: Exception | None = None

    def connectionMade(self) -> None:
        if ISSLTransport.providedBy(self.transport):
            self._handshaking = True
            # Not in the class: Twisted's client endpoints pass on the last one only of the
            # interfaces that a protocol provides, and over TCP that must be the half-close.
            alsoProvides(self, IHandshakeListener)
        if self._file is not None:
            sending = send_file(self._reactor, self._file, self.transport)
            sending.addCallbacks(self._sending_done, self._sending_failed)

    def handshakeCompleted(self) -> None:
        self._handshaking = False

    def dataReceived(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._handshaking = False
        piece = data[: self._max_bytes - self.received]
        self.received += len(piece)
        try:
            if piece:
                self._write(piece)
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes to the Deferred
            self._fail(error)
            return
        if len(data) > len(piece):
            self._fail(TooLarge(f"{self.name} sent more than {self._max_bytes} bytes"))

    # Sending

    def _sending_done(self, _result: None) -> None:
        if ISSLTransport.providedBy(self.transport):
            self._sent = True
        else:
            self.transport.loseWriteConnection()

    def _sending_failed(self, failure: Failure) -> None:
        if isinstance(failure.value, OSError):
            message = f"what is to be sent to {self.name} cannot be read: {why(failure.value)}"
            error = ToolkitError(message, "read-failed")
            error.__cause__ = failure.value
            self._fail(error)

    def writeConnectionLost(self) -> None:
        self._sent = True
        if self._all_read:
            self.transport.loseConnection()

    # Ending

    def readConnectionLost(self) -> None:
        self._all_read = True
        if self._sent:
            self.transport.loseConnection()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            # An endpoint of another's may have transports that know only the one way to close.
            getattr(self.transport, "abortConnection", self.transport.loseConnection)()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        error = self._error or self._what_broke(reason.value)
        if self.ended.called:
            return
        if error is None:
            self.ended.callback(None)
        else:
            self.ended.errback(error)

    def _what_broke(self, reason: BaseException | None) -> Exception | None:
        came = f"after {self.received} bytes"
        error: ToolkitError
        if self._all_read or isinstance(reason, ConnectionDone):
            if self._sent:
                return None
            error = ConnectionBroken(f"{self.name} ended {came}, before it took all it was sent")
        elif self._handshaking:
            error = ConnectFailed(f"no TLS connection to {self.name}: {why(reason)}")
        else:
            is_tls = ISSLTransport.providedBy(self.transport)
            how = "was cut off without TLS's close_notify" if is_tls else "was lost"
            error = ConnectionBroken(f"the connection to {self.name} {how} {came}")
        error.__cause__ = reason
        return error
