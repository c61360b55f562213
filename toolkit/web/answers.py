"""Answers: a value as JSON, with a status and headers, other bytes, or an error in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.web.encoding import encoded
from toolkit.web.errors import INTERNAL, HttpError
from toolkit.web.headers import check_headers

_log = Logger()

_BODILESS = (204, 304)  # RFC 9110 §6.4.1
_OF_ANOTHER_BODY = (b"content-encoding", b"content-range", b"etag", b"last-modified")


class JsonResponse(NamedTuple):
    """An answer that is more than a value.

    Args:
        value: What msgspec encodes as JSON; None for an answer without a body.
        status: The status; without a body, 200 is sent as 204.
        headers: More headers; one named like a usual one (`Cache-Control`) takes its place.
    """

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}


class BytesResponse(NamedTuple):
    """An answer that is not JSON, of a route whose errors are: a text, a table, a picture.

    Args:
        body: What is sent as it is.
        kind: Its Content-Type.
        status: The status.
        headers: More headers; one named like a usual one (`Cache-Control`) takes its place.
    """

    body: bytes
    kind: str = "application/octet-stream"
    status: int = 200
    headers: Mapping[str, str] = {}


def send_value(request: Any, value: Any) -> None:
    """Answer a request with what a handler returns.

    Args:
        request: A request of `twisted.web` that has not been answered.
        value: What msgspec encodes (of a row of the database, an object by the columns' names),
            None, a JsonResponse or a BytesResponse.

    Raises:
        TypeError: It is none of these.
        RuntimeError: The handler has written something itself, and then returned something else.
    """
    if request.startedWriting or request.finished:
        if value is not None:
            raise RuntimeError("the handler wrote an answer itself, and then returned another")
        if not request.finished:
            request.finish()
    elif isinstance(value, BytesResponse):
        send(request, value.status, value.body, {"content-type": value.kind, **value.headers})
    else:
        answered = value if isinstance(value, JsonResponse) else JsonResponse(value)
        body = b"" if answered.value is None else encoded(answered.value)
        send(request, answered.status, body, answered.headers)


def send(request: Any, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Answer a request, with what caches do not keep and browsers do not take for a page.

    Args:
        request: A request of `twisted.web` that has not been answered.
        status: The status.
        body: JSON unless the headers say otherwise, or nothing: then there is no Content-Type,
            and 200 becomes 204. A status that has no body is sent without.
        headers: More headers, or others.

    Raises:
        TypeError: The status, the body or a header is none.
        ValueError: A header is none that can be sent, or it is for the server to set.
    """
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise TypeError(f"expected a status from 200 to 599, found {status!r}")
    if not isinstance(body, bytes):
        raise TypeError(f"expected a body of bytes, found {type(body).__name__}")
    check_headers(headers)
    set_header = request.responseHeaders.setRawHeaders
    set_header(b"cache-control", [b"no-store"])
    set_header(b"x-content-type-options", [b"nosniff"])
    if status in _BODILESS:
        body = b""
    if body:
        set_header(b"content-type", [b"application/json"])
        set_header(b"content-length", [b"%d" % len(body)])
    elif status == 200:
        status = 204
    for name, value in headers.items():
        set_header(name, [value])
    if status != 200:
        request.setResponseCode(status)
        if not body and status not in _BODILESS:
            set_header(b"content-length", [b"0"])
    if body:
        request.write(body)
    request.finish()


def send_error(request: Any, error: HttpError) -> None:
    """Answer a request with an error; one whose answer has begun is cut off, if it can be still.

    It raises nothing: no request is left without an answer. An error that cannot be sent is
    logged, and answered as one of the server; if that cannot be sent either, the connection is
    closed.

    Args:
        request: A request of `twisted.web`.
        error: The error.
    """
    try:
        _send_error(request, error)
    except BaseException:  # noqa: BLE001 - an error is anybody's class, and there is no other net
        tell(request, Failure())
        try:
            _send_error(request, INTERNAL)
        except BaseException:  # noqa: BLE001 - likewise: what is left is the connection's end
            tell(request, Failure())
            request.loseConnection()


def _send_error(request: Any, error: HttpError) -> None:
    if request.finished or request.channel is None:
        return
    if request.startedWriting:
        request.loseConnection()
    else:
        for name in _OF_ANOTHER_BODY:
            request.responseHeaders.removeHeader(name)
        send(request, error.status, error.body, error.headers)


def tell(request: Any, failure: Failure) -> None:
    """Log why a request could not be answered.

    Args:
        request: The request.
        failure: What was raised.
    """
    _log.failure(
        "could not answer {method} {path}",
        failure,
        method=request.method.decode("latin-1"),
        path=request.path.decode("latin-1"),
    )
