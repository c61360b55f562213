"""Whatever happens in whatever order: each fetch ends once, and nothing of it is left."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet import error as network
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.http.net import Net, assert_idle, assert_whole, head, moved, whole
from toolkit.http.failures import FetchError
from toolkit.http.page import Page
from toolkit.testing import is_waiting, result_of

ANSWERS = [
    whole(b"hello"),
    whole(b"bye", "200 OK", "Connection: close"),
    whole(b"", "404 None"),
    whole(b"", "503 Busy"),
    whole(b"", "503 Busy", "Retry-After: 2"),
    whole(b"", "429 Slow", "Retry-After: 1"),
    moved("/again"),
    moved("http://b.example/"),
    moved("http://c.example:8080/x"),
    moved("ftp://a.example/"),
    moved("/x").replace(b"Length: 0", b"Length: 4") + b"ha",
    head("200 OK", "Content-Length: 9") + b"ha",
    head("200 OK", "Transfer-Encoding: chunked") + b"2\r\nha\r\n",
    head("200 OK") + b"ha",
    whole(b"not gzip", "200 OK", "Content-Encoding: gzip"),
    b"ha",
    b"0\r\n\r\n",
    b"nonsense\r\n\r\n",
]

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), st.sampled_from("aaabc")),
        st.tuples(st.just("post"), st.sampled_from("ab")),
        st.tuples(st.just("cancel"), st.integers(0, 12)),
        st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from(ANSWERS)),
        st.tuples(st.sampled_from(["close", "vanish"]), st.integers(0, 5)),
        st.tuples(st.sampled_from(["accept", "refuse", "found", "lost"])),
        st.tuples(st.just("pass"), st.sampled_from([0.1, 0.5, 2.0, 11.0, 40.0])),
    ),
    max_size=40,
)


class World:
    """A Fetcher, what is done to it, and what each of its fetches came to."""

    def __init__(self, waits: bool, **limits: Any) -> None:
        self.net = Net(waits=waits, **limits)
        self.net.names.waits = waits
        self.fetches: list[Deferred[Any]] = []
        self.ends: list[list[Page | FetchError]] = []

    def began(self, fetched: Deferred[Page]) -> None:
        ends: list[Page | FetchError] = []

        def end(outcome: Page | Failure) -> None:
            if isinstance(outcome, Failure):
                outcome.trap(FetchError)
                ends.append(outcome.value)  # type: ignore[arg-type] # it was just trapped
            else:
                ends.append(outcome)

        self.ends.append(ends)
        self.fetches.append(fetched.addBoth(end))

    def does(self, event: Any) -> None:
        net = self.net
        name, given = event[0], event[1:]
        if name == "get":
            self.began(net.get(f"http://{given[0]}.example/"))
        elif name == "post":
            url = f"http://{given[0]}.example/"
            self.began(net.fetcher.request("POST", url, None, b"body"))
        elif name == "cancel" and given[0] < len(self.fetches):
            self.fetches[given[0]].cancel()
        elif name == "pass":
            net.clock.advance(given[0])
        elif name in ("accept", "refuse") and net.opening:
            if name == "accept":
                net.accept()
            else:
                net.refuse(network.ConnectionRefusedError())
        elif name in ("found", "lost") and net.names.waiting:
            if name == "found":
                net.names.found()
            else:
                net.names.waiting.pop(0).errback(FetchError("no such name", "name-not-found"))
        elif name in ("answer", "close", "vanish") and given[0] < len(net.open):
            peer = net.open[given[0]]
            if name == "answer":
                peer.send(given[1])
            else:
                getattr(peer, name)()


def in_use(net: Net) -> int:
    """How many connections are open, or being opened, that are not idle."""
    pool = net.agent._pool
    assert len(net.open) + len(net.opening) <= pool._connections
    return pool._connections - len(pool._idle)


@settings(max_examples=400, deadline=None)
@given(
    events=EVENTS,
    waits=st.booleans(),
    concurrency=st.integers(1, 4),
    per_host=st.integers(1, 3),
    rate=st.sampled_from([0.0, 2.0]),
    closes=st.booleans(),
)
def test_each_fetch_ends_once_and_nothing_is_left(
    events: list[Any], waits: bool, concurrency: int, per_host: int, rate: float, closes: bool
) -> None:
    world = World(waits, concurrency=concurrency, per_host=per_host, rate=rate, retries=1)
    net = world.net
    for event in events:
        world.does(event)
        run = net.fetcher._run
        turns = sum(one.has_turn for one in run.running)
        assert turns <= concurrency
        assert in_use(net) <= turns
        assert all(share.active <= per_host for share in run.pacing._shares.values())
    if not closes:  # each ends by itself: by its deadline at the latest
        for _ in range(len(world.fetches) * 3 + 3):
            while net.names.waiting:
                net.names.found()
            net.clock.advance(31)
        assert_idle(net.fetcher)
        assert in_use(net) == 0
        assert not [one for one in world.fetches if is_waiting(one)]
    net.end()
    for fetched, ends in zip(world.fetches, world.ends, strict=True):
        assert not is_waiting(fetched)
        assert result_of(fetched) is None
        (end,) = ends
        if isinstance(end, Page):
            assert_whole(end.timings, end.seconds)
        elif end.trail is not None:
            assert_whole(end.trail.timings, end.trail.seconds)
            assert end.phase in end.trail.timings._fields
