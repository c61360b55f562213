"""A Fetcher on a network in memory: names, connections and time are the test's to give."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConnector
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from toolkit.http.agent import HTTPAgent
from toolkit.http.failures import FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.http.page import Page, Timings
from toolkit.http.resolving import NameResolver
from toolkit.http.settings import AgentSettings, ConnectionSettings
from toolkit.testing import Peer, connected, result_of

_THE_AGENTS = ConnectionSettings.__struct_fields__


class Names(NameResolver):
    """Finds an address for each name, at once; or, where it `waits`, when the test says so."""

    def __init__(self) -> None:
        self.waits = False
        self.asked: list[str] = []
        self.waiting: list[Deferred[tuple[str, ...]]] = []

    def addresses_of(self, host: str) -> Deferred[tuple[str, ...]]:
        self.asked.append(host)
        if host[0].isdigit() or ":" in host:
            return succeed((host,))
        if not self.waits:
            return succeed(("192.0.2.7",))
        self.waiting.append(Deferred(self.waiting.remove))
        return self.waiting[-1]

    def found(self) -> None:
        """Answer the one that has waited longest."""
        self.waiting.pop(0).callback(("192.0.2.7",))


class _Reactor(MemoryReactorClock):
    """Connects when it is told to, or at once."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self._net = net
        self.advance(1_000)

    def connectTCP(
        self, host: Any, port: Any, factory: Any, timeout: Any = 30, bindAddress: Any = None
    ) -> IConnector:
        connector: Any = super().connectTCP(host, port, factory, timeout, bindAddress)
        opening = (factory, connector)
        self._net.opening.append(opening)
        connector.stopConnecting = lambda: self._net.opening.remove(opening)
        if not self._net.waits:
            self._net.accept()
        made: IConnector = connector
        return made


class Net:
    """A Fetcher, and what it connects to.

    `peers` are the far ends of its connections, in the order of their opening; with `waits` each
    opens at `accept`. The settings are those of the Fetcher.
    """

    def __init__(
        self, waits: bool = False, given: AgentSettings | None = None, **settings: Any
    ) -> None:
        self.waits = waits
        self.peers: list[Peer] = []
        self.opening: list[Any] = []
        self.clock = _Reactor(self)
        self.names = Names()
        of_agent = {name: settings[name] for name in _THE_AGENTS if name in settings}
        self.agent = HTTPAgent(
            self.clock, given or AgentSettings(**{"proxy": "none", **of_agent}), self.names
        )
        of_fetcher = {name: value for name, value in settings.items() if name not in of_agent}
        self.fetcher = Fetcher(self.clock, FetchSettings(**of_fetcher), self.agent)

    def accept(self) -> Peer:
        """Let the connection open that has waited longest."""
        factory, _ = self.opening.pop(0)
        self.peers.append(connected(factory))
        return self.peers[-1]

    def refuse(self, error: Exception) -> None:
        """Let the connection fail that has waited longest."""
        factory, connector = self.opening.pop(0)
        factory.clientConnectionFailed(connector, Failure(error))

    def get(self, url: str = "http://a.example/") -> Deferred[Page]:
        return self.fetcher.get(url)

    def other(self, url: str = "http://a.example/") -> None:
        """Fetch what the test does not look at."""
        self.get(url).addErrback(lambda failure: failure.trap(FetchError))

    def answer(self, data: bytes, at: int | None = None) -> None:
        """Answer what was asked last, or what was asked on a connection."""
        peer = self.asked_peer if at is None else self.peers[at]
        peer.received = b""
        peer.send(data)

    @property
    def asked_peer(self) -> Peer:
        """The newest connection on which something was asked, else the newest."""
        return next((peer for peer in reversed(self.peers) if peer.received), self.peers[-1])

    def asked(self, at: int | None = None) -> str:
        """The path that was asked last, or last on a connection."""
        peer = self.asked_peer if at is None else self.peers[at]
        return peer.received.rpartition(b" HTTP/1.1\r\n")[0].rpartition(b" ")[2].decode()

    @property
    def open(self) -> list[Peer]:
        return [peer for peer in self.peers if peer.connected]

    def end(self) -> None:
        """Close all, and see that nothing is left."""
        result_of(self.fetcher.close())
        result_of(self.agent.close())
        assert not self.open
        assert not self.opening
        assert not self.names.waiting
        assert not self.clock.getDelayedCalls()
        assert_idle(self.fetcher)


def assert_idle(fetcher: Fetcher) -> None:
    """See that nobody has a turn, a share or a deadline."""
    run = fetcher._run
    assert not run.running
    assert not len(run.deadlines)
    assert run.turns._free == run.settings.concurrency
    assert not run.turns._waiting
    assert not run.turns._going_on
    assert not run.pacing._shares


def error_of(fetched: Deferred[Any]) -> FetchError:
    """What a fetch has failed with."""
    with pytest.raises(FetchError) as caught:
        result_of(fetched)
    assert str(caught.value).isprintable()
    if caught.value.trail is not None:
        assert_whole(caught.value.trail.timings, caught.value.trail.seconds)
    return caught.value


def page_of(fetched: Deferred[Page]) -> Page:
    """What a fetch has come to."""
    page = result_of(fetched)
    assert_whole(page.timings, page.seconds)
    return page


def assert_whole(timings: Timings, seconds: float) -> None:
    """The phases add up to all."""
    assert sum(part or 0.0 for part in timings) == pytest.approx(seconds, abs=1e-6)


def head(status: str = "200 OK", *fields: str) -> bytes:
    """The beginning of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def whole(body: bytes = b"hi", status: str = "200 OK", *fields: str) -> bytes:
    """An answer, after which the connection is kept."""
    return head(status, f"Content-Length: {len(body)}", *fields) + body


def moved(location: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return whole(b"", status, f"Location: {location}")


def headers(**fields: str) -> Headers:
    """Headers, `_` for `-` in their names."""
    return Headers({name.replace("_", "-"): [value] for name, value in fields.items()})
