"""A proxy is asked for a connection, and what it answers is read with suspicion."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from toolkit.http.failures import FetchError
from toolkit.http.proxies import Proxy, parse_proxy
from toolkit.http.tunnel import TunnelEndpoint
from toolkit.testing import Peer, connected, is_waiting, result_of

GOOD = b"HTTP/1.1 200 Connection established\r\n\r\n"


@implementer(IStreamClientEndpoint)
class ToProxy:
    """Connects to a proxy in memory, when the test says so."""

    def __init__(self) -> None:
        self.opened: Deferred[Any] = Deferred()
        self.peer: Any = None
        self._factory: Any = None

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        self._factory = protocolFactory
        return self.opened

    def open(self) -> Peer:
        self.peer = connected(self._factory)
        self.opened.callback(self.peer.protocol)
        peer: Peer = self.peer
        return peer


class Inner(Protocol):
    """What wants to be connected to the far end."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def connectionMade(self) -> None:
        self.events.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.events.append(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.events.append("lost")


def tunnel(user: str = "") -> tuple[ToProxy, Deferred[Any]]:
    endpoint = ToProxy()
    proxy = parse_proxy(f"http://{user}proxy.example:3128", "proxy")
    connecting = TunnelEndpoint(proxy, endpoint, "far.example:443").connect(
        Factory.forProtocol(Inner)
    )
    return endpoint, connecting


def error_of(connecting: Deferred[Any]) -> FetchError:
    with pytest.raises(FetchError) as caught:
        result_of(connecting)
    message = str(caught.value)
    assert message.startswith("the proxy proxy.example:3128 did not connect to far.example:443: ")
    assert message.isprintable()
    return caught.value


def test_the_proxy_is_asked_and_then_nothing_stands_between() -> None:
    endpoint, connecting = tunnel()
    peer = endpoint.open()
    assert peer.received == (b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n")
    peer.send(GOOD)
    inner = result_of(connecting)
    assert inner.transport is peer.transport
    peer.send(b"hello")
    inner.transport.write(b"back")
    assert peer.received.endswith(b"\r\n\r\nback")
    peer.close()
    assert inner.events == ["made", b"hello", "lost"]


def test_a_user_of_the_proxy_is_told_to_the_proxy() -> None:
    endpoint, _connecting = tunnel("us%65r:p@ss@")
    received = endpoint.open().received
    expected = base64.b64encode(b"user:p@ss")
    assert b"\r\nProxy-Authorization: Basic " + expected + b"\r\n" in received
    _connecting.cancel()
    _connecting.addErrback(lambda _: None)


@given(cuts=st.lists(st.integers(1, len(GOOD) - 1), max_size=5))
def test_any_split_of_its_answer_is_the_same_answer(cuts: list[int]) -> None:
    endpoint, connecting = tunnel()
    peer = endpoint.open()
    places = [0, *sorted(cuts), len(GOOD)]
    for start, end in pairwise(places):
        assert is_waiting(connecting)
        if start < end:
            peer.send(GOOD[start:end])
    assert result_of(connecting).events == ["made"]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "connect-unreachable", "407 Who are you; it wants a"),
        (b"HTTP/1.0 403\r\nX: y\r\n\r\n<html>No</html>", "connect-unreachable", "it answered 403"),
        (b"HTTP/1.1 502 \x1b[2J\r\n\r\n", "connect-unreachable", r"\x1b[2J"),
        (b"HTTP/1.1 302 F\r\nLocation: /\r\n\r\n", "connect-unreachable", "302"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "connect-unreachable", "100"),
        (GOOD + b"early", "malformed-response", "not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "malformed-response", "not HTTP"),
        (b"HTTP/2 200 OK\r\n\r\n", "malformed-response", "not HTTP"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "malformed-response", "not HTTP"),
        (b"\r\n\r\n", "malformed-response", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "head-too-large", "too large"),
        (b"", "disconnected", "ended the connection"),
        (b"HTTP/1.1 200 OK\r\nX", "disconnected", "ended the connection"),
    ],
)
def test_a_proxy_that_will_not_is_told_apart(answer: bytes, code: str, said: str) -> None:
    endpoint, connecting = tunnel()
    peer = endpoint.open()
    if answer:
        peer.send(answer)
    if code == "disconnected":
        peer.close()
    error = error_of(connecting)
    assert error.code == code
    assert said in str(error)
    assert not peer.connected


def test_a_proxy_that_is_not_there_fails_as_its_endpoint_does() -> None:
    endpoint, connecting = tunnel()
    endpoint.opened.errback(Failure(ConnectError()))
    with pytest.raises(ConnectError):
        result_of(connecting)


@pytest.mark.parametrize("when", ["connecting", "asked"])
def test_cancelling_closes_the_connection(when: str) -> None:
    endpoint, connecting = tunnel()
    if when == "asked":
        endpoint.open()
    connecting.cancel()
    assert not is_waiting(connecting)
    connecting.addErrback(lambda _: None)
    assert endpoint.peer is None or not endpoint.peer.connected


def test_a_proxy_is_shown_without_its_password() -> None:
    assert repr(Proxy("h", 1, b"Basic secret")) == "<Proxy h:1>"
