"""A connection keeps its deadlines and limits, reads one way only, and drains."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from tests.web.calls import answers_in
from tests.web.slow import GET, Slow
from toolkit import testing
from toolkit.testing import Peer, connected, failures_in
from toolkit.web.site import LimitedSite, WebSettings


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
    assert codes(peer) == ["request-timeout"]


def test_a_body_that_comes_slowly_ends_the_connection(clock: Clock, peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: 100\r\n\r\n")
    for _ in range(29):
        peer.send(b"x")
        clock.advance(1)
    assert peer.connected
    clock.advance(1.1)
    assert not peer.connected
    assert codes(peer) == ["request-timeout"]


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
    assert codes(peer) == ["", "request-timeout"]


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


def test_a_line_too_long_is_told(peer: Peer) -> None:
    peer.send(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: example\r\n\r\n")
    assert peer.received.startswith(b"HTTP/1.1 414 ")
    assert not peer.connected


def test_a_chunk_announced_too_large_is_refused_before_it_comes(peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.send(b"f" * 17 + b"\r\n")
    assert peer.received.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert not peer.connected


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


def test_an_idle_connection_is_closed_when_the_service_stops(
    peer: Peer, slow: Slow, clock: Clock
) -> None:
    peer.send(GET)
    slow.answer()
    peer.protocol.drain()
    clock.advance(0)
    assert not peer.connected


def test_a_request_that_the_kernel_has_when_the_service_stops_is_answered(
    peer: Peer, slow: Slow, clock: Clock
) -> None:
    peer.send(GET)
    slow.answer()
    peer.protocol.drain()
    peer.send(GET)  # in the turn that is waited for
    clock.advance(0)
    assert peer.connected
    slow.answer()
    assert peer.received.lower().count(b"connection: close") == 1
    assert peer.received.endswith(b"done")
    assert not peer.connected


def test_a_connection_that_is_lost_before_its_turn_is_over_is_no_error(
    peer: Peer, clock: Clock
) -> None:
    peer.protocol.drain()
    peer.vanish()
    clock.advance(0)
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


POST = b"POST / HTTP/1.1\r\nHost: example\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def codes(peer: Peer) -> list[str]:
    """Of each answer, the code, or nothing if it is no error."""
    return [one.code if one.status >= 400 else "" for one in answers_in(peer.received)]


@pytest.mark.parametrize("fold", [b" folded", b"\tfolded", b" "])
def test_a_header_that_is_folded_is_refused(peer: Peer, slow: Slow, fold: bytes) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHost: example\r\nA: b\r\n%s\r\n\r\n" % fold)
    assert codes(peer) == ["malformed-request"]
    assert not peer.connected
    assert not slow.requests


@pytest.mark.parametrize(
    ("framing", "code"),
    [
        (b"Transfer-Encoding: gzip\r\n", "unknown-transfer-coding"),
        (b"Transfer-Encoding: gzip, chunked\r\n", "unknown-transfer-coding"),
        (b"Transfer-Encoding: identity\r\n", "unknown-transfer-coding"),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "malformed-request"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "malformed-request"),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "malformed-request"),
        (b"Content-Length: 1\r\nContent-Length: 1\r\n", "malformed-request"),
        (b"Content-Length: -1\r\n", "malformed-request"),
        (b"Content-Length: 1, 1\r\n", "malformed-request"),
        (b"Content-Length: +1\r\n", "malformed-request"),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", "body-too-large"),
        (b"Content-Length : 1\r\n", "malformed-request"),
    ],
)
def test_where_a_body_ends_is_said_in_one_way(peer: Peer, framing: bytes, code: str) -> None:
    peer.send(POST + framing + b"\r\n1\r\nx\r\n0\r\n\r\n" + GET)
    assert codes(peer) == [code]
    assert not peer.connected


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"0\r\n\r\n", 0),
        (b"3\r\nabc\r\n0\r\n\r\n", 3),
        (b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", 13),
        (b"3;name=value\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", 3),
    ],
)
def test_a_body_in_chunks_is_read(peer: Peer, slow: Slow, body: bytes, size: int) -> None:
    for byte in CHUNKED + body:
        peer.send(bytes([byte]))
    peer.send(GET)
    slow.answer(b"next")
    assert [one.body for one in answers_in(peer.received)] == [b"%d" % size, b"next"]
    peer.close()


@pytest.mark.parametrize("body", [b"x\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"\r\n", b"3 \n"])
def test_chunks_that_are_malformed_are_refused(peer: Peer, body: bytes) -> None:
    peer.send(CHUNKED + body + b"\r\n0\r\n\r\n")
    assert codes(peer) == ["malformed-request"]
    assert not peer.connected


def test_a_body_in_chunks_that_comes_slowly_ends_the_connection(clock: Clock, peer: Peer) -> None:
    peer.send(CHUNKED)
    for _ in range(29):
        peer.send(b"1\r\nx\r\n")
        clock.advance(1)
    assert peer.connected
    clock.advance(1.1)
    assert codes(peer) == ["request-timeout"]
    assert not peer.connected


def test_what_follows_a_request_that_is_refused_is_not_read(peer: Peer, slow: Slow) -> None:
    peer.send(GET + b"GET / HTTP/1.1\r\nno colon\r\n\r\n" + GET)
    slow.answer()
    assert codes(peer) == ["", "malformed-request"]
    assert not slow.requests
    assert not peer.connected


def test_many_requests_at_once_are_answered_one_after_another(peer: Peer, slow: Slow) -> None:
    peer.send((POST + b"Content-Length: 2\r\n\r\nhi" + GET) * 20)
    while slow.requests:
        assert len(slow.requests) == 1
        slow.answer(b"done")
    assert [one.body for one in answers_in(peer.received)] == [b"2", b"done"] * 20
    peer.close()


def test_the_timers_of_a_connection_end_with_it(clock: Clock, peer: Peer, slow: Slow) -> None:
    peer.send(GET)
    slow.answer()
    peer.send(GET[:9])
    assert len(clock.getDelayedCalls()) == 1
    peer.vanish()
    assert clock.getDelayedCalls() == []


def test_a_request_of_a_kept_connection_moves_no_timer(
    clock: Clock, peer: Peer, slow: Slow
) -> None:
    [timer] = clock.getDelayedCalls()
    for _ in range(100):
        peer.send(GET)
        slow.answer()
    assert clock.getDelayedCalls() == [timer]
    assert timer.getTime() == 10
    peer.close()


def test_each_host_of_a_kept_connection_is_looked_at(peer: Peer, slow: Slow) -> None:
    for host in (b"a", b"a", b"b"):
        peer.send(GET.replace(b"example", host))
        slow.answer()
    peer.send(GET.replace(b"example", b"b..c"))
    assert codes(peer) == ["", "", "", "invalid-host"]
    assert not peer.connected


PIECES = st.sampled_from(
    [
        *[b"GET ", b"POST ", b"HEAD ", b"/", b" ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n"],
        *[b"Host: a\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\n"],
        *[b"3\r\nabc\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"*", b":"],
        *[b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"A" * 9000, b"A: b\r\n" * 60],
    ]
)


@given(st.lists(PIECES | st.binary(max_size=4), max_size=30))
def test_whatever_bytes_come_nothing_breaks_and_what_is_refused_is_told_once(
    pieces: list[bytes],
) -> None:
    slow = Slow()
    with testing.logged() as events:
        peer = connected(LimitedSite(Clock(), slow, WebSettings()))
        for piece in pieces:
            peer.send(piece)
            while slow.requests:
                slow.answer()
        told = peer.received.count(b'"code":')
        assert peer.connected or told <= 1
        if peer.connected:
            peer.close()
    assert failures_in(events) == []
