"""Responses are read one way only, however their bytes are cut."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as some

from toolkit.http.failures import FetchError
from toolkit.http.parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def parsed(data: Iterable[bytes], head: bool = False, end: bool | None = None) -> ResponseParser:
    """A parser that was fed these pieces; `end` says whether the connection ended cleanly."""
    parser = ResponseParser("host:80")
    parser.begin(head)
    for piece in data:
        parser.feed(piece)
    if end is not None:
        parser.end(end)
    return parser


def told(parser: ResponseParser) -> tuple[Any, ...]:
    return (
        parser.status, parser.phrase, parser.minor, parser.headers, parser.trailers,
        b"".join(parser.body), parser.length, parser.has_head, parser.complete, parser.keep_alive,
    )  # fmt: skip


def code(*arguments: Any, **more: Any) -> str:
    with pytest.raises(FetchError) as caught:
        parsed(*arguments, **more)
    assert "host:80" in str(caught.value)
    return caught.value.code


WHOLE = [
    # what comes, status, body, whether the connection can be used again
    (OK + b"Content-Length: 2\r\n\r\nhi", 200, b"hi", True),
    (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    (OK + b"content-length:2\r\nConnection: close\r\n\r\nhi", 200, b"hi", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", False),
    (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        200, b"hi", True,
    ),
    (CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", 200, b"hi", True),
    (CHUNKED + b"2;a=b\r\nhi\r\n3;" + b"x" * 3_000 + b"\r\nhio\r\n0\r\n\r\n", 200, b"hihio", True),
    (CHUNKED + b"0\r\n\r\n", 200, b"", True),
    (OK + b"Transfer-Encoding: Chunked \r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, b"hi", True),
    (
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        200, b"hi", False,
    ),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
    (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
    (b"\r\n" + OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    (OK + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", True),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 32 + OK + b"Content-Length: 2\r\n\r\nhi", 200, b"hi", True),
    (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
        200, b"", True,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status", "body", "again"), WHOLE)
def test_a_whole_response_is_read(data: bytes, status: int, body: bytes, again: bool) -> None:
    parser = parsed([data])
    assert (parser.status, b"".join(parser.body)) == (status, body)
    assert (parser.has_head, parser.complete, parser.keep_alive) == (True, True, again)
    parser.end(clean=False)  # it does not matter any more


@given(some.sampled_from(WHOLE), some.lists(some.integers(0, 400), max_size=20))
def test_however_the_bytes_are_cut_the_response_is_the_same(
    whole: tuple[bytes, int, bytes, bool], cuts: list[int]
) -> None:
    data = whole[0]
    places = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert told(parsed(pieces)) == told(parsed([data]))
    assert told(parsed(bytes([one]) for one in data)) == told(parsed([data]))


@given(some.binary(max_size=300), some.booleans(), some.integers(1, 50))
def test_whatever_comes_is_a_response_or_an_error(data: bytes, head: bool, size: int) -> None:
    for begun in (b"", OK, CHUNKED, OK + b"Content-Length: 20\r\n\r\n"):
        parser = ResponseParser("host:80")
        parser.begin(head)
        try:
            for at in range(0, len(begun + data), size):
                parser.feed((begun + data)[at : at + size])
            parser.end(clean=True)
        except FetchError as error:
            assert error.code in ("malformed-response", "disconnected", "truncated")
        else:
            assert parser.complete


def test_headers_and_trailers_are_told_as_they_came() -> None:
    parser = parsed(
        [
            OK + b"X-A:  one \r\nx-a: two\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n0\r\nT: \xe4\r\nU:\r\n\r\n",
        ]
    )
    assert parser.headers == [
        (b"X-A", b"one"), (b"x-a", b"two"), (b"Transfer-Encoding", b"chunked"),
    ]  # fmt: skip
    assert parser.trailers == [(b"T", b"\xe4"), (b"U", b"")]
    assert (parser.phrase, parser.minor) == (b"OK", 1)


def test_the_headers_of_interim_responses_are_not_the_responses() -> None:
    parser = parsed([b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", OK + b"Content-Length: 0\r\n\r\n"])
    assert parser.headers == [(b"Content-Length", b"0")]
    assert parser.phrase == b"OK"


@pytest.mark.parametrize(
    "fields",
    [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"", b"Connection: x, y\r\n"],
)
def test_an_answer_to_HEAD_has_no_body_whatever_it_says(fields: bytes) -> None:
    parser = parsed([OK + fields + b"\r\n"], head=True)
    assert (parser.complete, parser.keep_alive, parser.body) == (True, True, [])
    parser.begin(False)
    parser.feed(OK + b"Content-Length: 2\r\n\r\nhi")
    assert (parser.complete, parser.body) == (True, [b"hi"])


def test_an_answer_to_HEAD_may_end_the_connection() -> None:
    assert not parsed([OK + b"connection: Close\r\n\r\n"], head=True).keep_alive
    assert not parsed([b"HTTP/1.0 200 OK\r\n\r\n"], head=True).keep_alive


def test_one_response_after_another() -> None:
    parser = ResponseParser("host:80")
    for number in range(3):
        parser.begin(False)
        parser.feed(OK + b"Content-Length: 1\r\n\r\n%d" % number)
        assert parser.complete
        assert parser.body == [b"%d" % number]
        assert parser.headers == [(b"Content-Length", b"1")]


def test_without_length_the_end_of_the_connection_is_the_end_of_the_body() -> None:
    parser = parsed([OK + b"\r\n", b"hi", b"ho"])
    assert (parser.has_head, parser.complete) == (True, False)
    parser.end(clean=True)
    assert (parser.complete, parser.keep_alive, parser.body) == (True, False, [b"hi", b"ho"])


@pytest.mark.parametrize(
    ("data", "clean", "expected"),
    [
        (b"", True, "disconnected"),
        (b"HTTP/1.1 200 O", True, "disconnected"),
        (OK + b"Content-Length: 2\r\n", True, "disconnected"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True, "disconnected"),
        (OK + b"Content-Length: 2\r\n\r\nh", True, "truncated"),
        (CHUNKED, True, "truncated"),
        (CHUNKED + b"2\r\nhi\r\n0\r\n", True, "truncated"),
        (OK + b"\r\nhi", False, "truncated"),
    ],
)
def test_a_response_that_is_cut_short_is_an_error(data: bytes, clean: bool, expected: str) -> None:
    assert code([data], end=clean) == expected


MALFORMED = [
    OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    OK + b"Content-Length: 2, 2\r\n\r\nhi",
    OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    OK + b"Transfer-Encoding: identity\r\n\r\n",
    OK + b"Content-Length: -1\r\n\r\n",
    OK + b"Content-Length: +1\r\n\r\nx",
    OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
    OK + b"Content-Length:\r\n\r\n",
    OK + b"X: a\r\n b\r\n\r\n",
    OK + b"X: a\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    OK + b"X: a\rb\r\n\r\n",
    OK + b"X: a\0b\r\n\r\n",
    OK + b"X : a\r\n\r\n",
    OK + b"no colon\r\n\r\n",
    CHUNKED + b"zz\r\nhi\r\n0\r\n\r\n",
    CHUNKED + b"-1\r\nhi\r\n0\r\n\r\n",
    CHUNKED + b"2\nhi\r\n0\r\n\r\n",
    CHUNKED + b"2\r\nhi!0\r\n\r\n",
    CHUNKED + b"0\r\nContent-Length: 1\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"hello",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 33,
    OK + b"Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    OK + b"Content-Length: 2\r\n\r\nhi and more",
    OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi and more",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    CHUNKED + b"0\r\n\r\nmore",
    CHUNKED + b"2;" + b"x" * 4_200 + b"\r\nhi\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("data", MALFORMED)
def test_what_could_be_read_in_two_ways_is_not_read(data: bytes) -> None:
    assert code([data]) == "malformed-response"
    assert code([bytes([one]) for one in data]) == "malformed-response"


def test_after_an_answer_to_HEAD_nothing_may_come() -> None:
    assert code([OK + b"Content-Length: 2\r\n\r\nhi"], head=True) == "malformed-response"


def test_the_reason_is_told_without_what_a_terminal_obeys() -> None:
    with pytest.raises(FetchError) as caught:
        parsed([OK + b"Transfer-Encoding: \x1b[31m\r\n\r\n"])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("size", [1, 1_000, 65_536, 1 << 20])
@pytest.mark.parametrize(
    "head",
    [
        OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        OK + b"X: y\r\n" * 257 + b"\r\n",
        OK + b"X: " + b"y" * 700_000,
        b"HTTP/1.1 200 " + b"O" * 70_000,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 257 + b"\r\n",
        CHUNKED + b"1\r\nx\r\n0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        CHUNKED + b"1\r\nx\r\n0\r\nX: " + b"y" * 700_000,
    ],
)
def test_heads_and_trailers_are_bounded(head: bytes, size: int) -> None:
    pieces = [head[at : at + size] for at in range(0, len(head), size)]
    assert code(pieces) == "head-too-large"


def test_what_is_within_the_bounds_is_read_in_pieces_of_any_size() -> None:
    head = (
        OK + b"X: y\r\n" * 254 + b"Y: " + b"y" * 60_000 + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = (b"40;" + b"x" * 1_000 + b"\r\n" + b"b" * 64 + b"\r\n") * 3
    body += b"".join(b"1\r\nx\r\n" for _ in range(20_000))
    trailers = b"0\r\n" + b"T: " + b"t" * 60_000 + b"\r\n\r\n"
    whole = head + body + trailers
    for size in (1, 7, 4_096, 65_536):
        parser = parsed(whole[at : at + size] for at in range(0, len(whole), size))
        assert parser.complete
        assert sum(map(len, parser.body)) == 3 * 64 + 20_000
        assert len(parser.trailers) == 1


@pytest.mark.parametrize("size", [1, 100, 65_536])
def test_the_extensions_of_chunks_are_bounded_where_they_never_end_too(size: int) -> None:
    data = CHUNKED + b"1\r\nx\r\n2;" + b"x" * 100_000
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert code(pieces) == "malformed-response"


def test_it_is_freed_with_its_connection() -> None:
    gc.collect()
    gc.disable()
    try:
        parser = parsed([OK + b"Content-Length: 0\r\n\r\n"])
        gone = weakref.ref(parser)
        parser.close()
        del parser
        assert gone() is None
    finally:
        gc.enable()
