"""What is asked changes with a redirect as RFC 9110 says, and a body is sent as it is taken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from tests.http.net import Net, error_of, page_of, whole
from toolkit.http.asking import Asked, BytesProducer
from toolkit.testing import is_waiting, result_of

FIELDS = {
    b"Authorization": [b"x"], b"Cookie": [b"x"], b"Host": [b"x"], b"Proxy-Authorization": [b"x"],
    b"Content-Type": [b"x"], b"Content-Encoding": [b"x"], b"Content-Language": [b"x"],
    b"Content-Length": [b"1"], b"Content-Location": [b"x"], b"X-Own": [b"x"],
}  # fmt: skip


def names(asked: Asked) -> set[bytes]:
    assert asked.headers is not None
    return {name.lower() for name, _ in asked.headers.getAllRawHeaders()}


@given(
    status=st.sampled_from([301, 302, 303, 307, 308]),
    method=st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"]),
    same=st.booleans(),
)
def test_a_redirect_changes_what_it_must_and_nothing_else(
    status: int, method: bytes, same: bool
) -> None:
    headers = Headers(FIELDS)
    asked = Asked(method, headers, b"body")
    then = asked.redirected(status, same)
    becomes_get = (status in (301, 302) and method == b"POST") or (
        status == 303 and method not in (b"GET", b"HEAD")
    )
    assert then.method == (b"GET" if becomes_get else method)
    assert then.body == (None if becomes_get else b"body")
    gone = {name.lower() for name in FIELDS} - names(then)
    of_a_body = {name.lower() for name in FIELDS if name.startswith(b"Content")}
    of_an_origin = {b"authorization", b"cookie", b"host", b"proxy-authorization"}
    assert gone == (of_a_body if becomes_get else set()) | (set() if same else of_an_origin)
    assert headers == Headers(FIELDS)


def test_without_headers_there_are_none_to_drop() -> None:
    assert Asked(b"POST", None, b"x").redirected(303, False) == Asked()


class Takes:
    """A consumer that has its producer pause after each piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.pauses = True
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        self.pieces.append(data)
        if self.pauses:
            self.producer.pauseProducing()


def test_a_small_body_is_written_at_once() -> None:
    for body in (b"", b"x", b"x" * 65_536):
        takes = Takes()
        takes.producer = producer = BytesProducer(body)
        assert verifyObject(IBodyProducer, producer)
        assert producer.length == len(body)
        done = producer.startProducing(takes)  # type: ignore[arg-type] # write is all it needs
        assert takes.pieces == ([body] if body else [])
        assert result_of(done) is None


def test_a_large_body_is_written_as_it_is_taken() -> None:
    body, takes = bytes(range(256)) * 1_000, Takes()
    takes.producer = producer = BytesProducer(body)
    done = producer.startProducing(takes)  # type: ignore[arg-type]
    for count in range(1, 4):
        assert len(takes.pieces) == count
        assert is_waiting(done)
        producer.resumeProducing()
    assert result_of(done) is None
    assert b"".join(takes.pieces) == body
    producer.resumeProducing()
    assert len(takes.pieces) == 4


def test_a_body_that_nobody_wants_any_more_is_not_written_on() -> None:
    takes = Takes()
    takes.producer = producer = BytesProducer(b"x" * 200_000)
    done = producer.startProducing(takes)  # type: ignore[arg-type]
    producer.stopProducing()
    producer.resumeProducing()
    assert len(takes.pieces) == 1
    assert is_waiting(done)


def on_one_connection(size: int, **settings: Any) -> tuple[Net, Deferred[Any]]:
    """An upload on a connection that is open, to a peer that takes nothing."""
    net = Net(retries=0, **settings)
    first = net.fetcher.request("PUT", "http://192.0.2.1/", None, b"")
    net.peers[0].stops_reading()
    net.answer(whole())
    assert page_of(first).status == 200
    return net, net.fetcher.request("PUT", "http://192.0.2.1/", None, b"x" * size)


def test_an_upload_that_is_not_taken_is_stalled() -> None:
    net, fetched = on_one_connection(1_000_000)
    net.clock.advance(9.9)
    assert is_waiting(fetched)
    net.clock.advance(0.2)
    error = error_of(fetched)
    assert (error.code, error.phase) == ("stalled", "first_byte")
    assert not net.open
    net.end()


def test_an_upload_that_is_slow_but_moves_has_all_the_time_of_its_deadline() -> None:
    net, fetched = on_one_connection(1_000_000, timeout_seconds=1_000)
    (peer,) = net.peers
    taken = 0

    def takes(data: bytes) -> int:
        nonlocal taken
        taken += len(data[:200_000])
        peer.stops_reading()
        return len(data[:200_000])

    peer.takes = takes  # type: ignore[method-assign]
    while taken < 1_000_000:
        net.clock.advance(9)
        assert is_waiting(fetched)
        peer.starts_reading()
    net.answer(whole(b"taken"))
    assert page_of(fetched).body == b"taken"
    net.end()


def test_a_connection_lost_inside_an_upload_ends_it() -> None:
    net, fetched = on_one_connection(1_000_000)
    net.peers[0].vanish()
    assert error_of(fetched).code == "disconnected"
    net.end()


def test_what_is_no_headers_or_no_body_is_told_before_anything_is_taken() -> None:
    net = Net(concurrency=1)
    wrong: Any = {"X": "a"}
    with pytest.raises(TypeError, match=r"must be twisted\.web\.http_headers\.Headers, not dict"):
        net.fetcher.request("GET", "http://a.example/", wrong)
    text: Any = "text"
    with pytest.raises(TypeError, match="must be bytes, not str"):
        net.fetcher.request("POST", "http://a.example/", None, text)
    fetched = net.get("http://a.example/")
    net.answer(whole(b"x"))
    assert page_of(fetched).body == b"x"
