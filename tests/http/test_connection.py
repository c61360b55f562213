"""One connection: requests go out whole, responses come in whole or fail, bodies wait."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from tests.http.wires import PART, Body, Wires, begun, response
from toolkit.http.failures import FetchError
from toolkit.testing import is_waiting, result_of


@implementer(IBodyProducer)
class Produces:
    """A body whose pieces are written when the test says so."""

    def __init__(self, length: Any) -> None:
        self.length = length
        self.calls: list[str] = []
        self.done: Deferred[None] = Deferred()
        self.consumer: Any = None

    def startProducing(self, consumer: Any) -> Deferred[None]:
        self.consumer = consumer
        return self.done

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


def error_of(deferred: Deferred[Any]) -> FetchError:
    with pytest.raises(FetchError) as caught:
        result_of(deferred)
    return caught.value


@pytest.mark.parametrize(
    ("data", "end", "code"),
    [
        (b"", ConnectionDone(), "disconnected"),
        (b"HTTP/1.1 200 O", ConnectionDone(), "disconnected"),
        (b"HTTP/1.1 200 O", ConnectionLost(), "disconnected"),
        (PART, ConnectionDone(), "truncated"),
        (PART, ConnectionLost(), "truncated"),
        (b"HTTP/1.1 200 OK\r\n\r\npart", ConnectionLost(), "truncated"),
        (b"HTTP/1.1 200 OK\r\n\r\npart", ConnectionDone(), ""),
        (b"nonsense", None, "malformed-response"),
        (PART.replace(b"Con", b"Content-Length: 10\r\nCon"), None, "malformed-response"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, None, "head-too-large"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(data: bytes, end: Any, code: str) -> None:
    wires = Wires()
    answered = wires.ask()
    (wire,) = wires.opened
    body = Body()
    answered.addCallback(lambda answer: answer.deliverBody(body))
    if data:
        wire.connection.dataReceived(data)
    if end is not None:
        wire.end(end)
    if b"\r\n\r\n" in data and code != "malformed-response":
        assert getattr(body.end, "code", "") == code
        assert result_of(answered) is None
    else:
        assert error_of(answered).code == code
    assert not wire.connected
    assert len(wires.opened) == 1


def test_what_is_malformed_in_the_body_is_told_to_its_reader() -> None:
    _, wire, answer = begun(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
    body = Body()
    answer.deliverBody(body)
    wire.connection.dataReceived(b"zz\r\n")
    assert body.end.code == "malformed-response"
    assert wire.aborted


# How long a peer may be silent


def test_a_body_that_does_not_come_is_stalled() -> None:
    wires, wire, answer = begun()
    body = Body()
    answer.deliverBody(body)
    wires.clock.advance(9)
    wire.connection.dataReceived(b".")
    wires.clock.advance(9.9)
    assert wire.connected
    wires.clock.advance(0.2)
    assert wire.aborted
    assert body.end.code == "stalled"


def test_a_whole_body_in_pieces_leaves_no_deadline_on_its_connection() -> None:
    wires, wire, answer = begun()
    answer.deliverBody(Body())
    wire.connection.dataReceived(b"-whole")
    answered = wires.ask()
    wires.clock.advance(12)
    assert is_waiting(answered)
    assert wire.connected


@pytest.mark.parametrize("reads", ["not yet", "paused"])
def test_what_comes_while_nobody_reads_begins_no_deadline(reads: str) -> None:
    wires, wire, answer = begun()
    body = Body(pauses=True)
    if reads == "paused":
        answer.deliverBody(body)
    wire.connection.dataReceived(b".")  # it was decrypted already, or on its way
    wires.clock.advance(60)
    assert wire.connected
    if reads == "not yet":
        answer.deliverBody(body)
    body.transport.resumeProducing()
    wires.clock.advance(9.9)
    assert wire.connected
    wires.clock.advance(0.2)
    assert body.end.code == "stalled"


def test_the_head_has_its_time_from_the_end_of_the_request() -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    wires.clock.advance(100)
    produces.consumer.write(b"hello")
    produces.done.callback(None)
    wires.opened[0].connection.dataReceived(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200")
    wires.clock.advance(29.9)
    assert is_waiting(answered)
    wires.clock.advance(0.2)
    assert error_of(answered).code == "first-byte-timeout"
    assert wires.opened[0].aborted


def test_a_peer_that_takes_nothing_of_a_body_is_stalled() -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    wire: Any = wires.opened[0]
    wire.producer.pauseProducing()
    wires.clock.advance(9)
    wire.producer.resumeProducing()
    wires.clock.advance(9)
    wire.producer.pauseProducing()
    wires.clock.advance(9.9)
    assert is_waiting(answered)
    wires.clock.advance(0.2)
    assert error_of(answered).code == "stalled"
    assert produces.calls == ["pause", "resume", "pause", "stop"]


@pytest.mark.parametrize(
    "data", [response(b"hi", b"Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
def test_a_server_that_wants_to_close_is_not_asked_again(data: bytes) -> None:
    _, wire, answer = begun(data)
    assert answer.code == 200
    assert (wire.connected, wire.aborted) == (False, False)


# Asked once more


def reused(method: bytes = b"GET", body: Any = None) -> tuple[Wires, Deferred[Any]]:
    wires = Wires()
    wires.ask()
    wires.opened[0].connection.dataReceived(response())
    answered = wires.ask(method=method, body=body)
    return wires, answered


@pytest.mark.parametrize("end", [ConnectionDone(), ConnectionLost()])
def test_a_connection_that_was_closed_meanwhile_is_replaced_once(end: Exception) -> None:
    wires, answered = reused()
    wires.opened[0].end(end)
    assert len(wires.opened) == 2
    wires.opened[1].connection.dataReceived(response())
    assert result_of(answered).code == 200


def test_it_is_asked_only_once_more() -> None:
    wires, answered = reused()
    wires.ask(target=b"/second")
    wires.opened[1].connection.dataReceived(response())
    wires.opened[0].end(ConnectionDone())
    assert not wires.opened[1].connected  # it is as old, and will not do better
    assert len(wires.opened) == 3
    assert is_waiting(answered)
    wires.opened[2].end(ConnectionDone())
    assert error_of(answered).code == "disconnected"
    assert len(wires.opened) == 3


@pytest.mark.parametrize(
    ("method", "body"), [(b"POST", None), (b"PATCH", None), (b"PUT", Produces(0))]
)
def test_what_may_matter_twice_is_not_asked_twice(method: bytes, body: Any) -> None:
    wires, answered = reused(method, body)
    wires.opened[0].end(ConnectionDone())
    assert error_of(answered).code == "disconnected"
    assert len(wires.opened) == 1


def test_what_was_answered_in_part_is_not_asked_twice() -> None:
    wires, answered = reused()
    wires.opened[0].connection.dataReceived(b"HT")
    wires.opened[0].end(ConnectionDone())
    assert error_of(answered).code == "disconnected"


# Requests with a body


def test_a_body_of_known_length_is_sent() -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    (wire,) = wires.opened
    assert wire.sent() == b"POST / HTTP/1.1\r\nHost: one\r\nContent-Length: 5\r\n\r\n"
    assert wire.producer is not None
    produces.consumer.write(b"hel")
    produces.consumer.write(b"lo")
    produces.done.callback(None)
    assert wire.sent() == b"hello"
    assert wire.producer is None
    wire.connection.dataReceived(response())
    assert result_of(answered).code == 200
    assert wire.connected


def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    wires, produces = Wires(), Produces(UNKNOWN_LENGTH)
    wires.ask(method=b"POST", body=produces)
    (wire,) = wires.opened
    assert b"Transfer-Encoding: chunked\r\n" in wire.sent()
    produces.consumer.write(b"hello hello hello")
    produces.consumer.write(b"")
    produces.done.callback(None)
    assert wire.sent() == b"11\r\nhello hello hello\r\n0\r\n\r\n"


@pytest.mark.parametrize("written", [b"hell", b"hello!"])
def test_a_producer_that_miscounts_ends_the_request(written: bytes) -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    try:
        produces.consumer.write(written)
    except ValueError as error:
        produces.done.errback(error)
    else:
        produces.done.callback(None)
    with pytest.raises(ValueError, match="the body producer has written"):
        result_of(answered)
    assert wires.opened[0].aborted


def test_a_producer_that_fails_ends_the_request() -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    produces.done.errback(KeyError("a bug"))
    with pytest.raises(KeyError):
        result_of(answered)
    assert wires.opened[0].aborted


def test_a_producer_that_cannot_start_ends_the_request() -> None:
    class Raises(Produces):
        def startProducing(self, consumer: Any) -> Any:
            raise KeyError("a bug")

    wires = Wires()
    answered = wires.ask(method=b"POST", body=Raises(5))
    with pytest.raises(KeyError):
        result_of(answered)


def test_an_answer_before_the_end_of_the_body_stops_it_and_closes() -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    (wire,) = wires.opened
    wire.connection.dataReceived(response())
    assert result_of(answered).code == 200
    assert produces.calls == ["stop"]
    assert wire.aborted
    produces.done.callback(None)


def test_a_connection_that_ends_stops_the_producer() -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", body=produces)
    wires.opened[0].end(ConnectionLost())
    assert error_of(answered).code == "disconnected"
    assert produces.calls == ["stop"]


EXPECT = Headers({b"Expect": [b"100-continue"]})


@pytest.mark.parametrize("word", ["continue", "silence"])
def test_a_body_that_is_expected_waits_for_the_word_or_a_second(word: str) -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", headers=EXPECT, body=produces)
    (wire,) = wires.opened
    wire.connection.dataReceived(b"HTTP/1.1 103 Early\r\n\r\n")
    consumer: Any = produces.consumer
    assert consumer is None
    if word == "continue":
        wire.connection.dataReceived(b"HTTP/1.1 100 Continue\r\n\r\n")
    else:
        wires.clock.advance(1)
    produces.consumer.write(b"hello")
    produces.done.callback(None)
    wire.connection.dataReceived(response())
    assert result_of(answered).code == 200
    assert wire.sent().endswith(b"\r\n\r\nhello")
    wires.pool.close()
    assert not wires.clock.getDelayedCalls()


@pytest.mark.parametrize("end", ["answered", "lost", "cancelled"])
def test_a_body_that_nobody_wants_is_not_sent(end: str) -> None:
    wires, produces = Wires(), Produces(5)
    answered = wires.ask(method=b"POST", headers=EXPECT, body=produces)
    (wire,) = wires.opened
    if end == "answered":
        wire.connection.dataReceived(response())
        assert result_of(answered).code == 200
    elif end == "lost":
        wire.end(ConnectionLost())
        assert error_of(answered).code == "disconnected"
    else:
        answered.cancel()
        answered.addErrback(lambda _: None)
    assert produces.consumer is None
    assert produces.calls == []
    assert not wires.clock.getDelayedCalls()


def test_an_answer_to_HEAD_has_no_body() -> None:
    wires = Wires()
    answered = wires.ask(method=b"HEAD")
    wires.opened[0].connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    body = Body()
    result_of(answered).deliverBody(body)
    assert (body.pieces, type(body.end)) == ([], ResponseDone)
    assert is_waiting(wires.ask())
    assert len(wires.opened) == 1


def test_a_connection_that_is_gone_is_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        wires, wire, answer = begun(response())
        connection = weakref.ref(wire.connection)
        wire.end(ConnectionDone())
        del wire.connection, wires, wire, answer
        assert connection() is None
    finally:
        gc.enable()
