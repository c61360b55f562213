"""Errors carry a status, a sentence and a code, and are whole answers where there is no route."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

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


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ((None,), TypeError, "expected a message of text, found None"),
        ((b"x",), TypeError, "expected a message of text, found b'x'"),
        (("x", 7), TypeError, "expected a code of text, found 7"),
        (("x", "\udcff"), ValueError, "expected a code that is a word in ASCII"),
        (("x", "no word"), ValueError, "expected a code that is a word in ASCII, found 'no word'"),
        (("x", "c", "404"), TypeError, "expected a status from 300 to 599, found '404'"),
        *[
            (("x", "c", status), ValueError, f"a status from 300 to 599, found {status}")
            for status in (0, 99, 200, 204, 600, 1000)
        ],
        (("x", "c", 429, {"Retry-After": 5}), TypeError, "expected a header of text"),
        (("x", "c", 429, {"Content-Length": "5"}), ValueError, "is for the server to set"),
    ],
)
def test_an_error_that_cannot_be_sent_cannot_be_made(
    given: tuple[Any, ...], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        HttpError(*given)
    assert said in str(caught.value)


def test_a_status_may_be_pythons_own() -> None:
    assert HttpError("a", "b", HTTPStatus.NOT_FOUND).status == 404


def test_half_a_character_in_a_message_is_shown() -> None:
    error = HttpError("there is no \udcff, \ud800, é or \n")
    assert msgspec.json.decode(error.body)["error"] == "there is no \\udcff, \\ud800, é or \n"


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
