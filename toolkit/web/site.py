"""A web site with limits: heads, bodies and keep-alive are bounded, and stopping is clean."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from toolkit.listen import ListenSettings, listening
from toolkit.service import Shared
from toolkit.settings import Meta
from toolkit.web.access import GONE, AccessLog

_LABEL = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(
    rb"(?:(?=.{1,254}(?::|$))%b(?:\.%b)*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?"
    % (_LABEL, _LABEL)
)


class WebSettings(ListenSettings):
    """Where a web service listens, and the limits of its connections and requests."""

    keep_alive_seconds: Annotated[
        float, Meta(gt=0, description="close a connection when no further request has begun")
    ] = 60.0
    head_seconds: Annotated[
        float, Meta(gt=0, description="how long the head of a request may take to come")
    ] = 10.0
    max_head_bytes: Annotated[
        int, Meta(ge=256, description="most bytes of a request's first line and headers")
    ] = 16 * 1024
    body_seconds: Annotated[
        float, Meta(gt=0, description="how long the body of a request may take to come")
    ] = 30.0
    max_body_bytes: Annotated[int, Meta(ge=0, description="most bytes of a request's body")] = (
        1024 * 1024
    )
    access_log: Annotated[
        bool, Meta(description="log an event for each request, as toolkit.web.access")
    ] = True


def serving(shared: Shared, resource: IResource, settings: WebSettings) -> IService:
    """A service that serves a resource over HTTP/1.1.

    Args:
        shared: The reactor, and the service's name for the log.
        resource: A `twisted.web` resource; of a Klein app, `app.resource()`.
        settings: Where to listen, and the limits.

    Returns:
        A service. When it stops, idle connections are closed at once, and the requests that have
        begun are answered, with `Connection: close`, for at most `drain_seconds`.
    """
    return listening(shared, LimitedSite(shared.reactor, resource, settings), settings)


class LimitedRequest(Request):
    """A request whose body is refused (413) as soon as it is larger than allowed."""

    channel: Any
    method: bytes
    uri: bytes
    is_logged = True  # but for the time between its end and that of its answer

    def __init__(self, channel: Any, *arguments: Any) -> None:
        super().__init__(channel, *arguments)
        self.began = time.monotonic()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is whole."""
        self.is_logged = False
        super().requestReceived(command, path, version)

    def connectionLost(self, reason: Any) -> None:
        """The connection is lost before the answer was complete."""
        site = self.channel.site
        super().connectionLost(reason)
        if not self.is_logged:
            status = self.code if self.startedWriting else GONE
            site.log_as(self, self.method, self.uri, status, gone=True)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body has come."""
        super().handleContentChunk(data)
        if self.content is not None and self.content.tell() > self.channel.settings.max_body_bytes:
            self.channel.refuse_body()


class LimitedChannel(HTTPChannel):
    """One connection. A deadline stands over the head of a request, then over its body.

    (Stock HTTPChannel begins its time-out again at every byte: one byte a second holds a
    connection for ever.)
    """

    settings: WebSettings
    site: LimitedSite
    transport: Any
    _abortingCall: Any
    _transferDecoder: Any
    _between_requests = True
    _has_begun = False  # whether the first byte of the request that is due has come
    _command = _path = b""
    _draining = False
    _refused = False

    def connectionMade(self) -> None:
        """The first head is due."""
        self.totalHeadersSize = self.MAX_LENGTH = self.settings.max_head_bytes
        self.timeOut = self.settings.head_seconds  # type: ignore[assignment] # a float does too
        super().connectionMade()
        self._between_requests = False

    def resetTimeout(self) -> None:
        """Bytes have come: the first ones of a request begin the deadline of its head."""
        self._has_begun = True
        if self._between_requests:
            self._between_requests = False
            self.setTimeout(self.settings.head_seconds)

    def timeoutConnection(self) -> None:
        """A deadline has passed: what has come of a request is answered 408 (RFC 9110 §15.5.9).

        A peer that has sent nothing expects no answer, and gets none.
        """
        if self._has_begun and not self._between_requests:
            self._refuse(b"408 Request Timeout")
        # As Twisted's own, but for the line it would log for each.
        if self.abortTimeout is not None:
            self._abortingCall = self.callLater(self.abortTimeout, self.forceAbortClient)
        self.loseConnection()

    def forceAbortClient(self) -> None:
        """It still has not gone a while after that: cut it off."""
        self._abortingCall = None
        self.transport.abortConnection()

    def allHeadersReceived(self) -> None:
        """The head is whole: the body is due, unless it is announced larger than allowed."""
        if not self._names_a_host(self.requests[-1].requestHeaders.getRawHeaders(b"host", [])):
            self._refuse(b"400 Bad Request")
        elif self.length is not None and self.length > self.settings.max_body_bytes:
            self.refuse_body()
        else:
            super().allHeadersReceived()
            if self.length != 0:
                self.setTimeout(self.settings.body_seconds)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of the head is longer than the whole head may be (RFC 6585 §5)."""
        self._refuse(b"431 Request Header Fields Too Large")

    def _names_a_host(self, hosts: list[bytes]) -> bool:
        """Whether there is one valid Host, which HTTP/1.1 asks for (RFC 9112 §3.2)."""
        if not hosts and self._version != b"HTTP/1.1":
            return True
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    def lineReceived(self, line: bytes) -> None:
        """A line of the head; of a refused request there is nothing more to read."""
        if not self._refused:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """A piece of a body; of a refused request there is nothing more to read."""
        if self._refused:
            return
        super().rawDataReceived(data)
        chunks = self._transferDecoder
        if getattr(chunks, "state", "") == "BODY" and chunks.length > self.settings.max_body_bytes:
            self.refuse_body()  # a chunk says its size before it comes

    def allContentReceived(self) -> None:
        """The request is whole: it is answered, unless it was refused."""
        if not self._refused:
            super().allContentReceived()

    def refuse_body(self) -> None:
        """Answer 413 (RFC 9110 §15.5.14) and close."""
        self._refuse(b"413 Content Too Large")

    def _refuse(self, status: bytes) -> None:
        if self._refused:
            return
        self._refused = True
        self.transport.write(
            b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
        )
        self.loseConnection()
        self._account(int(status[:3]))

    def _respondToBadRequestAndDisconnect(self) -> None:
        super()._respondToBadRequestAndDisconnect()
        self._account(400)

    def _account(self, status: int) -> None:
        """Log the event of a request that is refused; its first line may not have been read."""
        request = self.requests[-1] if self.requests else LimitedRequest(self)
        request.is_logged = True
        self.site.log_as(request, self._command or b"-", self._path or b"-", status)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Whether another request may follow this one."""
        if not self._draining:
            return bool(super().checkPersistence(request, version))
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return False

    def requestDone(self, request: Any) -> None:
        """An answer is complete: wait for the next request."""
        self._savedTimeOut = self.settings.keep_alive_seconds
        self._between_requests = True
        self._command = self._path = b""
        super().requestDone(request)

    def drain(self) -> None:
        """Close the connection as soon as the requests that have begun are answered."""
        self._draining = True
        if not self.requests:
            self.loseConnection()
            return
        self.persistent = False
        for request in self.requests:
            if not request.startedWriting:
                request.responseHeaders.setRawHeaders(b"connection", [b"close"])


class LimitedSite(Site):
    """A Site whose connections keep limits, and whose access log is events, not a file.

    Args:
        reactor: The reactor; it times the limits.
        resource: The root of what is served.
        settings: The limits.
    """

    noisy = False

    def __init__(self, reactor: IReactorTime, resource: IResource, settings: WebSettings) -> None:
        super().__init__(resource, requestFactory=LimitedRequest, reactor=reactor)
        self._settings = settings
        self._access = AccessLog(reactor)

    def protocol(self) -> LimitedChannel:  # type: ignore[override] # the one that knows no HTTP/2
        """A channel with the limits."""
        channel = LimitedChannel()
        channel.settings = self._settings
        return channel

    def startFactory(self) -> None:
        """It is listened to. (Stock Site would open a file, and wake up every second.)"""
        self._access.start()

    def stopFactory(self) -> None:
        """It is listened to no more; there may be requests that are still answered."""
        self._access.stop()

    def log(self, request: Any) -> None:
        """Log the event of a request that has been answered."""
        request.is_logged = True
        self.log_as(request, request.method, request.uri, request.code)

    def log_as(
        self, request: Any, method: bytes, uri: bytes, status: int, gone: bool = False
    ) -> None:
        """Log the event of a request, if that is wanted; see `AccessLog.add`."""
        if self._settings.access_log:
            self._access.add(request, method, uri, status, gone)
