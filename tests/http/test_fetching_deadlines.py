"""Each deadline has its code and its phase; its socket is closed first, and no other is."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.http.net import Net, assert_idle, error_of, head, moved, page_of, whole
from toolkit.http.failures import FetchError
from toolkit.testing import is_waiting

LIMITS = {
    "connect_timeout_seconds": 2.0, "first_byte_timeout_seconds": 3.0, "stall_seconds": 4.0,
    "timeout_seconds": 20.0, "retries": 0,
}  # fmt: skip
PART = head("200 OK", "Content-Length: 10") + b"half"


def name_is_not_found(net: Net) -> Deferred[Any]:
    net.names.waits = True
    return net.get()


def nobody_accepts(net: Net) -> Deferred[Any]:
    net.waits = True
    return net.get()


def nothing_is_said(net: Net) -> Deferred[Any]:
    return net.get()


def half_a_head(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(b"HTTP/1.1 200 OK\r\nX: ")
    return fetched


def interim_answers_only(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(b"HTTP/1.1 103 Early\r\n\r\n")
    return fetched


def half_a_body(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(PART)
    return fetched


def half_a_body_of_a_download(net: Net) -> Deferred[Any]:
    fetched = net.fetcher.download("http://a.example/", "/dev/null")
    net.answer(PART)
    return fetched


def no_body(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(head("200 OK", "Transfer-Encoding: chunked"))
    return fetched


@pytest.mark.parametrize(
    ("stops", "seconds", "code", "phase"),
    [
        (name_is_not_found, 2, "connect-timeout", "name"),
        (nobody_accepts, 2, "connect-timeout", "connect"),
        (nothing_is_said, 3, "first-byte-timeout", "first_byte"),
        (half_a_head, 3, "first-byte-timeout", "first_byte"),
        (interim_answers_only, 3, "first-byte-timeout", "first_byte"),
        (half_a_body, 4, "stalled", "body"),
        (half_a_body_of_a_download, 4, "stalled", "body"),
        (no_body, 4, "stalled", "body"),
    ],
)  # fmt: skip
def test_what_takes_too_long_is_ended(stops: Any, seconds: float, code: str, phase: str) -> None:
    net = Net(**LIMITS)  # type: ignore[arg-type] # `waits` is none of them
    unharmed = net.get("http://b.example/")
    net.answer(head("200 OK", "Content-Length: 3") + b".")
    fetched = stops(net)
    open_then: list[int] = []

    def look(failure: Failure) -> Failure:
        open_then.append(len(net.open) + len(net.opening) + len(net.names.waiting))
        return failure

    fetched.addErrback(look)
    net.clock.advance(seconds - 0.1)
    assert is_waiting(fetched)
    assert is_waiting(unharmed)
    net.peers[0].send(b".")
    net.clock.advance(0.2)
    error = error_of(fetched)
    assert (error.code, error.phase) == (code, phase)
    assert open_then == [1]
    assert f"{seconds:g} s" in str(error)
    net.peers[0].send(b".")
    assert page_of(unharmed).body == b"..."
    assert_idle(net.fetcher)
    net.end()


def test_its_time_does_not_run_while_it_waits_for_its_turn() -> None:
    net = Net(concurrency=1, timeout_seconds=8, stall_seconds=100)
    for _ in range(3):
        net.other()
    last = net.get()
    for _ in range(3):
        net.clock.advance(7)
        net.answer(whole())
    net.clock.advance(7)
    assert is_waiting(last)
    net.answer(whole())
    assert page_of(last).timings.queue == 21
    net.end()


def test_its_time_runs_over_redirects_and_other_tries() -> None:
    net = Net(timeout_seconds=8.5)
    fetched = net.get()
    for answer in (moved("/2"), whole(b"", "503 Busy", "Retry-After: 2"), moved("/3")):
        net.clock.advance(2)
        net.answer(answer)
        if b"503" in answer:
            net.clock.advance(2)
    assert is_waiting(fetched)
    net.clock.advance(0.6)
    error = error_of(fetched)
    assert (error.code, error.phase) == ("deadline", "first_byte")
    assert error.trail is not None
    assert (len(error.trail.redirects), error.trail.attempts) == (2, 2)
    assert not net.open
    net.end()


def test_its_time_runs_while_it_waits_for_the_pace_of_another_origin() -> None:
    net = Net(timeout_seconds=8, per_host=1)
    fetched = net.get()
    net.clock.advance(1)
    net.other("http://b.example/")
    net.answer(moved("http://b.example/x"), 0)
    net.clock.advance(7.1)
    error = error_of(fetched)
    assert (error.code, error.phase) == ("deadline", "queue")
    net.end()


def test_a_body_that_drips_is_not_stalled_and_late_all_the_same() -> None:
    net = Net(**LIMITS)  # type: ignore[arg-type]
    fetched = net.get()
    net.answer(head("200 OK", "Content-Length: 100"))
    for _ in range(6):
        net.clock.advance(3)
        assert is_waiting(fetched)
        net.peers[0].send(b".")
    net.clock.advance(2.1)
    assert error_of(fetched).code == "deadline"
    net.end()


def test_a_long_name_and_a_long_connecting_share_their_time() -> None:
    net = Net(waits=True, **LIMITS)  # type: ignore[arg-type]
    net.names.waits = True
    fetched = net.get()
    net.clock.advance(1.5)
    net.names.found()
    net.clock.advance(0.6)
    error = error_of(fetched)
    assert (error.code, error.phase) == ("connect-timeout", "connect")
    assert error.trail is not None
    assert error.trail.timings.name == 1.5
    assert error.trail.timings.connect == pytest.approx(0.6)
    net.end()


def test_those_that_are_late_at_once_all_are_and_begin_no_others_late() -> None:
    net = Net(concurrency=2, per_host=2, timeout_seconds=8)
    fetches = [net.get(f"http://a.example/{number}") for number in range(6)]
    for round_ in range(3):
        net.clock.advance(8.1)
        assert [is_waiting(one) for one in fetches] == [
            number >= 2 * (round_ + 1) for number in range(6)
        ]
    codes = {error_of(one).code for one in fetches}
    assert codes == {"deadline"}
    net.end()


def test_a_failure_that_is_shared_is_each_ones_own() -> None:
    net = Net(per_host=4)
    net.names.waits = True
    fetches = [net.get(f"http://a.example/{number}") for number in range(4)]
    shared = FetchError("no such name", "name-not-found")
    for waiting in list(net.names.waiting):
        net.names.waiting.remove(waiting)
        waiting.errback(shared)
    errors = [error_of(one) for one in fetches]
    assert [error.url for error in errors] == [f"http://a.example/{n}" for n in range(4)]
    assert {error.code for error in errors} == {"name-not-found"}
    net.end()
