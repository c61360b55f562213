"""A request as it goes out: its head, and a body that is counted or cut into chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer, IClientRequest
from zope.interface import implementer

from toolkit.http.failures import FetchError, shown

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[!-~]+")
_NEVER = re.compile(rb"[\0\r\n]")
_OURS = frozenset((b"content-length", b"transfer-encoding"))
"""What frames a message is said once, and by who sends it (RFC 9112 §6)."""
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""Methods for which it does not matter whether it was done once or twice (RFC 9110 §9.2.2)."""
_WITH_CONTENT = frozenset((b"POST", b"PUT", b"PATCH"))


class Prepared(Headers):
    """Headers of many requests: what is the same for all of them is rendered once.

    Args:
        fields: Names and values. Neither Host nor what frames a body is among them.
    """

    def __init__(self, fields: Mapping[bytes, list[bytes]]) -> None:
        super().__init__(dict(fields))
        self.lines = b"".join(b"%b: %b\r\n" % field for field in _checked(self))

    def copy(self) -> Headers:
        """The same, which can be changed."""
        return Headers(dict(self.getAllRawHeaders()))


@implementer(IClientRequest)
class Request:
    """One request.

    Args:
        pool: What it is given to; it can take it back (`cancel`).
        origin: Where it goes; its `host_field` is the value of Host, unless the headers have one,
            and `asked` the proxy that is asked in its place, or None. What stands behind the target
            of the last request with Prepared headers is kept in it.
        method: The method.
        uri: The whole URL, as its response tells it; None to make it of origin and target.
        target: What stands in the request line: path and query.
        headers: The headers, or None.
        body: Produces the body, or None.
        answered: Is told of the answer by `callback` and `errback`, in place of a Deferred.

    Raises:
        FetchError: `invalid-url`, where method or URL hold what would end the line.

    Attributes:
        phase: Where it stands: one of the words of `toolkit.http.page.Timings`.
        name_seconds: How long finding the addresses took, where a connection was opened for it.
        connect_seconds: The same for opening it.
        tls_seconds: The same for the handshake.
        since: The clock's seconds when the last phase of connecting began.
        sent_at: The clock's seconds when it was sent last, 0 if it was not.
    """

    phase = "queue"
    name_seconds: float | None = None
    connect_seconds: float | None = None
    tls_seconds: float | None = None
    since = sent_at = 0.0
    connection: Any = None
    expects = is_cancelled = False

    def __init__(
        self,
        pool: Any,
        origin: Any,
        method: bytes,
        uri: bytes | None,
        target: bytes,
        headers: Headers | None,
        body: IBodyProducer | None,
        answered: Any = None,
    ) -> None:
        if method not in IDEMPOTENT and not _TOKEN.fullmatch(method):
            raise FetchError(f"{shown(repr(method))} is no method", "invalid-url")
        # Without a URI it is the path of a Target, which is made of nothing else.
        if uri is not None and not _TARGET.fullmatch(target):
            raise FetchError(
                f"{shown(repr(uri), 300)} cannot be asked for: write what is no "
                "printable ASCII as %XX",
                "invalid-url",
            )
        self.method = method
        self._uri = uri
        self._target = target
        self.headers = headers
        self.body = body
        self.repeatable = body is None and method in IDEMPOTENT
        self.answered = Deferred(self.cancel) if answered is None else answered
        self.origin = origin
        self.pool = pool
        proxy = origin.asked
        if proxy is not None:
            target = b"http://%b%b" % (origin.host_field, target)  # RFC 9112 §3.2.2
            if proxy.authorization is not None:
                headers = Headers() if headers is None else headers.copy()
                headers.setRawHeaders(b"proxy-authorization", [proxy.authorization])
        if headers is None and self.repeatable:
            self.head = b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, origin.host_field)
            return
        if isinstance(headers, Prepared) and self.repeatable:
            if origin.prepared is not headers:
                origin.prepared = headers
                origin.rest_of_head = b" HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (
                    origin.host_field, headers.lines
                )  # fmt: skip
            self.head = b"%b %b%b" % (method, target, origin.rest_of_head)
            return
        lines = [b"%b %b HTTP/1.1" % (method, target)]
        self._add(headers or Headers(), origin.host_field, lines)
        if body is not None:
            if body.length is UNKNOWN_LENGTH:
                lines.append(b"Transfer-Encoding: chunked")
            else:
                lines.append(b"Content-Length: %d" % body.length)
        elif method in _WITH_CONTENT:
            lines.append(b"Content-Length: 0")
        lines.append(b"\r\n")
        self.head = b"\r\n".join(lines)

    @property
    def absoluteURI(self) -> bytes:
        """The whole URL; see `IClientRequest`."""
        if self._uri is not None:
            return self._uri
        scheme = b"https" if self.origin.secure else b"http"
        return b"%b://%b%b" % (scheme, self.origin.host_field, self._target)

    def take_answered(self) -> Any:
        """The Deferred of the answer, to fire it. The request knows neither it nor its connection
        any more: the response knows the request, and none shall wait for the garbage collector."""
        answered, self.answered = self.answered, None
        self.connection = None
        assert answered is not None
        return answered

    def cancel(self, _: object = None) -> None:
        """Take it back, before it is answered; nobody is told."""
        self.is_cancelled = True
        self.answered = None
        self.pool.cancel(self)

    def _add(self, headers: Headers, host: bytes, lines: list[bytes]) -> None:
        if not headers.hasHeader(b"host"):
            lines.append(b"Host: " + host)
        for name, value in _checked(headers):
            if name.lower() in _OURS:
                continue
            if name.lower() == b"expect" and self.body is not None:
                self.expects = value.lower() == b"100-continue"
            lines.append(b"%b: %b" % (name, value))


def _checked(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    for name, values in headers.getAllRawHeaders():
        for value in values:
            if _NEVER.search(value) or not _TOKEN.fullmatch(name):
                raise FetchError(
                    f"the header {shown(repr(name))} cannot be sent: {shown(repr(value))}",
                    "invalid-url",
                )
            yield name, value


@implementer(IPushProducer)
class BodyWriter:
    """What a body producer writes to: as many bytes as were announced, or chunks.

    To the transport it is the producer itself, so that its connection is told when the peer
    does not take what it is sent.

    Args:
        connection: The connection.
        producer: Produces the body.
    """

    def __init__(self, connection: Any, producer: Any) -> None:
        self._connection = connection
        self._producer = producer
        self._transport = connection.transport
        self._chunked = producer.length is UNKNOWN_LENGTH
        self._left = 0 if self._chunked else producer.length

    def pauseProducing(self) -> None:
        """The peer does not read."""
        self._connection.upload_waits(True)
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The peer reads again."""
        self._connection.upload_waits(False)
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The connection has ended."""
        self._producer.stopProducing()

    def write(self, data: bytes) -> None:
        """Send some more; raises ValueError where that is more than was announced."""
        if self._chunked:
            if data:
                self._transport.writeSequence((b"%x\r\n" % len(data), data, b"\r\n"))
            return
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("the body producer has written more than its length")
        self._transport.write(data)

    def finish(self) -> None:
        """Say that it is all; raises ValueError where it is less than was announced."""
        if self._left:
            raise ValueError(f"the body producer has written {self._left} bytes too few")
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
