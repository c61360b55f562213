"""One connection to an HTTP/1.1 server: a request and its response, and then the next."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from toolkit.http.failures import FetchError, fetch_error
from toolkit.http.parser import ResponseParser
from toolkit.http.request import BodyWriter, Request
from toolkit.http.response import Response

EXPECT_SECONDS = 1.0
"""How long a server is given to say `100 Continue` before the body is sent (RFC 9110 §10.1.1)."""

LONG_READ_BYTES = 262_144
"""How much of a body that did not come in one piece is read at once: half the system calls."""

CLOSE_SECONDS = 1.0
"""How long a peer is given for its goodbye over TLS."""


def _unwrap(transport: Any, protocol: Any) -> None:
    """Have a transport speak to its protocol, and not to what Twisted's endpoints put between
    them, to know when it is connected."""
    between = getattr(transport, "protocol", None)
    if getattr(between, "_wrappedProtocol", None) is protocol:
        transport.protocol = protocol


@implementer(IHandshakeListener)
class Connection(Protocol):
    """A connection of a pool.

    Args:
        pool: Is told when it is free again (`release`), and when it is gone (`lost`).
        origin: Where it leads; its `peer` is for messages, and `secure` says whether TLS comes
            first.
    """

    transport: Any

    def __init__(self, pool: Any, origin: Any) -> None:
        self.origin = origin
        self.ready: Deferred[BaseException | None] = Deferred()
        """Fires with None when it can be used, or with why it cannot."""
        self.reused = False
        self._pool = pool
        self._parser = ResponseParser(origin.peer)
        self._request: Request | None = None
        self._response: Response | None = None
        self._producer: Any = None  # of a body that is not sent to its end
        self._expecting: Any = None
        self._closing: Any = None
        self._error: BaseException | None = None
        self._usual_read_bytes = 0  # not 0: it reads by more now

    def connectionMade(self) -> None:
        if self.origin.secure:
            _unwrap(getattr(self.transport, "transport", None), self.transport)
        else:
            _unwrap(self.transport, self)
            self.ready.callback(None)

    def handshakeCompleted(self) -> None:
        if not self.ready.called:
            self.ready.callback(None)

    def send(self, request: Request) -> None:
        """Send a request; its `answered` fires with the response, or fails.

        Args:
            request: The request. This connection is free.
        """
        self._request = request
        request.connection = self
        self._parser.begin(request.method == b"HEAD")
        self.transport.write(request.head)
        pool = self._pool
        now = request.sent_at = pool.reactor.seconds()
        request.phase = "first_byte"
        if request.body is None:
            pool.first_bytes.watch(self, now)
        else:
            self._producer = request.body
            if request.expects:
                self._expecting = pool.reactor.callLater(EXPECT_SECONDS, self._send_body)
            else:
                self._send_body()

    def dataReceived(self, data: bytes) -> None:
        request, parser = self._request, self._parser
        if request is None:  # idle: nothing was asked
            self.transport.abortConnection()
            return
        try:
            parser.feed(data)
        except FetchError as error:
            self.abort(error)
            return
        if not parser.has_head:
            if self._expecting is not None and parser.status == 100:
                self._send_body()
            return
        now = self._pool.reactor.seconds()
        response = self._response
        if response is None:
            response = self._response = Response(parser, request, self, now)
            request.phase = "body"
            self._pool.first_bytes.forget(self)
            first = True
        else:
            first = False
        if parser.complete:
            if not first:
                self._pool.stalls.forget(self)
            self._finish(response, now)
        elif response.is_read:  # else it waits for its reader, who is not timed
            self._pool.stalls.watch(self, now)
            if first:
                self._read_by(LONG_READ_BYTES)
        if first:
            request.take_answered().callback(response)
            if self._response is response and not response.is_read:
                self.wait()
        else:
            response.deliver()

    def _finish(self, response: Response, now: float) -> None:
        self._request = self._response = None
        response.ended(None, now)
        if self._producer is not None:  # it is answered before it was asked to the end
            self._drop_body()
            self.transport.abortConnection()
        elif self._parser.keep_alive:
            self.reused = True
            if self._usual_read_bytes:
                self._read_by(self._usual_read_bytes)
            self._pool.release(self)
        else:
            self.close()

    def _read_by(self, size: int) -> None:
        """Have the socket read by so many bytes at once; it may lie below TLS, or two of them."""
        transport = self.transport
        while transport is not None and not hasattr(transport, "bufferSize"):
            transport = getattr(transport, "transport", None)
        if transport is not None:
            self._usual_read_bytes = 0 if self._usual_read_bytes else transport.bufferSize
            transport.bufferSize = size

    def close(self) -> None:
        """Close it in good order, nothing being in progress: within a second."""
        self.transport.loseConnection()
        if self.origin.secure:  # TLS waits for the peer's goodbye
            self._closing = self._pool.reactor.callLater(
                CLOSE_SECONDS, self.transport.abortConnection
            )

    def wait(self) -> None:
        """Read nothing more for now: that nothing comes is not the peer's fault then."""
        self._pool.stalls.forget(self)
        self.transport.pauseProducing()

    def go_on(self) -> None:
        """Read again."""
        self._pool.stalls.watch(self, self._pool.reactor.seconds())
        self.transport.resumeProducing()

    def upload_waits(self, waits: bool) -> None:
        """The peer does not take the body that it is sent, or takes it again."""
        if waits:
            self._pool.stalls.watch(self, self._pool.reactor.seconds())
        else:
            self._pool.stalls.forget(self)

    def abort(self, error: BaseException | None = None) -> None:
        """Close it at once; what is in progress fails.

        Args:
            error: Why.
        """
        self._error = self._error or error
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        pool = self._pool
        pool.first_bytes.forget(self)
        pool.stalls.forget(self)
        pool.lost(self)
        parser, request, response = self._parser, self._request, self._response
        self._request = self._response = None
        if self._producer is not None:
            self._drop_body()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        if not self.ready.called:
            self.ready.callback(reason.value)
        if request is not None:
            error = self._error or self._why(reason, response is not None)
            if response is not None:
                response.ended(error, pool.reactor.seconds())
                response.deliver()
            elif not request.is_cancelled and not self._again(request, parser):
                request.take_answered().errback(error)
        parser.close()

    def _why(self, reason: Failure, in_body: bool) -> BaseException | None:
        lost = reason.value
        if not isinstance(lost, ConnectionDone):
            return fetch_error(lost, self.origin.peer, in_body)  # type: ignore[arg-type] # never None
        try:
            self._parser.end(clean=True)
        except FetchError as error:
            return error
        return None

    def _again(self, request: Request, parser: ResponseParser) -> bool:
        """Whether it is asked once more: the server has closed an idle connection meanwhile."""
        if not self.reused or not request.repeatable or parser.begun or self._error is not None:
            return False
        request.repeatable = False
        request.phase = "queue"
        self._pool.again(request)
        return True

    def _send_body(self) -> None:
        producer = self._producer
        self._stop_expecting()
        writer = BodyWriter(self, producer)
        self.transport.registerProducer(writer, True)
        try:
            producing = producer.startProducing(writer)
        except Exception as error:  # noqa: BLE001 - whatever the caller's producer raises is the request's
            self.abort(error)
        else:
            producing.addCallback(self._body_sent, producer, writer)
            producing.addErrback(self._body_failed, producer)

    def _body_sent(self, _: Any, producer: Any, writer: BodyWriter) -> None:
        if self._producer is producer:
            writer.finish()
            self._producer = None
            self.transport.unregisterProducer()
            if self._response is None:
                self.upload_waits(False)
                self._pool.first_bytes.watch(self, self._pool.reactor.seconds())

    def _body_failed(self, failure: Failure, producer: Any) -> None:
        if self._producer is producer:
            self.abort(failure.value)

    def _stop_expecting(self) -> bool:
        expecting, self._expecting = self._expecting, None
        if expecting is None:
            return False
        if expecting.active():
            expecting.cancel()
        return True

    def _drop_body(self) -> None:
        producer, self._producer = self._producer, None
        if not self._stop_expecting():
            self.transport.unregisterProducer()
            producer.stopProducing()
