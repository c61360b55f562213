"""A response's body, read to its end: whole, within its bound, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from toolkit.http.decoding import Decoder
from toolkit.http.failures import FetchError, fetch_error


def read_body(
    response: IResponse,
    decoder: Decoder,
    max_bytes: int,
    place: str,
    take: Callable[[bytes], object],
) -> Deferred[int]:
    """Read a body, and take its codings off.

    To be called as soon as the response is there: what the transport delivers before is lost
    to its bound.

    Args:
        response: The response; nobody else reads it.
        decoder: Takes the codings off.
        max_bytes: The most bytes after decoding.
        place: The host and port, for messages.
        take: Called with each piece of the body, decoded; it may raise FetchError.

    Returns:
        A Deferred with the number of bytes, decoded. It fails with FetchError: `body-too-large`,
        `decode-failed`, `truncated`, `malformed-response`, or what `take` raised. Failing or
        cancelled, it has closed the connection.
    """
    reader = _Reader(decoder, max_bytes, place, take)
    response.deliverBody(reader)
    return reader.done


def decode(
    data: bytes, decoder: Decoder, max_bytes: int, place: str, take: Callable[[bytes], object]
) -> int:
    """Take the codings off a body that is all there.

    Args:
        data: The body.
        decoder: Takes the codings off.
        max_bytes: The most bytes after decoding.
        place: The host and port, for messages.
        take: Called with each piece of the body, decoded; it may raise FetchError.

    Returns:
        The number of bytes, decoded.

    Raises:
        FetchError: `body-too-large`, `decode-failed`, or what `take` raised.
    """
    size = _fed(data, decoder, 0, max_bytes, place, take)
    decoder.finish()
    return size


def _fed(
    data: bytes,
    decoder: Decoder,
    size: int,
    max_bytes: int,
    place: str,
    take: Callable[[bytes], object],
) -> int:
    for piece in decoder.feed(data):
        size += len(piece)
        if size > max_bytes:
            raise FetchError(
                f"{place} sent more than {max_bytes} bytes; allow more (max_bytes) if you want "
                "them",
                "body-too-large",
            )
        take(piece)
    return size


def abandon(response: IResponse) -> Deferred[None]:
    """Close the connection of a response whose body nobody wants.

    Returns:
        A Deferred that fires when the response has ended.
    """
    abandoned = _Abandoned()
    response.deliverBody(abandoned)
    return abandoned.done


def _connection(protocol: Protocol) -> Any:
    # twisted.web's response gives its reader a proxy that can neither abort nor say how the
    # connection ended; behind it is the connection itself.
    return getattr(protocol.transport, "_producer", None) or protocol.transport


def _abort(connection: Any) -> None:
    getattr(connection, "abortConnection", connection.loseConnection)()


class _Abandoned(Protocol):
    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        _abort(_connection(self))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            self.done.callback(None)


class _Reader(Protocol):
    def __init__(
        self, decoder: Decoder, max_bytes: int, place: str, take: Callable[[bytes], object]
    ) -> None:
        self.done: Deferred[int] = Deferred(lambda _: self._give_up())
        self._decoder = decoder
        self._size = 0
        self._max_bytes = max_bytes
        self._place = place
        self._take = take
        self._ended = False
        self._error: FetchError | None = None
        self._peer: Any = None

    def connectionMade(self) -> None:
        self._peer = _connection(self)

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            self._size = _fed(
                data, self._decoder, self._size, self._max_bytes, self._place, self._take
            )
        except FetchError as error:
            # It is told when the response has ended: twisted.web is still in the middle of it, and
            # may yet put the connection into the pool.
            self._error = error
            self._give_up()

    def _give_up(self) -> None:
        self._ended = True
        _abort(self._peer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._ended:
            if self._error is not None and not self.done.called:
                self.done.errback(self._error)
            return
        self._ended = True
        error = reason.value
        try:
            # Without Content-Length and chunks the end of the connection is the end of the body
            # (RFC 9112 §6.3), but only if it ended in good order.
            if isinstance(error, PotentialDataLoss):
                lost = getattr(self._peer, "lost", None)
                if lost is not None and not lost.check(ConnectionDone):
                    raise fetch_error(lost.value, self._place, in_body=True) from lost.value
            elif isinstance(error, FetchError):
                raise error
            elif error is not None and not isinstance(error, ResponseDone):
                raise fetch_error(error, self._place, in_body=True) from error
            self._decoder.finish()
        except FetchError as failed:
            self.done.errback(failed)
        else:
            self.done.callback(self._size)
