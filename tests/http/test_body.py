"""A body is read whole, within its bound, or its connection is closed and it is an error."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.http.coded import WHOLE
from tests.http.wires import PART, Wire, begun, response
from toolkit.http.body import abandon, decode, read_body
from toolkit.http.decoding import Identity, decoder_for
from toolkit.http.failures import FetchError
from toolkit.testing import is_waiting, result_of

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def reading(
    data: bytes = PART, coding: bytes = b"", most: int = 100, take: Any = None
) -> tuple[Wire, list[bytes], Deferred[int]]:
    """A body that is being read."""
    _, wire, answer = begun(data)
    pieces: list[bytes] = []
    decoder = decoder_for([coding])
    return wire, pieces, read_body(answer, decoder, most, "one:80", take or pieces.append)


def code_of(done: Deferred[Any]) -> str:
    with pytest.raises(FetchError) as caught:
        result_of(done)
    assert str(caught.value).isprintable()
    return caught.value.code


def test_the_pieces_are_taken_as_they_come_and_counted() -> None:
    wire, pieces, done = reading()
    assert pieces == [b"half"]
    assert is_waiting(done)
    wire.connection.dataReceived(b"-whole")
    assert pieces == [b"half", b"-whole"]
    assert result_of(done) == 10
    assert wire.connected


@pytest.mark.parametrize("coding", sorted(WHOLE))
def test_codings_are_taken_off_and_what_they_held_is_counted(coding: str) -> None:
    wire, pieces, done = reading(response(WHOLE[coding](b"x" * 100)), coding.encode())
    assert b"".join(pieces) == b"x" * 100
    assert result_of(done) == 100
    assert wire.connected


@pytest.mark.parametrize(
    ("data", "end", "code"),
    [
        (PART, ConnectionDone(), "truncated"),
        (PART, ConnectionLost(), "truncated"),
        (CHUNKED + b"2\r\nhi\r\n", ConnectionDone(), "truncated"),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", ConnectionLost(), "truncated"),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", ConnectionDone(), None),
    ],
)
def test_only_a_good_end_is_the_end_of_a_body(data: bytes, end: Any, code: str | None) -> None:
    wire, _, done = reading(data)
    wire.end(end)
    if code is None:
        assert result_of(done) == 2
    else:
        assert code_of(done) == code


@pytest.mark.parametrize("most", [0, 3])
def test_one_byte_more_than_allowed_closes_the_connection(most: int) -> None:
    wire, pieces, done = reading(most=most)
    assert pieces == []
    assert wire.aborted
    assert code_of(done) == "body-too-large"


@pytest.mark.parametrize("most", [4, 9])
def test_a_body_that_is_all_there_and_too_large_leaves_its_connection(most: int) -> None:
    wire, pieces, done = reading(most=most)
    wire.connection.dataReceived(b"-whole")
    assert pieces == [b"half"]
    assert wire.connected
    assert code_of(done) == "body-too-large"


def test_the_bound_is_on_what_is_decoded() -> None:
    coded = gzip.compress(bytes(1_000))
    _, pieces, done = reading(response(coded), b"gzip", most=999)
    assert code_of(done) == "body-too-large"
    assert pieces == []


@pytest.mark.parametrize(
    "bad",
    [b"not gzip", gzip.compress(b"x")[:-1], gzip.compress(b"x") + b"y"],
    ids=["nonsense", "cut", "more"],
)
def test_what_does_not_decode_is_an_error(bad: bytes) -> None:
    _, _, done = reading(response(bad), b"gzip")
    assert code_of(done) == "decode-failed"


def test_where_it_is_put_may_fail() -> None:
    def take(_: bytes) -> None:
        raise FetchError("the disk is full", "write-failed")

    wire, _, done = reading(take=take)
    assert code_of(done) == "write-failed"
    assert wire.aborted


def test_cancelling_closes_the_connection() -> None:
    wire, pieces, done = reading()
    done.cancel()
    with pytest.raises(CancelledError):
        result_of(done)
    assert wire.aborted
    assert pieces == [b"half"]


def test_a_body_that_nobody_wants_closes_its_connection_unless_it_is_whole() -> None:
    for data, closes in ((PART, True), (response(), False)):
        _, wire, answer = begun(data)
        assert result_of(abandon(answer)) is None
        assert wire.aborted == closes


def test_a_body_that_is_all_there_is_decoded_at_once() -> None:
    pieces: list[bytes] = []
    coded = gzip.compress(b"text")
    assert decode(coded, decoder_for([b"gzip"]), 4, "one:80", pieces.append) == 4
    assert pieces == [b"text"]
    for data, most, code in ((coded, 3, "body-too-large"), (coded[:-1], 4, "decode-failed")):
        with pytest.raises(FetchError) as caught:
            decode(data, decoder_for([b"gzip"]), most, "one:80", pieces.append)
        assert caught.value.code == code
    assert decode(b"", Identity(), 0, "one:80", pieces.append) == 0
