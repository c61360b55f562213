"""A response, whose body is read at its reader's pace."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

from toolkit.http.parser import ResponseParser
from toolkit.http.request import Request

_WHOLE = Failure(ResponseDone("the body is whole"))


@implementer(IResponse)
class Response:
    """A response; see `IResponse`.

    Its body waits for `deliverBody`, and what has not come yet waits in the peer. The reader's
    transport can pause, and abort. The reader's `connectionLost` is told ResponseDone when the
    body is whole, else a FetchError.

    Args:
        parser: What has read its head.
        request: What it answers.
        connection: Where the rest of it comes from.
        now: The clock's seconds, when its head was complete.

    Attributes:
        fields: Names and values of its headers, as they came.
        coded: Whether there is a Content-Encoding.
        head_at: The clock's seconds when its head was complete.
        ended_at: The same for its body, 0 while it has not ended.
    """

    previousResponse: Any = None
    ended_at = 0.0
    _reader: Any = None
    _paused = False
    _end: Failure | None = None

    def __init__(
        self, parser: ResponseParser, request: Request, connection: Any, now: float = 0.0
    ) -> None:
        self.head_at = now
        self.code = parser.status
        self.phrase = parser.phrase
        self._minor = parser.minor
        self.request = request
        self.length: Any = UNKNOWN_LENGTH if parser.length is None else parser.length
        self.fields = parser.headers
        self.coded = parser.coded
        self._pieces = parser.body
        self._connection = connection

    @property
    def version(self) -> tuple[bytes, int, int]:
        """The version of HTTP: `(b"HTTP", 1, 1)`."""
        return (b"HTTP", 1, self._minor)

    @cached_property
    def headers(self) -> Headers:
        """The headers. They are made when they are asked for: many a response is only counted."""
        headers = Headers()
        for name, value in self.fields:
            headers.addRawHeader(name, value)
        return headers

    def setPreviousResponse(self, response: IResponse) -> None:
        """Note the response that led to this one."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to a protocol, piece by piece; once only.

        Raises:
            RuntimeError: It is being read already.
        """
        if self._reader is not None:
            raise RuntimeError("the body of this response is being read already")
        self._reader = protocol
        protocol.makeConnection(BodyTransport(self))  # type: ignore[arg-type] # so does twisted.web
        self.deliver()
        if self._connection is not None and not self._paused:
            self._connection.go_on()

    @property
    def is_read(self) -> bool:
        """Whether somebody reads the body, and has not paused."""
        return self._reader is not None and not self._paused

    def deliver(self) -> None:
        """Give the reader what has come, if there is one and it wants it."""
        if self._reader is None or self._paused:
            return
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._reader.dataReceived(data)
        if self._end is not None and not self._paused and not self._pieces:
            end, self._end = self._end, None
            self._reader.connectionLost(end)

    def take_whole(self) -> bytes | None:
        """The body, if all of it is here and nobody reads it; it is taken then.

        What `deliverBody` would give, without a protocol: most answers come in one piece.
        """
        if self._end is not _WHOLE or self._reader is not None:
            return None
        self._reader = _WHOLE  # nobody else's now
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def ended(self, error: BaseException | None, now: float) -> None:
        """Nothing more will come: the body is whole, or this is why not."""
        self.ended_at = now
        self._connection = None
        self._end = _WHOLE if error is None else Failure(error)
        if error is not None:
            self._pieces.clear()  # nobody is to take a part for the whole

    def pause(self) -> None:
        """Deliver nothing more for now; the peer is not read from."""
        self._paused = True
        if self._connection is not None:
            self._connection.wait()

    def resume(self) -> None:
        """Deliver again."""
        if not self._paused:
            return
        self._paused = False
        self.deliver()
        if self._connection is not None and not self._paused:
            self._connection.go_on()

    def abort(self) -> None:
        """Close the connection, if the body is not complete."""
        if self._connection is not None:
            self._connection.abort()


@implementer(IPushProducer)
class BodyTransport:
    """The transport of who reads a body: it can pause, and give up."""

    disconnecting = False

    def __init__(self, response: Response) -> None:
        self._response = response

    def pauseProducing(self) -> None:
        """Have nothing more delivered; the peer is not read from."""
        self._response.pause()

    def resumeProducing(self) -> None:
        """Go on."""
        self._response.resume()

    def abortConnection(self) -> None:
        """Close the connection, if the body is not complete: the rest is not wanted."""
        self._response.abort()

    stopProducing = abortConnection
    loseConnection = abortConnection
