"""Any IAgent will do: Twisted's, treq's, one that is slow to obey, one with a bug."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionLost, ConnectionRefusedError as Refused
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.http.faults import CHUNKED, Stall, answer, failure_of, fault_server
from tests.http.net import assert_idle, error_of, page_of
from toolkit.errors import SettingsError
from toolkit.http.failures import FetchCancelled
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.testing import result_of


class Answer:
    """A response in memory."""

    def __init__(self, body: bytes = b"", code: int = 200, **fields: str) -> None:
        self.code = code
        self.body = body
        self.headers = Headers({name.replace("_", "-"): [value] for name, value in fields.items()})
        self.aborted = False
        self.reader: Any = None

    def deliverBody(self, reader: Any) -> None:
        self.reader = reader
        reader.makeConnection(self)
        if not self.aborted:
            reader.dataReceived(self.body)
            reader.connectionLost(Failure(ResponseDone()))

    def abortConnection(self) -> None:
        self.aborted = True
        self.reader.connectionLost(Failure(ConnectionLost()))

    loseConnection = abortConnection


@implementer(IAgent)
class Theirs:
    """An agent whose answers are the test's to give; it does what `on_cancel` says."""

    def __init__(self, on_cancel: Any = None) -> None:
        self.asked: list[tuple[bytes, bytes, Any]] = []
        self.answers: list[Deferred[Any]] = []
        self.on_cancel = on_cancel

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        self.asked.append((method, uri, headers))
        self.answers.append(Deferred(self.on_cancel))
        return self.answers[-1]


def given(agent: Any, **settings: Any) -> tuple[Clock, Fetcher]:
    clock = Clock()
    return clock, Fetcher(clock, FetchSettings(**settings), agent)


def test_it_is_asked_for_everything_and_its_answers_are_read() -> None:
    agent = Theirs()
    clock, fetcher = given(agent, cookies=True)
    fetched = fetcher.get("http://a.example/")
    agent.answers[0].callback(Answer(b"", 302, Location="/x", Set_Cookie="id=7"))
    agent.answers[1].callback(Answer(b"", 503))
    clock.advance(0.6)
    agent.answers[2].callback(Answer(gzip.compress(b"text"), Content_Encoding="gzip"))
    page = page_of(fetched)
    assert (page.body, page.final_url, page.attempts) == (b"text", "http://a.example/x", 2)
    assert [uri for _, uri, _ in agent.asked] == [b"http://a.example/"] + [
        b"http://a.example/x"
    ] * 2
    assert agent.asked[1][2].getRawHeaders("cookie") == ["id=7"]
    assert_idle(fetcher)


def test_its_failures_have_their_codes_and_are_tried_again() -> None:
    agent = Theirs()
    clock, fetcher = given(agent)
    fetched = fetcher.get("http://a.example/")
    for failure in (Refused(), ResponseFailed([Failure(ConnectionLost())]), Refused()):
        agent.answers[-1].errback(failure)
        clock.advance(1.1)
    error = error_of(fetched)
    assert error.code == "connect-refused"
    assert isinstance(error.__cause__, Refused)
    assert_idle(fetcher)


@pytest.mark.parametrize("how", ["raises", "fails", "answers nonsense"])
def test_a_bug_in_it_stays_what_it_is_and_costs_no_turn(how: str) -> None:
    class Broken(Theirs):
        def request(self, *arguments: Any) -> Deferred[Any]:
            if how == "raises":
                raise KeyError("a bug")
            asking = super().request(*arguments)
            if how == "fails":
                asking.errback(KeyError("a bug"))
            else:
                asking.callback(None)
            return asking

    _, fetcher = given(Broken(), concurrency=1)
    for _ in range(3):
        with pytest.raises((KeyError, AttributeError)):
            result_of(fetcher.get("http://a.example/"))
        assert_idle(fetcher)


def ignores(_: Deferred[Any]) -> None:
    """It goes on as if nothing had happened."""


def answers_all_the_same(gone: Deferred[Any]) -> None:
    gone.callback(Answer(b"too late"))


@pytest.mark.parametrize("on_cancel", [None, ignores, answers_all_the_same])
@pytest.mark.parametrize("end", ["cancelled", "deadline", "closed"])
def test_one_that_does_not_heed_its_cancellation_holds_nothing_up(on_cancel: Any, end: str) -> None:
    agent = Theirs(on_cancel)
    clock, fetcher = given(agent, concurrency=1)
    fetched = fetcher.get("http://a.example/")
    if end == "cancelled":
        fetched.cancel()
    elif end == "deadline":
        clock.advance(30)
    else:
        result_of(fetcher.close())
    assert error_of(fetched).code == ("deadline" if end == "deadline" else "cancelled")
    assert_idle(fetcher)
    if on_cancel is None:
        agent.answers[0].callback(Answer(b"at last"))  # Twisted drops it
    result_of(fetcher.close())
    assert not clock.getDelayedCalls()


def test_an_answer_that_comes_though_it_was_cancelled_is_closed() -> None:
    late = Answer(b"too late")
    agent = Theirs(lambda gone: gone.callback(late))
    _, fetcher = given(agent)
    fetched = fetcher.get("http://a.example/")
    fetched.cancel()
    assert isinstance(error_of(fetched), FetchCancelled)
    assert late.aborted
    result_of(fetcher.close())


def test_one_that_is_cancelled_by_another_is_cancelled() -> None:
    agent = Theirs()
    _, fetcher = given(agent)
    fetched = fetcher.get("http://a.example/")
    agent.answers[0].errback(CancelledError())
    assert isinstance(error_of(fetched), FetchCancelled)
    assert_idle(fetcher)
    result_of(fetcher.close())


def test_what_only_an_agent_can_see_to_is_refused_with_one_that_is_given() -> None:
    settings = FetchSettings(cacert="x", insecure=True, proxy="none", public_only=True)
    with pytest.raises(SettingsError) as caught:
        Fetcher(Clock(), settings, Theirs())
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "FetchSettings.cacert", "FetchSettings.insecure", "FetchSettings.proxy",
        "FetchSettings.public_only",
    ]  # fmt: skip


def test_a_hundred_thousand_at_once_end_cleanly() -> None:
    class AtOnce(Theirs):
        def request(self, *arguments: Any) -> Deferred[Any]:
            self.answers.append(Deferred())
            if len(self.answers) % 2:
                return succeed(Answer(b"x"))
            return self.answers[-1]

    agent = AtOnce()
    clock, fetcher = given(agent, concurrency=64)
    ends: list[Any] = []
    for number in range(100_000):
        fetcher.get(f"http://{number % 7}.example/").addBoth(ends.append)
    clock.advance(31)
    result_of(fetcher.close())
    assert len(ends) == 100_000
    assert_idle(fetcher)
    assert not clock.getDelayedCalls()
    assert {getattr(getattr(end, "value", None), "code", "page") for end in ends} == {
        "page", "deadline", "cancelled",
    }  # fmt: skip


BODIES = {
    "/": (answer(b"hello"), "hello"),
    "/chunks": (CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", "hi"),
    "/end": (b"HTTP/1.0 200 OK\r\n\r\nhi", "hi"),
    "/moved": (answer(b"x" * 100_000, "302 Found", "Location: /"), "hello"),
    "/gzip": (answer(gzip.compress(b"text"), "200 OK", "Content-Encoding: gzip"), "text"),
}


@pytest_twisted.ensureDeferred
async def test_twisteds_own_agent_serves(reactor: Any) -> None:
    pool = HTTPConnectionPool(reactor)
    async with fault_server(reactor) as server:
        fetcher = Fetcher(reactor, FetchSettings(retries=0, timeout_seconds=0.5),
                          Agent(reactor, pool=pool))  # fmt: skip
        for path, (data, _) in BODIES.items():
            server.url(path, data)
        for path, (_, body) in BODIES.items():
            assert (await fetcher.get(server.url(path))).body == body.encode()
        for data in (Stall(b""), Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")):
            error = await failure_of(fetcher.get(server.url("/stall", data)))
            assert error.code == "deadline"
            assert error.phase == ("body" if data else "first_byte")
        cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"
        assert (await failure_of(fetcher.get(server.url("/cut", cut)))).code == "truncated"
        await fetcher.close()
        await pool.closeCachedConnections()
