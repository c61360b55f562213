"""Answers in JSON: a value, with a status and headers, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from toolkit.web.errors import HttpError


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


def send(request: Any, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Answer a request with JSON, which caches do not keep and browsers do not take for a page.

    Args:
        request: A request of `twisted.web` that has not been answered.
        status: The status.
        body: JSON, or nothing: then there is no Content-Type, and 200 becomes 204.
        headers: More headers, or others.
    """
    set_header = request.responseHeaders.setRawHeaders
    set_header(b"cache-control", [b"no-store"])
    set_header(b"x-content-type-options", [b"nosniff"])
    if body:
        set_header(b"content-type", [b"application/json"])
        set_header(b"content-length", [b"%d" % len(body)])
    elif status == 200:
        status = 204
    for name, value in headers.items():
        set_header(name, [value])
    if status != 200:
        request.setResponseCode(status)
        if not body and status not in (204, 304):
            set_header(b"content-length", [b"0"])
    if body:
        request.write(body)
    request.finish()


def send_error(request: Any, error: HttpError) -> None:
    """Answer a request with an error; one whose answer has begun is cut off.

    Args:
        request: A request of `twisted.web`.
        error: The error.
    """
    if request.startedWriting:
        request.loseConnection()
    else:
        send(request, error.status, error.body, error.headers)
