"""The fetcher service fetches each URL once a round, tells what failed, and stops cleanly."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.http.faults import Stall, answer, fault_server
from toolkit.database.database import Database
from toolkit.database.errors import Unavailable
from toolkit.errors import SettingsError
from toolkit.fetched import Fetched, FetchedTable
from toolkit.service import Health, Shared
from toolkit.services.fetcher import SERVICE, FetcherSettings, FetchRounds, make
from toolkit.settings import Value, resolve
from toolkit.testing import is_waiting, result_of

A, B = "http://a.example/", "http://u:secret@b.example/"


class Answer:
    """An answer in memory, whole."""

    def __init__(self, code: int = 200, body: bytes = b"") -> None:
        self.code = code
        self.headers = Headers()
        self._body = body

    def deliverBody(self, protocol: Any) -> None:
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class MemoryAgent:
    """Answers what it is told to, at once."""

    def __init__(self, **answers: Callable[[], Deferred[Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        host = uri.decode("ascii").split("/")[2]
        self.asked.append(host)
        return self.answers[host.partition(".")[0]]()


class Told(Health):
    """Fires when a round has ended in which something failed."""

    def __init__(self, reactor: Any) -> None:
        super().__init__("fetcher")
        self.become("ready")
        self.end_of_round: Deferred[None] = Deferred()
        self._reactor = reactor

    def degraded(self, reason: str) -> None:
        self._reactor.callLater(0, self.end_of_round.callback, None)


def refused() -> Deferred[Any]:
    return fail(error.ConnectionRefusedError())


def service(agent: MemoryAgent, *urls: str, **settings: Any) -> tuple[Clock, Health, FetchRounds]:
    clock, health = Clock(), Health("fetcher")
    health.become("ready")
    shared = Shared(clock, "fetcher", health)
    given = FetcherSettings(urls=urls, public_only=False, retries=0, **settings)
    return clock, health, FetchRounds(shared, given, agent)


def fields(logged: list[LogEvent], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(event.get(name) for name in names) for event in logged if "url" in event]


def test_every_url_is_fetched_once_a_round_and_logged(logged: list[LogEvent]) -> None:
    agent = MemoryAgent(a=lambda: succeed(Answer(200, b"abc")), b=lambda: succeed(Answer(204)))
    clock, health, rounds = service(agent, A, B, every_seconds=10)
    rounds.startService()
    assert agent.asked == ["a.example", "b.example"]
    clock.advance(9.9)
    assert len(agent.asked) == 2
    clock.advance(0.2)
    assert len(agent.asked) == 4
    assert fields(logged, "url", "status", "bytes", "seconds")[:2] == [
        (A, 200, 3, 0.0),
        ("http://****@b.example/", 204, 0, 0.0),
    ]
    assert health.state == "ready"
    result_of(rounds.stopService())
    assert not clock.getDelayedCalls()


def test_it_is_degraded_while_some_fail_and_says_the_first(logged: list[LogEvent]) -> None:
    agent = MemoryAgent(a=lambda: succeed(Answer()), b=refused)
    clock, health, rounds = service(agent, A, B, "http://b2.b/", every_seconds=10)
    agent.answers["b2"] = lambda: succeed(Answer(503))
    rounds.startService()
    assert (health.state, health.reason[:1]) == ("degraded", "2")
    assert health.reason == "2 of 3 failed, the first http://****@b.example/: connect-refused"
    assert ("http://****@b.example/", "connect-refused") in fields(logged, "url", "code")
    assert not any("secret" in str(event) for event in logged)
    assert [(last.url, last.status, last.error) for last in rounds.results] == [
        (A, 200, ""),
        ("http://****@b.example/", None, "connect-refused"),
        ("http://b2.b/", 503, ""),
    ]
    agent.answers["b"] = agent.answers["b2"] = agent.answers["a"]
    clock.advance(10)
    assert health.state == "ready"
    assert [last.failed for last in rounds.results] == [False] * 3
    result_of(rounds.stopService())


@pytest_twisted.ensureDeferred
async def test_with_a_database_each_result_is_kept_for_so_many_days(
    reactor: Any, tmp_path: Path
) -> None:
    database = Database(reactor, f"sqlite:{tmp_path / 'site.db'}")
    await database.startService()
    async with fault_server(reactor) as server:
        urls = (server.url("/", answer(b"abc")), "http://u:secret@127.0.0.1:1/")
        settings = FetcherSettings(urls=urls, public_only=False, retries=0, keep_days=1)
        told = Told(reactor)
        shared = Shared(reactor, "fetcher", told, lambda: database, True)
        for old in (time.time() - 90_000, time.time() - 80_000):
            await FetchedTable(database).prepare()
            await FetchedTable(database).add(Fetched("http://old/", old, 1.0, 200, 3, ""))
        rounds: Any = make(shared, settings)
        rounds.startService()
        await told.end_of_round
        await rounds.stopService()
        rows = await database.query(
            "SELECT url, status, bytes, error FROM fetched ORDER BY at, url"
        )
    await database.stopService()
    assert rows[0] == ("http://old/", 200, 3, "")  # not yet a day old
    assert sorted(map(tuple, rows[1:]), key=str) == [
        ("http://****@127.0.0.1:1/", None, 0, "connect-refused"),
        (urls[0], 200, 3, ""),
    ]


def test_a_database_that_is_away_is_told_and_the_fetching_goes_on() -> None:
    class Away:
        def migrate(self, *_arguments: object) -> Deferred[Any]:
            return fail(Unavailable("nobody is there"))

    agent = MemoryAgent(a=lambda: succeed(Answer()))
    clock, health = Clock(), Health("fetcher")
    health.become("ready")
    away: Any = Away()
    rounds = FetchRounds(
        Shared(clock, "fetcher", health),
        FetcherSettings(urls=(A,), public_only=False, retries=0),
        agent,
        FetchedTable(away),
    )
    rounds.startService()
    assert [last.status for last in rounds.results] == [200]
    assert health.state == "degraded"
    assert "not kept in the database: nobody is there" in health.reason
    result_of(rounds.stopService())


def test_no_more_than_allowed_are_fetched_at_once() -> None:
    waiting: list[Deferred[Any]] = []

    def waits() -> Deferred[Any]:
        waiting.append(Deferred())
        return waiting[-1]

    agent = MemoryAgent(a=waits)
    _clock, _health, rounds = service(agent, *[A] * 5, concurrency=2)
    rounds.startService()
    assert len(agent.asked) == 2
    waiting[0].callback(Answer())
    assert len(agent.asked) == 3
    result_of(rounds.stopService())


def test_the_stop_cancels_what_is_being_fetched() -> None:
    cancelled: list[Deferred[Any]] = []
    agent = MemoryAgent(a=lambda: Deferred(cancelled.append))
    clock, health, rounds = service(agent, A, A, A)
    rounds.startService()
    stopping = rounds.stopService()
    assert not is_waiting(stopping)
    assert len(cancelled) == 3
    assert not clock.getDelayedCalls()
    assert health.state == "ready"


def test_it_can_be_started_again() -> None:
    agent = MemoryAgent(a=lambda: succeed(Answer()))
    clock, _health, rounds = service(agent, A)
    for _ in range(2):
        rounds.startService()
        result_of(rounds.stopService())
    assert len(agent.asked) == 2
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        ((), r"FetcherSettings.urls: expected at least one URL such as .*, found \[\]"),
        (("example.org",), r"\.urls: expected URLs such as .* write http://example.org/\)"),
        ((A, "ftp://x/"), "ftp cannot be fetched"),
        (("http://u:secret@a b/",), r"found \[\"http://\*\*\*\*@a b/\"\]$"),
    ],
)
def test_urls_that_cannot_be_fetched_are_wrong_settings(
    urls: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        FetcherSettings(urls=urls)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_urls_come_from_one_variable_and_must_be_given() -> None:
    value = Value(f"{A},{B}", "TOOLKIT_FETCHER_URLS", is_text=True)
    found, _ = resolve(FetcherSettings, "fetcher", [{"urls": value}])
    assert found.urls == (A, B)
    with pytest.raises(SettingsError, match="fetcher: urls is not set; expected a list"):
        resolve(FetcherSettings, "fetcher", [])


def test_it_is_declared_with_its_defaults() -> None:
    settings = SERVICE.settings(urls=(A,))
    assert (settings.every_seconds, settings.concurrency, settings.timeout_seconds) == (60, 8, 30)
    assert settings.public_only
    assert SERVICE.summary == "Fetch URLs again and again, and log what each answered."


@pytest_twisted.ensureDeferred
async def test_what_is_not_public_is_refused_unless_it_is_told_otherwise(
    reactor: Any, logged: list[LogEvent]
) -> None:
    async with fault_server(reactor) as server:
        health = Health("fetcher")
        health.become("ready")
        url = server.url("/", answer(b"inside"))
        rounds = make(Shared(reactor, "fetcher", health), FetcherSettings(urls=(url,)))
        rounds.startService()
        assert fields(logged, "url", "code") == [(url, "address-refused")]
        assert health.state == "degraded"
        await rounds.stopService()
        assert server.connections == 0


@pytest_twisted.ensureDeferred
async def test_over_real_sockets_it_leaves_none_when_stopped(
    reactor: Any, logged: list[LogEvent]
) -> None:
    async with fault_server(reactor) as server:
        urls = (server.url("/good", answer(b"good")), server.url("/stalled", Stall(b"")))
        rounds = make(Shared(reactor, "fetcher"), FetcherSettings(urls=urls, public_only=False))
        asked = server.asked
        rounds.startService()
        while len(server.requests) < 2:
            await asked
            asked = server.asked
        while not fields(logged, "status"):
            turn: Deferred[None] = Deferred()
            reactor.callLater(0, turn.callback, None)
            await turn
        await rounds.stopService()
        told = [event for event in logged if "factory" in str(event.get("log_format"))]
        assert not [event for event in told if "_HTTP11" in repr(event.get("factory"))]
        assert fields(logged, "url", "status", "bytes") == [(urls[0], 200, 4)]
        while server.open:
            await server.gone
