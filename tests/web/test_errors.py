"""Errors carry a status, a sentence and a code, and are whole answers where there is no route."""

from __future__ import annotations

import msgspec
import pytest

from tests.web.calls import answers_in
from toolkit.web.errors import (
    INTERNAL,
    BadRequest,
    Conflict,
    HttpError,
    NotFound,
    Refusal,
    Unavailable,
    UnsupportedMediaType,
)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HttpError("a"), 500, "error"),
        (BadRequest("a"), 400, "bad-request"),
        (NotFound("a"), 404, "not-found"),
        (Conflict("a"), 409, "conflict"),
        (UnsupportedMediaType("a"), 415, "unsupported-media-type"),
        (Unavailable("a"), 503, "unavailable"),
        (NotFound("a", "no-such-note"), 404, "no-such-note"),
        (HttpError("a", "gone", 410), 410, "gone"),
    ],
)
def test_an_error_has_a_status_and_a_code(error: HttpError, status: int, code: str) -> None:
    assert (error.status, error.code) == (status, code)
    assert msgspec.json.decode(error.body) == {"error": "a", "code": code}


def test_what_a_peer_is_told_of_a_bug_is_nothing_of_it() -> None:
    assert (INTERNAL.status, INTERNAL.code) == (500, "internal-error")


@pytest.mark.parametrize(
    ("status", "first"),
    [
        (400, b"HTTP/1.1 400 Bad Request"),
        (413, b"HTTP/1.1 413 Content Too Large"),
        (414, b"HTTP/1.1 414 URI Too Long"),
        (431, b"HTTP/1.1 431 Request Header Fields Too Large"),
        (505, b"HTTP/1.1 505 HTTP Version Not Supported"),
    ],
)
def test_a_refusal_is_a_whole_answer(status: int, first: bytes) -> None:
    refusal = Refusal(status, "word", "what was wrong")
    whole = refusal.answer("seven")
    assert whole.startswith(first + b"\r\n")
    [answer] = answers_in(whole)
    assert (answer.status, answer.code) == (status, "word")
    assert answer.headers["x-request-id"] == "seven"
    assert answer.headers["connection"] == "close"
    head, _, _ = whole.partition(b"\r\n\r\n")
    assert refusal.answer("seven", with_body=False) == head + b"\r\n\r\n"
