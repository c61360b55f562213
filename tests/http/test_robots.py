"""An origin's robots.txt is asked for once, for all who wait, and what it says is remembered."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import Clock

from tests.http.faults import answer, fault_server
from toolkit.errors import ToolkitError
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.fetcher import Fetcher
from toolkit.http.robots import MAX_ORIGINS, REMEMBERED_SECONDS, UNREACHABLE_SECONDS, Robots
from toolkit.http.urls import parse_url
from toolkit.testing import is_waiting, result_of

NO_X = b"User-agent: *\nDisallow: /x\nCrawl-delay: 2"


class Site:
    """Origins whose answers are the test's to give, and the Robots that asks them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.fetches: list[Deferred[tuple[int, bytes]]] = []
        self.robots = Robots(self.clock, self.fetch)

    def fetch(self, url: str) -> Deferred[tuple[int, bytes]]:
        self.asked.append(url)
        self.fetches.append(Deferred(lambda _: self.cancelled.append(url)))
        return self.fetches[-1]

    def allowed(self, url: str) -> Deferred[bool]:
        return self.robots.allowed(parse_url(url))

    def answers(self, status: int, body: bytes = b"") -> None:
        self.fetches[-1].callback((status, body))

    def fails(self, error: Exception) -> None:
        self.fetches[-1].errback(error)


def test_the_rules_of_an_origin_are_asked_for_once() -> None:
    site = Site()
    first = site.allowed("http://user:secret@a.example:8080/x?q")
    site.answers(200, NO_X)
    assert result_of(first) is False
    assert result_of(site.allowed("http://a.example:8080/y")) is True
    assert site.asked == ["http://a.example:8080/robots.txt"]
    for url in ("http://a.example/", "https://a.example:8080/", "http://b.example:8080/"):
        site.allowed(url)
    assert len(site.asked) == 4


def test_a_robots_txt_may_always_be_fetched() -> None:
    site = Site()
    assert result_of(site.allowed("http://a.example/robots.txt?x")) is True
    assert not site.asked


@pytest.mark.parametrize("status", [200, 203])
def test_a_file_says_what_is_allowed(status: int) -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.answers(status, NO_X)
    assert result_of(waiting) is False


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410, 429, 499])
def test_without_a_file_all_is_allowed(status: int) -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.answers(status, NO_X)
    assert result_of(waiting) is True
    assert result_of(site.allowed("http://a/x")) is True
    assert len(site.asked) == 1


@pytest.mark.parametrize("code", ["too-many-redirects", "bad-redirect"])
def test_a_redirect_that_leads_nowhere_is_no_file(code: str) -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.fails(FetchError("redirected", code))
    assert result_of(waiting) is True


@pytest.mark.parametrize("status", [199, 500, 503, 599])
def test_a_server_that_fails_allows_nothing_and_is_asked_again_soon(status: int) -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.answers(status)
    assert result_of(waiting) is False
    site.clock.advance(UNREACHABLE_SECONDS - 1)
    assert result_of(site.allowed("http://a/y")) is False
    site.clock.advance(1)
    waiting = site.allowed("http://a/x")
    site.answers(404)
    assert result_of(waiting) is True


@pytest.mark.parametrize("code", ["connect-refused", "name-not-found", "tls-untrusted", "deadline"])
def test_what_cannot_be_reached_allows_nothing(code: str) -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.fails(FetchError("unreachable", code))
    assert result_of(waiting) is False
    assert site.robots.crawl_delay(parse_url("http://a/")) is None


def test_one_that_does_not_answer_in_time_allows_nothing() -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.clock.advance(29)
    assert is_waiting(waiting)
    site.clock.advance(1)
    assert result_of(waiting) is False
    assert not site.clock.getDelayedCalls()


def test_rules_are_remembered_for_a_day() -> None:
    site = Site()
    waiting = site.allowed("http://a/x")
    site.answers(200, NO_X)
    assert result_of(waiting) is False
    site.clock.advance(REMEMBERED_SECONDS - 1)
    assert result_of(site.allowed("http://a/x")) is False
    site.clock.advance(1)
    assert is_waiting(site.allowed("http://a/x"))
    assert len(site.asked) == 2


def test_the_delay_is_known_when_the_rules_are() -> None:
    site = Site()
    target = parse_url("http://a/x")
    assert site.robots.crawl_delay(target) is None
    site.allowed("http://a/x")
    site.answers(200, NO_X)
    assert site.robots.crawl_delay(target) == 2.0


def test_those_who_ask_at_once_share_a_request_and_each_has_an_answer() -> None:
    site = Site()
    waiting = [site.allowed(f"http://a/{path}") for path in ("x", "y", "x/z")]
    assert len(site.asked) == 1
    site.answers(200, NO_X)
    assert [result_of(one) for one in waiting] == [False, True, False]


def test_an_asker_that_is_cancelled_does_not_disturb_the_others() -> None:
    site = Site()
    first, second = site.allowed("http://a/x"), site.allowed("http://a/y")
    first.cancel()
    with pytest.raises(CancelledError):
        result_of(first)
    assert is_waiting(second)
    site.answers(200, NO_X)
    assert result_of(second) is True


def test_when_nobody_waits_any_more_the_request_is_cancelled() -> None:
    site = Site()
    asking = [site.allowed("http://a/x"), site.allowed("http://a/y")]
    for one in asking:
        assert not site.cancelled
        one.cancel()
        with pytest.raises(CancelledError):
            result_of(one)
    assert site.cancelled == ["http://a/robots.txt"]
    assert not site.clock.getDelayedCalls()
    again = site.allowed("http://a/x")
    site.answers(200, NO_X)
    assert result_of(again) is False


def test_an_answer_may_cancel_another_asker() -> None:
    site = Site()
    first, second = site.allowed("http://a/x"), site.allowed("http://a/y")
    first.addCallback(lambda _: second.cancel())
    site.answers(200, NO_X)
    with pytest.raises(CancelledError):
        result_of(second)


def test_a_fetch_that_was_cancelled_is_no_verdict() -> None:
    site = Site()
    waiting = [site.allowed("http://a/x"), site.allowed("http://a/y")]
    site.fails(FetchCancelled("the fetcher is closed"))
    for one in waiting:
        with pytest.raises(FetchCancelled, match="the fetcher is closed"):
            result_of(one)
    assert is_waiting(site.allowed("http://a/x"))


def test_a_bug_is_told_to_all_and_remembered_by_none() -> None:
    site = Site()
    waiting = [site.allowed("http://a/x"), site.allowed("http://a/y")]
    site.fails(ZeroDivisionError("a bug"))
    for one in waiting:
        with pytest.raises(ZeroDivisionError):
            result_of(one)
    assert is_waiting(site.allowed("http://a/x"))


def test_a_fetch_that_raises_at_once_is_a_failure_like_any_other() -> None:
    def fetch(url: str) -> Deferred[tuple[int, bytes]]:
        raise ToolkitError(f"not {url}")

    robots = Robots(Clock(), fetch)
    assert result_of(robots.allowed(parse_url("http://a/x"))) is False


def test_so_many_origins_are_remembered_and_the_one_not_asked_for_longest_gives_way() -> None:
    site = Site()
    for number in range(MAX_ORIGINS):
        site.allowed(f"http://h{number}/")
        site.answers(404)
    assert result_of(site.allowed("http://h0/")) is True
    site.allowed("http://another/")
    site.answers(404)
    asked = len(site.asked)
    site.allowed("http://h0/")
    assert len(site.asked) == asked
    site.allowed("http://h1/")
    assert len(site.asked) == asked + 1


def test_of_long_rules_fewer_are_remembered() -> None:
    site = Site()
    body = b"User-agent: *\n" + b"Disallow: /%s\n" % (b"a" * 989) * 400
    for number in range(10):
        site.allowed(f"http://h{number}/")
        site.answers(200, body)
    asked = len(site.asked)
    for number in reversed(range(10)):
        site.allowed(f"http://h{number}/")
    assert len(site.asked) == asked + 5


@pytest_twisted.ensureDeferred
async def test_a_fetcher_can_ask_for_it_over_a_redirect(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        server.url("/rules", answer(NO_X))
        url = server.url("/robots.txt", answer(b"", "302 Found", "Location: /rules"))
        fetcher = Fetcher(reactor)

        def fetch(url: str) -> Deferred[tuple[int, bytes]]:
            return fetcher.get(url).addCallback(lambda page: (page.status, page.body))

        robots = Robots(reactor, fetch)
        targets = [parse_url(url.replace("/robots.txt", path)) for path in ("/x", "/y", "/x/y")]
        try:
            allowed = await gatherResults([robots.allowed(target) for target in targets])
        finally:
            await fetcher.close()
        assert allowed == [False, True, False]
        assert server.connections == 1
