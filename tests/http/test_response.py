"""A response says what came, and its body is given at its reader's pace, whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.web.client import ResponseDone
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface.verify import verifyObject

from tests.http.wires import PART, Body, Wires, begun, response
from toolkit.http.failures import FetchError
from toolkit.testing import result_of


def test_the_response_says_what_came() -> None:
    _, _, answer = begun(
        b"HTTP/1.1 201 Made it\r\nX-A: 1\r\nContent-Length: 2\r\nx-a: 2\r\nY: \xe4\r\n\r\nhi"
    )
    assert (answer.code, answer.phrase, answer.version) == (201, b"Made it", (b"HTTP", 1, 1))
    assert answer.length == 2
    assert answer.headers.getRawHeaders(b"x-a") == [b"1", b"2"]
    assert answer.headers.getRawHeaders(b"y") == [b"\xe4"]
    assert (answer.request.method, answer.request.absoluteURI) == (b"GET", b"http://one/")
    assert answer.previousResponse is None
    answer.setPreviousResponse(answer)
    assert answer.previousResponse is answer


def test_a_body_without_length_has_none() -> None:
    _, _, answer = begun(b"HTTP/1.1 200 OK\r\n\r\n")
    assert answer.length is UNKNOWN_LENGTH


@pytest.mark.parametrize("early", [True, False])
def test_a_body_is_given_as_it_comes_and_then_its_end(early: bool) -> None:
    _, wire, answer = begun()
    body = Body()
    if early:
        answer.deliverBody(body)
    wire.connection.dataReceived(b" an")
    if not early:
        answer.deliverBody(body)
    wire.connection.dataReceived(b"d m")
    assert b"".join(body.pieces) == b"half and m"
    assert isinstance(body.end, ResponseDone)
    assert wire.connected


def test_a_body_is_read_once() -> None:
    _, _, answer = begun()
    answer.deliverBody(Body())
    with pytest.raises(RuntimeError, match="being read already"):
        answer.deliverBody(Body())


def test_until_somebody_reads_the_body_nothing_more_is_read() -> None:
    _, wire, answer = begun()
    assert wire.producerState == "paused"
    answer.deliverBody(Body())
    assert wire.producerState == "producing"


def test_a_reader_that_pauses_stops_the_socket_and_gets_the_rest_later() -> None:
    _, wire, answer = begun()
    body = Body(pauses=True)
    answer.deliverBody(body)
    assert wire.producerState == "paused"
    wire.connection.dataReceived(b" and")  # it was on its way
    assert body.pieces == []
    body.transport.resumeProducing()
    assert wire.producerState == "producing"
    assert b"".join(body.pieces) == b"half and"
    body.transport.pauseProducing()
    wire.connection.dataReceived(b" m")
    assert body.end is None
    body.transport.resumeProducing()
    body.transport.resumeProducing()
    assert b"".join(body.pieces) == b"half and m"
    assert isinstance(body.end, ResponseDone)
    assert verifyObject(IPushProducer, body.transport)


def test_who_has_a_whole_body_cannot_touch_the_connection_of_the_next() -> None:
    wires, wire, answer = begun(response())
    body = Body(pauses=True)
    answer.deliverBody(body)
    wires.ask()
    assert wire.producerState == "producing"
    body.transport.abortConnection()
    assert wire.connected
    body.transport.resumeProducing()
    assert b"".join(body.pieces) == b"hi"


@pytest.mark.parametrize("method", ["abortConnection", "loseConnection", "stopProducing"])
def test_a_reader_that_gives_up_closes_the_connection(method: str) -> None:
    _, wire, answer = begun()
    body = Body()
    answer.deliverBody(body)
    getattr(body.transport, method)()
    assert wire.aborted
    assert isinstance(body.end, FetchError)


def test_nobody_takes_a_part_for_the_whole() -> None:
    _, wire, answer = begun()
    wire.end(ConnectionLost())
    body = Body()
    answer.deliverBody(body)
    assert body.pieces == []
    assert body.end.code == "truncated"


def test_it_is_a_response_to_whoever_asks() -> None:
    _, _, answer = begun()
    assert verifyObject(IResponse, answer)
    assert answer.headers is answer.headers
    assert answer.fields == [(b"Content-Length", b"10")]


def test_a_whole_body_can_be_taken_without_a_reader_once() -> None:
    _, _, answer = begun(response(b"all of it"))
    assert answer.take_whole() == b"all of it"
    assert answer.take_whole() is None
    with pytest.raises(RuntimeError, match="being read already"):
        answer.deliverBody(Body())


@pytest.mark.parametrize(
    "data",
    [PART, b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
)
def test_what_is_not_whole_is_not_taken_for_it(data: bytes) -> None:
    _, wire, answer = begun(data)
    assert answer.take_whole() is None
    wire.end(ConnectionLost())
    assert answer.take_whole() is None
    body = Body()
    answer.deliverBody(body)
    assert body.end.code == "truncated"


def test_what_a_reader_has_is_not_taken_from_it() -> None:
    _, _, answer = begun(response())
    answer.deliverBody(Body(pauses=True))
    assert answer.take_whole() is None


def test_a_body_that_ends_with_its_connection_can_be_taken_then() -> None:
    _, wire, answer = begun(b"HTTP/1.1 200 OK\r\n\r\npart")
    wire.connection.dataReceived(b" and part")
    wire.end(ConnectionDone())
    assert answer.take_whole() == b"part and part"


def test_when_its_head_and_its_body_came_is_noted() -> None:
    wires = Wires()
    asked = wires.ask()
    wires.clock.advance(2)
    wires.opened[0].connection.dataReceived(PART)
    answer: Any = result_of(asked)
    answer.deliverBody(Body())
    assert (answer.head_at, answer.ended_at) == (2, 0)
    wires.clock.advance(3)
    wires.opened[0].connection.dataReceived(b"-whole")
    assert (answer.head_at, answer.ended_at) == (2, 5)
