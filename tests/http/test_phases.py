"""The seconds of a fetch are told phase by phase, and add up to all that it took."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.http.net import Net, error_of, head, moved, page_of, whole
from toolkit.http.fetcher import Fetcher
from toolkit.http.page import Timings
from toolkit.testing import result_of


def slowly(**settings: Any) -> Net:
    """A network on which names and connections take the time that the test lets pass."""
    net = Net(waits=True, **settings)
    net.names.waits = True
    return net


def test_each_phase_has_its_seconds() -> None:
    net = slowly(concurrency=1)
    net.other("http://192.0.2.1/first")
    fetched = net.get()
    net.clock.advance(1)
    net.accept()
    net.answer(whole())
    net.clock.advance(2)
    net.names.found()
    net.clock.advance(3)
    net.accept()
    net.clock.advance(4)
    net.answer(head("200 OK", "Content-Length: 2"))
    net.clock.advance(5)
    net.answer(b"hi")
    page = page_of(fetched)
    assert page.timings == Timings(1, 2, 3, None, 4, 5)
    assert page.seconds == 15
    net.end()


def test_a_connection_that_is_used_again_has_no_name_and_no_connecting() -> None:
    net = Net()
    for _ in range(2):
        fetched = net.get()
        net.clock.advance(1)
        net.answer(whole())
        timings = page_of(fetched).timings
    assert timings == Timings(0, None, None, None, 1, 0)
    net.end()


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://[2001:db8::1]/"])
def test_an_address_has_no_name(url: str) -> None:
    net = slowly()
    fetched = net.get(url)
    net.clock.advance(1)
    net.accept()
    net.answer(whole())
    assert page_of(fetched).timings == Timings(0, None, 1, None, 0, 0)
    net.end()


def test_redirects_and_other_tries_are_added_up() -> None:
    net = slowly()
    fetched = net.get("http://a.example/")
    for status in ("302 Found", "503 Busy", "200 OK"):
        if status != "200 OK":
            net.clock.advance(1)
            net.names.found()
            net.clock.advance(2)
            net.accept()
        net.clock.advance(3)
        where = "http://b.example/" if status == "302 Found" else "/"
        net.answer(head(status, f"Location: {where}", "Content-Length: 2", "Retry-After: 7"))
        net.clock.advance(0.5)
        net.answer(b"hi")
        if status == "503 Busy":
            net.clock.advance(7)
    page = page_of(fetched)
    assert page.timings == Timings(7, 2, 4, None, 9, 1.5)
    assert (page.attempts, page.redirects) == (2, ("http://a.example/",))
    net.end()


@pytest.mark.parametrize("phase", ["queue", "name", "connect", "first_byte", "body"])
@pytest.mark.parametrize("end", ["deadline", "cancelled"])
def test_the_phase_in_which_it_fails_is_named_and_counted(phase: str, end: str) -> None:
    net = slowly(timeout_seconds=8, connect_timeout_seconds=100)
    if phase == "queue":
        net.names.waits = net.waits = False
        fetched = net.get()
        net.answer(whole(b"", "429 Slow", "Retry-After: 5"))
    else:
        fetched = net.get()
    steps = ["queue", "name", "connect", "first_byte", "body"].index(phase)
    if steps >= 2:
        net.clock.advance(1)
        net.names.found()
    if steps >= 3:
        net.clock.advance(1)
        net.accept()
    if steps >= 4:
        net.clock.advance(1)
        net.answer(head("200 OK", "Content-Length: 2"))
    if end == "cancelled":
        net.clock.advance(3)
        fetched.cancel()
    elif phase == "queue":
        net.clock.advance(5)  # asked again, and late in the first byte of that
        net.clock.advance(3)
    else:
        net.clock.advance(8)
    error = error_of(fetched)
    assert error.code == end
    assert error.phase == ("first_byte" if phase == "queue" and end == "deadline" else phase)
    assert error.trail is not None
    assert getattr(error.trail.timings, error.phase or "") >= 3
    after = error.trail.timings[error.trail.timings._fields.index(error.phase) + 1 :]
    if phase != "queue":
        assert set(after) <= {None}
    net.end()


class Agent:
    """One of somebody else's: it says nothing of its phases."""

    def __init__(self) -> None:
        self.asked: list[Deferred[Any]] = []

    def request(self, *_: object) -> Deferred[Any]:
        self.asked.append(Deferred())
        return self.asked[-1]


@pytest.mark.parametrize("start", [0.0, 1_000.0])
def test_of_another_agent_only_the_waiting_the_head_and_the_body_are_known(start: float) -> None:
    clock, agent = Clock(), Agent()
    clock.advance(start)
    fetcher = Fetcher(clock, agent=agent)  # type: ignore[arg-type]
    fetched = fetcher.get("http://a.example/")
    clock.advance(2)
    fetched.cancel()
    error = error_of(fetched)
    assert error.phase == "first_byte"
    assert error.trail is not None
    assert error.trail.timings == Timings(0, None, None, None, 2, None)
    assert not clock.getDelayedCalls() or result_of(fetcher.close()) is None


def test_a_url_that_is_none_has_no_phase() -> None:
    net = Net()
    error = error_of(net.get("nothing"))
    assert (error.phase, error.trail, error.url) == (None, None, "nothing")
    net.end()


def test_a_request_that_cannot_be_made_was_never_sent() -> None:
    net = Net()
    error = error_of(net.fetcher.request("G T", "http://a.example/"))
    assert (error.code, error.phase) == ("invalid-url", "queue")
    net.end()


def test_a_clock_that_begins_at_zero_begins_no_deadline_twice() -> None:
    net = Net(timeout_seconds=8)
    net.clock.rightNow = 0.0
    fetched = net.get()
    net.clock.advance(5)
    net.answer(moved("/x"))
    net.clock.advance(4)
    assert error_of(fetched).code == "deadline"
    net.end()
