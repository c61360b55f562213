"""A web site keeps its limits on heads, bodies and idle connections, and drains."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from toolkit.testing import Peer, connected
from toolkit.web.refusals import TOO_SLOW
from toolkit.web.site import LimitedSite, WebSettings


class Slow(Resource):
    """Answers when the test says so."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render_GET(self, request: Any) -> int:
        self.requests.append(request)
        return NOT_DONE_YET

    def render_POST(self, request: Any) -> bytes:
        return str(len(request.content.read())).encode()

    def answer(self, body: bytes = b"done") -> None:
        request = self.requests.pop(0)
        request.setHeader("content-length", str(len(body)))
        request.write(body)
        request.finish()


TOO_LATE = TOO_SLOW.answer()
GET = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def peer(clock: Clock, slow: Slow) -> Peer:
    return connected(LimitedSite(clock, slow, WebSettings()))


def ends(clock: Clock, peer: Peer, within_seconds: float) -> bool:
    """Whether the connection lives until just before so many seconds, and not after."""
    clock.advance(within_seconds - 0.1)
    assert peer.connected
    clock.advance(0.2)
    return not peer.connected


def test_a_head_that_does_not_come_ends_the_connection(clock: Clock, peer: Peer) -> None:
    assert ends(clock, peer, 10)
    assert peer.received == b""


def test_a_head_that_comes_a_byte_a_second_ends_the_connection(clock: Clock, peer: Peer) -> None:
    for byte in GET[:9]:
        peer.send(bytes([byte]))
        clock.advance(1)
    assert peer.connected
    clock.advance(1.1)
    assert not peer.connected
    assert peer.received == TOO_LATE


def test_a_body_that_comes_slowly_ends_the_connection(clock: Clock, peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 100\r\n\r\n")
    for _ in range(29):
        peer.send(b"x")
        clock.advance(1)
    assert peer.connected
    clock.advance(1.1)
    assert not peer.connected
    assert peer.received == TOO_LATE


def test_a_kept_connection_waits_for_the_next_request(clock: Clock, peer: Peer, slow: Slow) -> None:
    peer.send(GET)
    clock.advance(200)  # the answer may take its time: that is not the peer's doing
    slow.answer()
    assert peer.received.endswith(b"\r\n\r\ndone")
    assert ends(clock, peer, 60)
    assert peer.received.endswith(b"\r\n\r\ndone")


def test_the_second_head_has_its_own_deadline(clock: Clock, peer: Peer, slow: Slow) -> None:
    peer.send(GET)
    slow.answer()
    clock.advance(50)
    peer.send(b"GET / HT")
    assert ends(clock, peer, 10)
    assert peer.received.endswith(b"done" + TOO_LATE)


def test_a_slow_body_after_an_answer_is_told_once(clock: Clock, peer: Peer, slow: Slow) -> None:
    peer.send(GET)
    slow.answer()
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 2\r\n\r\nx")
    peer.stops_reading()
    clock.advance(31)
    clock.advance(31)
    assert not peer.connected
    assert peer.received.endswith(b"done")


def test_two_requests_at_once_are_answered_in_order(peer: Peer, slow: Slow) -> None:
    peer.send(GET + GET)
    slow.answer(b"one")
    slow.answer(b"two")
    assert peer.received.index(b"one") < peer.received.index(b"two")


def test_a_chunk_announced_too_large_is_refused_before_it_comes(peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.send(b"f" * 17 + b"\r\n")
    assert peer.received.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert not peer.connected


def test_a_peer_that_is_too_slow_is_no_line_of_its_own(
    clock: Clock, peer: Peer, logged: list[LogEvent]
) -> None:
    peer.send(GET[:5])
    assert ends(clock, peer, 10)
    assert [event["log_namespace"] for event in logged] == ["toolkit.web.access"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 17_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-Many: 0123456789\r\n" * 900,
        b"x" * 20_000,
    ],
)
def test_a_head_too_large_is_refused(peer: Peer, head: bytes, slow: Slow) -> None:
    peer.send(head + b"\r\n")
    assert not peer.connected
    assert not slow.requests
    assert not peer.received.startswith(b"HTTP/1.1 200")


def test_a_body_announced_too_large_is_refused_before_it_is_read(peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 1048577\r\n\r\n")
    assert peer.received.startswith(b"HTTP/1.1 413 ")
    assert not peer.connected


def test_a_body_that_will_be_refused_is_not_asked_for(peer: Peer) -> None:
    peer.send(
        b"POST / HTTP/1.1\r\nHost: example\r\nExpect: 100-continue\r\n"
        b"Content-Length: 1048577\r\n\r\n"
    )
    assert peer.received.startswith(b"HTTP/1.1 413 ")
    assert not peer.connected


def test_a_line_too_long_is_told(peer: Peer) -> None:
    peer.send(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: example\r\n\r\n")
    assert peer.received.startswith(b"HTTP/1.1 414 ")
    assert not peer.connected


def test_a_chunked_body_is_refused_when_it_becomes_too_large(peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(17):
        peer.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    peer.send(b"0\r\n\r\n")
    assert peer.received.count(b"HTTP/1.1 ") == 1
    assert peer.received.startswith(b"HTTP/1.1 413 ")
    assert not peer.connected


@pytest.mark.parametrize("size", [0, 1, 1_048_576])
def test_a_body_within_the_limit_is_read(peer: Peer, size: int) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: %d\r\n\r\n" % size)
    peer.send(b"x" * size)
    assert peer.received.startswith(b"HTTP/1.1 200 ")
    assert peer.received.endswith(b"\r\n\r\n%d" % size)
    assert peer.connected
    peer.close()


@pytest.mark.parametrize(
    "host", [b"a..b", b"", b"a b", b"a/b", b"a@b", b"a\xff", b"[::1", b"a:port", b"." + b"x" * 300]
)
def test_a_host_that_is_none_is_a_bad_request(peer: Peer, slow: Slow, host: bytes) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
    assert peer.received.startswith(b"HTTP/1.1 400 ")
    assert not peer.connected
    assert not slow.requests


@pytest.mark.parametrize("head", [b"", b"Host: a\r\nHost: b\r\n"])
def test_a_request_names_one_host(peer: Peer, slow: Slow, head: bytes) -> None:
    peer.send(b"GET / HTTP/1.1\r\n%s\r\n" % head)
    assert peer.received.startswith(b"HTTP/1.1 400 ")
    assert not slow.requests


@pytest.mark.parametrize("host", [b"a", b"a.b.", b"a:80", b"127.0.0.1:8080", b"[::1]:1", b"a_b"])
def test_a_host_that_is_one_is_served(peer: Peer, slow: Slow, host: bytes) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
    slow.answer()
    assert peer.received.startswith(b"HTTP/1.1 200 ")
    peer.close()


def test_an_old_client_need_not_name_a_host(peer: Peer, slow: Slow) -> None:
    peer.send(b"GET / HTTP/1.0\r\n\r\n")
    slow.answer()
    assert peer.received.startswith(b"HTTP/1.1 200 ") or peer.received.startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://example/a/b?c=d", b"/a/b?c=d"),
        (b"HTTP://example:80", b"/"),
        (b"http://example?c=/d", b"/?c=/d"),
    ],
)
def test_a_target_that_is_a_whole_url_is_its_path(
    peer: Peer, slow: Slow, target: bytes, path: bytes
) -> None:
    peer.send(GET.replace(b" / ", b" %s " % target))
    assert slow.requests[0].uri == path
    slow.answer()
    peer.close()


@pytest.mark.parametrize(
    "target", [b"a", b"*", b"ftp://example/", b"http://", b"example:80", b"?a"]
)
def test_a_target_that_is_none_is_a_bad_request(peer: Peer, slow: Slow, target: bytes) -> None:
    peer.send(GET.replace(b" / ", b" %s " % target))
    assert peer.received.startswith(b"HTTP/1.1 400 ")
    assert not slow.requests


def test_options_of_the_server_itself_is_answered(peer: Peer) -> None:
    peer.send(GET.replace(b"GET / ", b"OPTIONS * "))
    assert peer.received.startswith(b"HTTP/1.1 200 ")
    peer.close()


def test_an_idle_connection_is_closed_when_the_service_stops(peer: Peer, slow: Slow) -> None:
    peer.send(GET)
    slow.answer()
    peer.protocol.drain()
    assert not peer.connected


def test_a_request_begun_is_answered_when_the_service_stops(peer: Peer, slow: Slow) -> None:
    peer.send(GET)
    peer.protocol.drain()
    assert peer.connected
    slow.answer()
    assert b"connection: close" in peer.received.lower()
    assert peer.received.endswith(b"done")
    assert not peer.connected


def test_a_request_half_received_is_answered_when_the_service_stops(peer: Peer, slow: Slow) -> None:
    peer.send(GET[:20])
    peer.protocol.drain()
    peer.send(GET[20:])
    slow.answer()
    assert b"connection: close" in peer.received.lower()
    assert not peer.connected


def accessed(logged: list[LogEvent]) -> list[tuple[str, str, int]]:
    """The method, path and status of each event of the access log."""
    events = [event for event in logged if event["log_namespace"] == "toolkit.web.access"]
    return [(event["method"], event["path"], event["status"]) for event in events]


def test_each_request_is_one_event(peer: Peer, slow: Slow, logged: list[LogEvent]) -> None:
    peer.send(GET.replace(b"GET / ", b"GET /a?b=c "))
    assert accessed(logged) == []
    slow.answer()
    peer.send(GET)
    slow.answer(b"more")
    peer.close()
    assert accessed(logged) == [("GET", "/a?b=c", 200), ("GET", "/", 200)]
    event = logged[-1]
    assert (event["bytes"], event["peer"]) == (4, "192.0.2.1")
    assert 0 <= event["seconds"] < 60
    assert formatEvent(event) == "GET / 200"


def test_a_request_whose_peer_leaves_is_one_event(
    peer: Peer, slow: Slow, logged: list[LogEvent]
) -> None:
    peer.send(GET)
    peer.close()
    assert accessed(logged) == [("GET", "/", 499)]
    assert logged[-1]["gone"]


def test_a_request_whose_peer_leaves_in_the_midst_of_the_answer_is_one_event(
    peer: Peer, slow: Slow, logged: list[LogEvent]
) -> None:
    peer.send(GET)
    slow.requests[0].write(b"half")
    peer.close()
    assert accessed(logged) == [("GET", "/", 200)]
    assert (logged[-1]["gone"], logged[-1]["bytes"]) == (True, 4)


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", ("POST", "/a", 413)),
        (b"GET /a HTTP/1.1\r\n\r\n", ("GET", "/a", 400)),
        (b"GET /a HTTP/1.1\r\nno colon\r\n\r\n", ("GET", "/a", 400)),
        (b"nonsense\r\n\r\n", ("-", "-", 400)),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", ("-", "-", 414)),
    ],
)
def test_a_request_that_is_refused_is_one_event(
    peer: Peer, logged: list[LogEvent], slow: Slow, sent: bytes, event: tuple[str, str, int]
) -> None:
    peer.send(GET)
    slow.answer()
    peer.send(sent)
    peer.close()
    assert accessed(logged) == [("GET", "/", 200), event]


def test_a_connection_without_a_request_is_no_event(peer: Peer, logged: list[LogEvent]) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHo")
    peer.close()
    assert accessed(logged) == []


def test_the_access_log_can_be_turned_off(clock: Clock, slow: Slow, logged: list[LogEvent]) -> None:
    peer = connected(LimitedSite(clock, slow, WebSettings(access_log=False)))
    peer.send(GET)
    slow.answer()
    peer.send(b"nonsense\r\n\r\n")
    peer.close()
    assert accessed(logged) == []
