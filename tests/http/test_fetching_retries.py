"""What failed in passing is asked again, where that is safe and there is time for it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import error as network
from twisted.web.http_headers import Headers

from tests.http.net import Net, error_of, head, page_of, whole

PART = head("200 OK", "Content-Length: 10") + b"half"


def fails(net: Net, how: str) -> None:
    """Let the attempt fail that is in progress."""
    if how == "refused":
        net.refuse(network.ConnectionRefusedError())
    elif how == "unreachable":
        net.refuse(network.NoRouteError())
    elif how == "connect-timeout":
        net.clock.advance(10)
    else:
        net.accept()
        if how == "cut":
            net.answer(PART)
        net.peers[-1].close()


@pytest.mark.parametrize(
    "how", ["refused", "unreachable", "connect-timeout", "disconnected", "cut"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_failure_of_the_network_is_tried_again_where_it_is_safe(how: str, method: str) -> None:
    net = Net(waits=True, timeout_seconds=100)
    fetched = net.fetcher.request(method, "http://a.example/")
    for _ in range(2 if method == "GET" else 0):
        fails(net, how)
        net.clock.advance(1.1)
    fails(net, how)
    error = error_of(fetched)
    assert error.trail is not None
    assert error.trail.attempts == (3 if method == "GET" else 1)
    net.end()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_busy_server_is_asked_again_where_it_is_safe(status: int, method: str) -> None:
    net = Net()
    body = None if method == "GET" else b"body"
    fetched = net.fetcher.request(method, "http://a.example/", None, body)
    net.answer(whole(b"later", f"{status} Busy"))
    if method != "POST":
        assert not net.peers[0].received
        net.clock.advance(0.6)
        assert net.peers[0].received.endswith(body or b"\r\n\r\n")
        net.answer(whole(b"now"))
    page = page_of(fetched)
    assert (page.attempts, page.body) == ((1, b"later") if method == "POST" else (2, b"now"))
    net.end()


@pytest.mark.parametrize("status", [500, 501, 404, 408, 200])
def test_other_answers_are_final(status: int) -> None:
    net = Net()
    fetched = net.get()
    net.answer(whole(b"x", f"{status} Said", "Retry-After: 1"))
    assert page_of(fetched).status == status
    net.end()


@pytest.mark.parametrize(
    "bad", [b"nonsense\r\n\r\n", whole(b"x", "200 OK", "Content-Encoding: gzip")]
)
def test_an_answer_that_is_bad_is_not_asked_for_again(bad: bytes) -> None:
    net = Net()
    fetched = net.get()
    net.answer(bad)
    error = error_of(fetched)
    assert error.trail is not None
    assert error.trail.attempts == 1
    net.end()


@pytest.mark.parametrize("given", ["20", "Sat, 01 Jan 2000 00:00:20 GMT"])
def test_retry_after_is_obeyed_in_both_forms(given: str) -> None:
    net = Net()
    net.fetcher._run.wall_clock = net.fetcher._run.retrying._wall_clock = lambda: 946_684_800.0
    fetched = net.get()
    net.answer(whole(b"", "503 Busy", f"Retry-After: {given}"))
    net.clock.advance(19.9)
    assert not net.peers[0].received
    net.clock.advance(0.2)
    net.answer(whole(b"now"))
    page = page_of(fetched)
    assert page.body == b"now"
    assert page.timings.queue == pytest.approx(20, abs=0.2)
    net.end()


@pytest.mark.parametrize(("given", "timeout"), [("61", 1_000.0), ("31", 30.0), ("9" * 999, 30.0)])
def test_a_wait_beyond_a_minute_or_the_deadline_is_not_begun(given: str, timeout: float) -> None:
    net = Net(timeout_seconds=timeout)
    fetched = net.get()
    net.answer(whole(b"busy", "503 Busy", f"Retry-After: {given}"))
    assert page_of(fetched).body == b"busy"
    net.end()


def test_no_retries_means_the_first_answer() -> None:
    net = Net(retries=0)
    fetched = net.get()
    net.answer(whole(b"busy", "503 Busy"))
    assert page_of(fetched).attempts == 1
    net.end()


def answers(net: Net, data: bytes) -> int:
    """Answer everything that was asked, and count it."""
    asked: list[Any] = [peer for peer in net.peers if peer.received]
    for peer in asked:
        peer.received = b""
        peer.send(data)
    return len(asked)


def test_a_run_in_which_all_fails_does_not_double_its_load() -> None:
    net = Net(concurrency=100, per_host=100)
    for _ in range(100):
        net.other()
    asked = 0
    for _ in range(10):
        asked += answers(net, whole(b"", "503 Busy"))
        net.clock.advance(1.1)
    assert asked == 100 + 10 + 10
    net.end()


def test_the_body_of_a_busy_answer_is_read_so_that_its_connection_serves_again() -> None:
    net = Net()
    fetched = net.get()
    net.answer(head("503 Busy", "Content-Length: 10") + b"half")
    net.peers[0].send(b"-whole")
    net.clock.advance(0.6)
    net.answer(whole())
    assert page_of(fetched).status == 200
    assert len(net.peers) == 1
    net.end()


def test_a_user_agent_of_ones_own_is_kept_over_tries() -> None:
    net = Net()
    own = Headers({"User-Agent": ["mine"]})
    fetched = net.fetcher.request("GET", "http://a.example/", own)
    for answer in (whole(b"", "503 Busy"), whole()):
        assert net.peers[0].received.count(b"User-Agent: mine\r\n") == 1
        assert net.peers[0].received.count(b"ser-Agent") == 1
        net.answer(answer)
        net.clock.advance(0.6)
    assert page_of(fetched).attempts == 2
    net.end()
