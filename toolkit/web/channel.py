"""One HTTP connection: deadlines, limits, and answers to what cannot be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisted.web.http import HTTPChannel

from toolkit.web.errors import Refusal
from toolkit.web.refusals import (
    BODY_TOO_LARGE,
    HEAD_TOO_LARGE,
    MALFORMED,
    NO_HOST,
    TOO_SLOW,
    URI_TOO_LONG,
)
from toolkit.web.request import LimitedRequest

if TYPE_CHECKING:
    from toolkit.web.site import LimitedSite, WebSettings

_LABEL = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(
    rb"(?:(?=.{1,254}(?::|$))%b(?:\.%b)*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?"
    % (_LABEL, _LABEL)
)
_ABSOLUTE = re.compile(rb"https?://[^/?#]+(?P<path>/[^?#]*)?(?P<query>\?.*)?", re.IGNORECASE)


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
