"""What a fetch comes to: a Page, or how far it came and how long each part of it took."""

from __future__ import annotations

from typing import NamedTuple

from twisted.web.http_headers import Headers


def values_of(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The values of a header, in the order they came.

    Args:
        fields: Names and values of an answer's headers, as they came.
        name: The header's name, in lower case.
    """
    size = len(name)  # first: it is most of the difference, and costs nothing
    return [value for key, value in fields if len(key) == size and key.lower() == name]


class Timings(NamedTuple):
    """Where the seconds of a fetch went, redirects and retries included.

    None is a phase that did not happen: a connection that is used again has no `name`, `connect`
    and `tls`.

    Args:
        queue: Waiting: for its turn, its origin's pace, a connection, another try.
        name: Finding the host's addresses.
        connect: Opening the connection.
        tls: The TLS handshake.
        first_byte: From the request's being sent to the head of the answer.
        body: From there to the end of the body.
    """

    queue: float | None = None
    name: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    body: float | None = None


class Trail(NamedTuple):
    """How far a fetch came that failed.

    Args:
        final_url: The URL that was asked last, without user and fragment.
        seconds: How long it took in all, waiting included.
        timings: Where they went.
        attempts: How often it was tried, redirects not counted.
        redirects: The URLs that redirected, in order, without user and fragment.
        status: The status of the last answer, None where there was none.
    """

    final_url: str
    seconds: float
    timings: Timings
    attempts: int
    redirects: tuple[str, ...]
    status: int | None


class Page:
    """What a URL answered.

    Args:
        url: The URL as it was given.
        final_url: The URL that answered, after redirects; without user and fragment.
        status: The status code.
        fields: Names and values of the answer's headers, as they came.
        body: The body, decoded; empty for a download.
        size: The bytes of the body, decoded.
        seconds: How long it took in all, waiting, redirects and retries included.
        timings: Where the seconds went.
        attempts: How often it was tried, redirects not counted.
        redirects: The URLs that redirected, in order, without user and fragment.
    """

    __slots__ = (
        "_headers", "attempts", "body", "fields", "final_url", "redirects", "seconds", "size",
        "status", "timings", "url",
    )  # fmt: skip

    def __init__(
        self,
        url: str,
        final_url: str,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        size: int,
        seconds: float,
        timings: Timings,
        attempts: int = 1,
        redirects: tuple[str, ...] = (),
    ) -> None:
        self.url = url
        self.final_url = final_url
        self.status = status
        self.fields = fields
        self.body = body
        self.size = size
        self.seconds = seconds
        self.timings = timings
        self.attempts = attempts
        self.redirects = redirects
        self._headers: Headers | None = None

    def __repr__(self) -> str:
        return f"<Page {self.status} {self.final_url} of {self.size} bytes>"

    @property
    def headers(self) -> Headers:
        """The answer's headers; made when they are asked for: many a page is only counted."""
        if self._headers is None:
            self._headers = Headers()
            for name, value in self.fields:
                self._headers.addRawHeader(name, value)
        return self._headers
