"""One HTTP connection: deadlines, limits, and answers to what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from toolkit.log import log_context
from toolkit.web.deadline import Deadline
from toolkit.web.errors import Refusal
from toolkit.web.identity import request_id
from toolkit.web.refusals import (
    BODY_TOO_LARGE,
    HEAD_TOO_LARGE,
    MALFORMED,
    NO_HOST,
    NO_PROXY,
    OTHER_VERSION,
    TOO_SLOW,
    UNKNOWN_CODING,
    URI_TOO_LONG,
    malformed,
)
from toolkit.web.request import LimitedRequest
from toolkit.web.target import method_of_other_version, name_a_host, path_of

if TYPE_CHECKING:
    from toolkit.web.site import LimitedSite, WebSettings

_FRAMING = (b"Content-Length", b"Transfer-Encoding")
_NO_TARGET = malformed("its target is neither a path that begins with / nor a URL of http or https")
_MOST_DIGITS = 18  # of a length: Python takes a time to read very many, or refuses to


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
    _command = _path = _line = b""
    _hosts: list[bytes] | None = None  # those that were found good last: mostly the next are equal
    _draining = False
    _refused = False

    def __init__(self, clock: IReactorTime, settings: WebSettings) -> None:
        super().__init__()
        self.settings = settings
        times = (settings.head_seconds, settings.body_seconds, settings.keep_alive_seconds)
        self._deadline = Deadline(clock, min(times), self.timeoutConnection)

    def connectionMade(self) -> None:
        """The first head is due."""
        self.totalHeadersSize = self.MAX_LENGTH = self.settings.max_head_bytes
        self.maxHeaders = self.settings.max_headers
        self.timeOut = self.settings.head_seconds  # type: ignore[assignment] # a float does too
        super().connectionMade()
        self._between_requests = False

    def setTimeout(self, period: float | None) -> float | None:
        """Set the deadline, or none; what it was set to before."""
        previous: float | None = self.timeOut
        self.timeOut = period  # type: ignore[assignment] # a float does too
        self._deadline.within(period)
        return previous

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override] # it is always given
        """The connection has ended, and with it every deadline."""
        super().connectionLost(reason)
        self._deadline.stop()

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
        hosts = self.requests[-1].requestHeaders.getRawHeaders(b"host", [])
        path = self._path if self._path[:1] == b"/" else path_of(self._command, self._path)
        if hosts != self._hosts and not name_a_host(hosts, self._version):
            self.refuse(NO_HOST)
        elif path is None:
            self.refuse(NO_PROXY if self._command == b"CONNECT" else _NO_TARGET)
        elif self.length is not None and self.length > self.settings.max_body_bytes:
            self.refuse_body()
        else:
            self._hosts = hosts or None
            self._path = path
            super().allHeadersReceived()
            if self.length != 0:
                self.setTimeout(self.settings.body_seconds)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of the head is longer than the whole head may be."""
        self._line = line
        self._refuse_head()

    def _refuse_head(self) -> None:
        """Answer 431 (RFC 6585 §5), or 414 if it is the first line (RFC 9110 §15.5.15)."""
        if self._command:
            self.refuse(HEAD_TOO_LARGE)
        else:
            self.refuse(URI_TOO_LONG, b"HEAD" if self._line.startswith(b"HEAD ") else b"")

    def lineReceived(self, line: bytes) -> None:
        """A line of the head. One that is folded has another meaning to some (RFC 9112 §5.2)."""
        if line[:1] in (b" ", b"\t"):
            self.refuse(malformed("a line of its head begins with a blank"))
        else:
            self._line = line
            HTTPChannel.lineReceived(self, line)

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        """Whether a header is none that tells where the body ends, or one that can be followed."""
        if header not in _FRAMING:
            return True
        if header == b"Transfer-Encoding" and data.lower() != b"chunked":
            self.refuse(UNKNOWN_CODING)
        elif data.isdigit() and len(data) > _MOST_DIGITS:
            self.refuse_body()
        elif header == b"Content-Length" and not data.isdigit():
            self.refuse(malformed("its Content-Length is not one number"))
        elif self._transferDecoder is not None:
            self.refuse(malformed("it tells twice where its body ends"))
        else:
            return bool(super()._maybeChooseTransferDecoder(header, data))
        return False

    def rawDataReceived(self, data: bytes) -> None:
        """A piece of a body."""
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
        # There is nothing more to read.
        self.lineReceived = self.rawDataReceived = _ignore  # type: ignore[assignment,method-assign]
        command, path = command or self._command, path or self._path
        # Its first line may not have been read.
        request = self.requests[-1] if self.requests else LimitedRequest(self)
        identity = request_id(request.requestHeaders.getRawHeaders(b"x-request-id"))
        answer = refusal.answer(identity, with_body=command != b"HEAD")
        self.transport.write(answer)
        request.sentLength = len(answer.partition(b"\r\n\r\n")[2])
        self.loseConnection()
        request.is_logged = True
        with log_context(request_id=identity):
            self.site.log_as(request, command or b"-", path or b"-", refusal.status)

    def _respondToBadRequestAndDisconnect(self) -> None:
        method = b"" if self._command else method_of_other_version(self._line)
        if self._receivedHeaderSize > self.totalHeadersSize:
            self._refuse_head()
        elif self._receivedHeaderCount > self.maxHeaders:
            self.refuse(HEAD_TOO_LARGE)
        elif method:
            self.refuse(OTHER_VERSION, method)
        elif not self._command and not self._line.isascii():
            self.refuse(malformed("its first line is not ASCII; percent-encode what is not"))
        elif not self.line_mode:
            self.refuse(malformed("a chunk of its body is not as RFC 9112 has it"))
        else:
            self.refuse(MALFORMED)

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

    def _close_idle(self) -> None:
        if not self.requests:
            self.loseConnection()

    def drain(self) -> None:
        """Close the connection as soon as the requests that have begun are answered.

        Those count that the kernel has already: an idle connection is closed after a turn of the
        reactor in which nothing came.
        """
        self._draining = True
        if not self.requests:
            # Two calls, for between them there is a whole turn, whichever part this one is in.
            self.callLater(0, lambda: self.callLater(0, self._close_idle))
            return
        self.persistent = False
        for request in self.requests:
            if not request.startedWriting:
                request.responseHeaders.setRawHeaders(b"connection", [b"close"])


def _ignore(data: bytes) -> None:
    pass
