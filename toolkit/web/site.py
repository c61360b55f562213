"""A web site with limits: heads, bodies and keep-alive are bounded, and stopping is clean."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from toolkit.listen import ListenSettings, listening
from toolkit.service import Shared
from toolkit.settings import Meta
from toolkit.web.access import GONE, AccessLog
from toolkit.web.answers import send_error
from toolkit.web.errors import INTERNAL, Refusal

_LABEL = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(
    rb"(?:(?=.{1,254}(?::|$))%b(?:\.%b)*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?"
    % (_LABEL, _LABEL)
)
_ABSOLUTE = re.compile(rb"https?://[^/?#]+(?P<path>/[^?#]*)?(?P<query>\?.*)?", re.IGNORECASE)
_BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)', re.IGNORECASE)

MALFORMED = Refusal(400, "malformed-request", "the request is not HTTP/1.1 as RFC 9112 has it")
NO_HOST = Refusal(400, "invalid-host", "the request must name one host in one valid Host header")
TOO_SLOW = Refusal(408, "request-timeout", "the request did not come in time")
BODY_TOO_LARGE = Refusal(413, "body-too-large", "the body is larger than this server reads")
TOO_MANY_FIELDS = Refusal(413, "too-many-fields", "the form has more fields than this server reads")
URI_TOO_LONG = Refusal(414, "uri-too-long", "the first line is longer than this server reads")
HEAD_TOO_LARGE = Refusal(431, "head-too-large", "the headers are more than this server reads")


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
    max_headers: Annotated[int, Meta(ge=1, description="most headers of a request")] = 100
    max_form_fields: Annotated[
        int, Meta(ge=1, description="most fields of a form, which is read as a whole")
    ] = 1000
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
        if command == b"POST" and self._has_too_many_fields():
            self.channel.refuse(TOO_MANY_FIELDS, command, path)
            return
        self.is_logged = False
        super().requestReceived(command, path, version)

    def _has_too_many_fields(self) -> bool:
        """Whether it is a form that takes long to read: Twisted's readers have no limit."""
        most: int = self.channel.settings.max_form_fields
        kind = (self.requestHeaders.getRawHeaders(b"content-type") or [b""])[0]
        media = kind.partition(b";")[0].strip().lower()
        if media not in (b"application/x-www-form-urlencoded", b"multipart/form-data"):
            return False
        assert self.content is not None  # the body has come
        self.content.seek(0)
        form: bytes = self.content.read()
        if media.startswith(b"application"):
            return form.count(b"&") + form.count(b";") >= most
        boundary = _BOUNDARY.search(kind)
        return form.count(b"--" + boundary[1] if boundary else b"\n--") > most + 1

    def processingFailed(self, reason: Failure) -> Failure:
        """A resource has raised: the log is told what, the peer only that (stock: a page)."""
        self._log.failure(
            "could not answer {method} {path}",
            reason,
            method=self.method.decode("latin-1"),
            path=self.path.decode("latin-1"),
        )
        if not (self.finished or self._disconnected):
            send_error(self, INTERNAL)
        return reason

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
    _between_requests = True
    _has_begun = False  # whether the first byte of the request that is due has come
    _command = _path = b""
    _draining = False
    _refused = False

    def connectionMade(self) -> None:
        """The first head is due."""
        self.totalHeadersSize = self.MAX_LENGTH = self.settings.max_head_bytes
        self.maxHeaders = self.settings.max_headers
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
            self.refuse(TOO_SLOW)
        super().timeoutConnection()

    def allHeadersReceived(self) -> None:
        """The head is whole: the body is due, unless it is announced larger than allowed."""
        if not self._names_a_host(self.requests[-1].requestHeaders.getRawHeaders(b"host", [])):
            self.refuse(NO_HOST)
        elif self._path[:1] != b"/" and not self._has_target():
            self.refuse(MALFORMED)
        elif self.length is not None and self.length > self.settings.max_body_bytes:
            self.refuse_body()
        else:
            super().allHeadersReceived()
            if self.length != 0:
                self.setTimeout(self.settings.body_seconds)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of the head is longer than the whole head may be."""
        self._refuse_head()

    def _refuse_head(self) -> None:
        """Answer 431 (RFC 6585 §5), or 414 if it is the first line (RFC 9110 §15.5.15)."""
        self.refuse(HEAD_TOO_LARGE if self._command else URI_TOO_LONG)

    def _names_a_host(self, hosts: list[bytes]) -> bool:
        """Whether there is one valid Host, which HTTP/1.1 asks for (RFC 9112 §3.2)."""
        if not hosts and self._version != b"HTTP/1.1":
            return True
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    def _has_target(self) -> bool:
        """Whether the target is one of those that do not begin with a slash (RFC 9112 §3.2).

        A whole URL is taken for its path and query; of this server, `*` is all there is.
        """
        absolute = _ABSOLUTE.fullmatch(self._path)
        if absolute is not None:
            self._path = (absolute["path"] or b"/") + (absolute["query"] or b"")
            return True
        return self._path == b"*" and self._command == b"OPTIONS"

    def lineReceived(self, line: bytes) -> None:
        """A line of the head; of a refused request there is nothing more to read."""
        if self._refused:
            return
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self._refuse_head()
        else:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """A piece of a body; of a refused request there is nothing more to read."""
        if not self._refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """The request is whole: it is answered, unless it was refused."""
        if not self._refused:
            super().allContentReceived()

    def refuse_body(self) -> None:
        """Answer 413 (RFC 9110 §15.5.14) and close."""
        self.refuse(BODY_TOO_LARGE)

    def refuse(self, refusal: Refusal, command: bytes = b"", path: bytes = b"") -> None:
        """Answer the request that is being read with an error, once, and close.

        Args:
            refusal: The error.
            command: The request's method, where it has been read as a whole.
            path: Its URI, likewise.
        """
        if self._refused:
            return
        self._refused = True
        command, path = command or self._command, path or self._path
        self.transport.write(refusal.answer(with_body=command != b"HEAD"))
        self.loseConnection()
        self._account(refusal.status, command, path)

    def _respondToBadRequestAndDisconnect(self) -> None:
        too_many = self._receivedHeaderCount > self.maxHeaders
        self.refuse(HEAD_TOO_LARGE if too_many else MALFORMED)

    def _account(self, status: int, command: bytes, path: bytes) -> None:
        """Log the event of a request that is refused; its first line may not have been read."""
        request = self.requests[-1] if self.requests else LimitedRequest(self)
        request.is_logged = True
        self.site.log_as(request, command or b"-", path or b"-", status)

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
