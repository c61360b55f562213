"""Errors that a request is answered with: a status, a sentence for people, a code for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from toolkit.errors import ToolkitError
from toolkit.web.headers import check_headers

_WORD = re.compile("[!-~]+")
# As RFC 9110 has them; Python's are older before 3.13.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long"}


class HttpError(ToolkitError):
    """What a request is answered with in place of what it asked for.

    The peer is told `{"error": message, "code": code}`: write the message for it.

    Args:
        message: What was wrong, and what would be right.
        code: The stable word for this case; the class's own when it is left out.
        status: The status, from 300 to 599; the class's own when it is left out.
        headers: More headers of the answer.

    Raises:
        TypeError: It could not be sent: the message, the code, the status or a header is not of
            its type.
        ValueError: Nor could it be: the code is no word, the status none of an error, or a header
            none that may be set.
    """

    status = 500

    def __init__(
        self,
        message: str,
        code: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code)
        if status is not None:
            self.status = status
        self.headers = headers or {}
        if not isinstance(message, str):
            raise TypeError(f"expected a message of text, found {message!r}")
        if not isinstance(self.code, str):
            raise TypeError(f"expected a code of text, found {self.code!r}")
        if _WORD.fullmatch(self.code) is None:
            raise ValueError(f"expected a code that is a word in ASCII, found {self.code!r}")
        if not isinstance(self.status, int):
            raise TypeError(f"expected a status from 300 to 599, found {self.status!r}")
        if not 300 <= self.status <= 599:
            raise ValueError(f"expected a status from 300 to 599, found {self.status}")
        check_headers(self.headers)

    @property
    def body(self) -> bytes:
        """What the peer is told; half a character (of a file's name, say) is escaped."""
        sentence = str(self).encode("utf-8", "backslashreplace").decode("utf-8")
        return msgspec.json.encode({"error": sentence, "code": self.code})


class BadRequest(HttpError):
    """The request is not as it should be (RFC 9110 §15.5.1)."""

    code = "bad-request"
    status = 400


class NotFound(HttpError):
    """There is no such thing (RFC 9110 §15.5.5)."""

    code = "not-found"
    status = 404


class Conflict(HttpError):
    """It does not fit what there is now (RFC 9110 §15.5.10)."""

    code = "conflict"
    status = 409


class UnsupportedMediaType(HttpError):
    """The body is of a kind that is not read here (RFC 9110 §15.5.16)."""

    code = "unsupported-media-type"
    status = 415


class Unavailable(HttpError):
    """It cannot be done now; later it may (RFC 9110 §15.6.4)."""

    code = "unavailable"
    status = 503


INTERNAL = HttpError("the server could not answer; its log says why", "internal-error")
"""What a peer is told of a bug."""


class Refusal(NamedTuple):
    """A request that is refused before it reaches a resource; the connection is closed.

    Args:
        status: The status.
        code: The stable word.
        sentence: What was wrong, and what would be right.
    """

    status: int
    code: str
    sentence: str

    def answer(self, identity: str, with_body: bool = True) -> bytes:
        """The whole answer, in HTTP/1.1.

        Args:
            identity: The request's id.
            with_body: Whether it has its body: that to HEAD has none.
        """
        body = HttpError(self.sentence, self.code).body
        return (
            b"HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            b"X-Request-Id: %s\r\nContent-Length: %d\r\n\r\n%s"
        ) % (
            self.status,
            (_PHRASES.get(self.status) or HTTPStatus(self.status).phrase).encode("ascii"),
            identity.encode("ascii"),
            len(body),
            body if with_body else b"",
        )
