"""What is asked: method, headers and body, and what becomes of them on the way. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from toolkit.http.request import Prepared
from toolkit.http.urls import Target

PIECE_BYTES = 65_536

_OF_ONE_ORIGIN = (b"authorization", b"cookie", b"host", b"proxy-authorization")
_OF_A_BODY = (
    b"content-encoding", b"content-language", b"content-length", b"content-location",
    b"content-type",
)  # fmt: skip


class Asked(NamedTuple):
    """A request, without its URL.

    Args:
        method: The method.
        headers: Those that the caller wants; they are never changed.
        body: The body, or None.
    """

    method: bytes = b"GET"
    headers: Headers | None = None
    body: bytes | None = None

    def headers_for(self, target: Target, prepared: Prepared, cookie: bytes | None) -> Headers:
        """The headers of the request for a URL.

        Args:
            target: What is asked for; its user is sent, unless the caller's headers have another.
            prepared: The headers of a request that has no others, which are given back as they
                are where that is so.
            cookie: The value of a Cookie header, or None.
        """
        if self.headers is None and cookie is None and target.authorization is None:
            return prepared
        headers = prepared.copy()
        if target.authorization is not None:
            headers.setRawHeaders(b"authorization", [target.authorization])
        if cookie is not None:
            headers.setRawHeaders(b"cookie", [cookie])
        if self.headers is not None:
            for name, values in self.headers.getAllRawHeaders():
                headers.setRawHeaders(name, values)
        return headers

    def redirected(self, status: int, same_origin: bool) -> Asked:
        """What is asked of where a redirect leads (RFC 9110 §15.4, Fetch standard §4.4).

        Args:
            status: The status of the redirect.
            same_origin: Whether it leads to the same origin; credentials are not given to another.
        """
        method, headers, body = self
        if (status in (301, 302) and method == b"POST") or (
            status == 303 and method not in (b"GET", b"HEAD")
        ):
            method, body = b"GET", None
            headers = _without(headers, _OF_A_BODY)
        if not same_origin:
            headers = _without(headers, _OF_ONE_ORIGIN)
        return Asked(method, headers, body)


def _without(headers: Headers | None, names: tuple[bytes, ...]) -> Headers | None:
    if headers is None or not any(map(headers.hasHeader, names)):
        return headers
    headers = headers.copy()
    for name in names:
        headers.removeHeader(name)
    return headers


@implementer(IBodyProducer)
class BytesProducer:
    """Produces a body that is all there, as it is taken: so a peer that takes nothing is noticed.

    Args:
        body: The body.
    """

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._left = memoryview(body)
        self._paused = self._writing = False
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write it, in pieces, until the consumer pauses.

        Returns:
            A Deferred that fires when all is written.
        """
        done: Deferred[None] = Deferred()
        self._consumer, self._done = consumer, done
        self._write()
        return done

    def pauseProducing(self) -> None:
        """Write nothing more for now."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._paused = False
        self._write()

    def stopProducing(self) -> None:
        """Write nothing more: nobody wants the rest."""
        self._consumer = None

    def _write(self) -> None:
        if self._writing:  # the consumer has resumed it from inside its own write
            return
        self._writing = True
        while self._left and self._consumer is not None and not self._paused:
            piece, self._left = self._left[:PIECE_BYTES], self._left[PIECE_BYTES:]
            self._consumer.write(bytes(piece))
        self._writing = False
        if not self._left and self._done is not None:
            done, self._done = self._done, None
            done.callback(None)
