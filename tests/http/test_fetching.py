"""A fetch gives back all that it holds, wherever and however it ends."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.http.net import Net, assert_idle, error_of, head, moved, page_of, whole
from toolkit.http.failures import FetchCancelled
from toolkit.testing import is_waiting

PART = head("200 OK", "Content-Length: 10") + b"half"


# Given up, in every state


def in_queue(net: Net) -> Deferred[Any]:
    net.other()
    return net.get()


def in_name(net: Net) -> Deferred[Any]:
    net.names.waits = True
    return net.get()


def in_connect(net: Net) -> Deferred[Any]:
    net.waits = True
    return net.get()


def sent(net: Net) -> Deferred[Any]:
    return net.get()


def sent_after_its_turn(net: Net) -> Deferred[Any]:
    first = net.get()
    fetched = net.get()
    net.answer(whole())
    assert page_of(first).status == 200
    return fetched


def in_body(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(PART)
    return fetched


def in_body_after_its_turn(net: Net) -> Deferred[Any]:
    fetched = sent_after_its_turn(net)
    net.answer(PART)
    return fetched


def draining_a_redirect(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(head("302 Found", "Location: /x", "Content-Length: 10") + b"half")
    return fetched


def sent_after_draining(net: Net) -> Deferred[Any]:
    fetched = draining_a_redirect(net)
    net.peers[0].send(b"-whole")
    assert b"GET /x" in net.peers[0].received
    return fetched


def waiting_to_retry(net: Net) -> Deferred[Any]:
    fetched = net.get()
    net.answer(whole(b"", "503 Busy", "Retry-After: 5"))
    return fetched


def sent_again(net: Net) -> Deferred[Any]:
    fetched = waiting_to_retry(net)
    net.peers[0].received = b""
    net.clock.advance(5)
    assert b"GET /" in net.peers[0].received
    return fetched


def waiting_for_its_pace(net: Net) -> Deferred[Any]:
    net.other()
    net.answer(whole(b"", "429 Slow", "Retry-After: 90"))
    fetched = net.get("http://b.example/")
    net.answer(moved("http://a.example/"))
    return fetched


STATES = [
    in_queue, in_name, in_connect, sent, sent_after_its_turn, in_body, in_body_after_its_turn,
    draining_a_redirect, sent_after_draining, waiting_to_retry, sent_again, waiting_for_its_pace,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_cancelling_frees_what_a_fetch_holds_before_it_tells(state: Any) -> None:
    net = Net(per_host=1)
    fetched = state(net)
    others = len(net.fetcher._run.running) - 1
    open_then: list[int] = []

    def look(failure: Failure) -> Failure:
        open_then.append(len(net.open))
        return failure

    fetched.addErrback(look)
    fetched.cancel()
    error = error_of(fetched)
    assert isinstance(error, FetchCancelled)
    assert isinstance(error, CancelledError)
    assert error.url.startswith("http://")
    assert len(net.fetcher._run.running) == others
    if not others and state not in (waiting_to_retry, waiting_for_its_pace):
        assert open_then == [0]
    if not others:
        assert_idle(net.fetcher)
    net.end()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_closing_ends_a_fetch_in_every_state(state: Any) -> None:
    net = Net(per_host=1)
    fetched = state(net)
    net.end()
    assert isinstance(error_of(fetched), FetchCancelled)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_deadline_ends_a_fetch_that_has_begun_in_every_state(state: Any) -> None:
    net = Net(per_host=1, timeout_seconds=8)
    fetched = state(net)
    net.clock.advance(8.5)
    if state is in_queue:
        assert is_waiting(fetched)  # its time begins with its turn
        net.clock.advance(8.5)
    assert error_of(fetched).code == "deadline"
    assert not net.open or state is waiting_for_its_pace
    net.end()


# In which order


@pytest.mark.parametrize("which", ["concurrency", "per_host"])
def test_a_redirected_fetch_goes_before_those_that_have_not_begun(which: str) -> None:
    net = Net(concurrency=1) if which == "concurrency" else Net(per_host=1)
    fetched, other = net.get("http://a.example/1"), net.get("http://a.example/2")
    net.answer(moved("/3"))
    assert net.asked() == "/3"
    net.answer(whole(b"third"))
    assert page_of(fetched).body == b"third"
    assert net.asked() == "/2"
    net.answer(whole())
    assert page_of(other).status == 200
    net.end()


def test_a_fetch_that_is_tried_again_goes_before_those_that_have_not_begun() -> None:
    net = Net(concurrency=1)
    for number in range(4):
        net.other(f"http://a.example/{number}")
    net.answer(whole(b"", "503 Busy", "Retry-After: 1"))
    assert net.asked() == "/1"  # meanwhile its turn is another's
    net.clock.advance(1)
    net.answer(whole())
    assert net.asked() == "/0"
    net.end()


def test_one_turn_and_one_share_never_lock_each_other() -> None:
    net = Net(concurrency=1, per_host=1)
    there = net.get("http://a.example/")
    back = net.get("http://b.example/")
    net.answer(moved("http://b.example/x"))
    net.answer(moved("http://a.example/y"))
    for _ in range(2):
        net.answer(whole(b"end"))
    assert page_of(there).final_url == "http://b.example/x"
    assert page_of(back).final_url == "http://a.example/y"
    net.end()


def test_closing_asks_nothing_more_of_those_that_waited() -> None:
    net = Net(concurrency=1)
    for _ in range(20):
        net.other()
    net.end()
    assert net.peers[0].received.count(b"GET") == 1
    assert len(net.peers) == 1


def test_a_full_origin_holds_no_other_up() -> None:
    net = Net(per_host=1)
    for _ in range(5):
        net.other("http://a.example/")
    fetched = net.get("http://b.example/")
    net.answer(whole(b"b"))
    assert page_of(fetched).body == b"b"
    assert len(net.peers) == 2
    net.end()


def test_an_origin_that_rests_holds_no_other_up() -> None:
    net = Net(per_host=2)
    fetched, second = net.get(), net.get("http://a.example/2")
    net.answer(whole(b"", "429 Slow", "Retry-After: 5"), 0)
    net.answer(whole(b"2"), 1)
    assert page_of(second).body == b"2"  # had begun
    third = net.get("http://a.example/3")
    other = net.get("http://b.example/")
    net.answer(whole(b"b"))
    assert page_of(other).body == b"b"
    net.clock.advance(4.9)
    assert not any(peer.received for peer in net.peers)
    net.clock.advance(0.2)
    assert sorted(net.asked(peer) for peer in (0, 1)) == ["/", "/3"]
    for peer in (0, 1):
        net.answer(whole(b"again"), peer)
    assert page_of(fetched).attempts == 2
    assert page_of(third).attempts == 1
    net.end()


@pytest.mark.parametrize(("fields", "rest"), [([], 0.5), (["Retry-After: soon"], 0.5),
    (["Retry-After: 7"], 7), (["Retry-After: 3600"], 60), (["Retry-After: 0"], 0)])  # fmt: skip
def test_too_many_requests_slow_their_origin_though_none_is_tried_again(
    fields: list[str], rest: float
) -> None:
    net = Net(retries=0, timeout_seconds=100)
    first = net.get()
    net.answer(whole(b"", "429 Slow", *fields))
    assert page_of(first).status == 429
    second, other = net.get(), net.get("http://b.example/")
    net.answer(whole(b"b"), -1)
    assert page_of(other).body == b"b"
    if rest:
        net.clock.advance(rest - 0.1)
        assert not any(peer.received for peer in net.peers)
    net.clock.advance(0.2)
    net.answer(whole(b"a"))
    assert page_of(second).body == b"a"
    net.end()


def test_requests_to_an_origin_are_evenly_spaced_redirects_too() -> None:
    net = Net(rate=4)
    fetched = net.get()
    net.answer(moved("/2"))
    assert not net.peers[0].received
    net.clock.advance(0.2)
    assert not net.peers[0].received
    net.clock.advance(0.1)
    assert net.asked() == "/2"
    net.answer(whole())
    assert page_of(fetched).timings.queue == pytest.approx(0.3)
    net.end()
