"""Many fetches: bounded, in the order in which they end, and as fast as they are taken."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.http.net import Net, whole
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.results import Results
from toolkit.testing import is_waiting, result_of


class Source:
    """Fetches that end when the test says so, of URLs that are counted as they are read."""

    def __init__(self, count: int = 10, limit: int = 3) -> None:
        self.read = 0
        self.fetches: dict[str, Deferred[Any]] = {}
        self.cancelled: list[str] = []
        self.results = Results(self.fetch, self.urls(count), limit)
        self.taken: list[Any] = []

    def urls(self, count: int) -> Iterator[str]:
        for number in range(count):
            self.read += 1
            yield str(number)

    def fetch(self, url: str) -> Deferred[Any]:
        def give_up(gone: Deferred[Any]) -> None:
            self.cancelled.append(url)
            gone.errback(FetchCancelled(url))

        self.fetches[url] = Deferred(give_up)
        return self.fetches[url]

    def ends(self, *numbers: int) -> None:
        for number in numbers:
            self.fetches[str(number)].callback(f"page {number}")

    def take(self) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.results.__anext__())

    def take_all(self) -> Deferred[None]:
        async def loop() -> None:
            async for result in self.results:
                self.taken.append(result)

        return Deferred.fromCoroutine(loop())


def test_they_come_as_they_end_and_no_more_than_the_limit_are_under_way() -> None:
    source = Source(count=5, limit=3)
    loop = source.take_all()
    assert list(source.fetches) == ["0", "1", "2"]
    source.ends(2)
    assert source.taken == ["page 2"]
    assert list(source.fetches) == ["0", "1", "2", "3"]
    source.ends(0, 3, 4, 1)
    assert source.taken == ["page 2", "page 0", "page 3", "page 4", "page 1"]
    assert result_of(loop) is None


def test_nothing_is_read_before_somebody_takes() -> None:
    assert Source().read == 0


def test_who_takes_slowly_has_no_more_fetched() -> None:
    source = Source(count=100, limit=3)
    first = source.take()
    source.ends(0, 1, 2)
    assert result_of(first) == "page 0"
    assert source.read == 3  # two wait to be taken, and nobody has asked for a third
    assert result_of(source.take()) == "page 1"
    assert source.read == 4
    assert len(source.fetches) == 4


def test_a_failure_is_a_result_and_a_bug_is_raised() -> None:
    source = Source(count=4, limit=4)
    loop = source.take_all()
    error = FetchError("no", "stalled")
    source.fetches["1"].errback(error)
    assert source.taken == [error]
    source.fetches["2"].errback(KeyError("a bug"))
    with pytest.raises(KeyError, match="a bug"):
        result_of(loop)
    assert source.cancelled == ["3", "0"]


def test_cancelling_ends_those_under_way_and_begins_none() -> None:
    source = Source(count=10, limit=3)
    loop = source.take_all()
    source.ends(0)
    source.results.cancel()
    assert result_of(loop) is None
    assert source.taken[0] == "page 0"
    assert [type(one) for one in source.taken[1:]] == [FetchCancelled] * 3
    assert source.read == 4


def test_cancelling_asks_for_nothing_more() -> None:
    net = Net(concurrency=6)
    results = net.fetcher.fetch_all(f"http://a.example/{number}" for number in range(100))
    first = Deferred.fromCoroutine(results.__anext__())
    results.cancel()
    assert isinstance(result_of(first), FetchCancelled)
    assert len(net.peers) == 6
    net.end()


def test_leaving_the_loop_early_leaves_the_rest_to_cancel() -> None:
    source = Source(count=10, limit=3)

    async def loop() -> Any:
        async for result in source.results:
            return result
        return None

    first = Deferred.fromCoroutine(loop())
    source.ends(1)
    assert result_of(first) == "page 1"
    assert source.cancelled == []
    source.results.cancel()
    assert source.cancelled == ["2", "0"]


def test_cancelling_the_wait_leaves_those_under_way() -> None:
    source = Source(count=3, limit=2)
    waiting = source.take()
    waiting.cancel()
    with pytest.raises(CancelledError):
        result_of(waiting)
    assert source.cancelled == []
    source.ends(0)
    assert result_of(source.take()) == "page 0"
    source.results.cancel()


def test_no_urls_are_no_results() -> None:
    assert result_of(Source(count=0).take_all()) is None


def test_urls_that_raise_raise_where_they_are_read() -> None:
    def urls() -> Iterator[str]:
        yield "0"
        raise OSError("the file is gone")

    source = Source()
    source.results = Results(source.fetch, urls(), 3)
    with pytest.raises(OSError, match="the file is gone"):
        result_of(source.take())
    source.ends(0)
    assert result_of(source.take()) == "page 0"


def test_fetches_that_end_at_once_are_not_deep() -> None:
    net = Net()
    results = net.fetcher.fetch_all("no url" for _ in range(5_000))
    taken = 0

    async def loop() -> None:
        nonlocal taken
        async for result in results:
            assert isinstance(result, FetchError)
            taken += 1

    assert result_of(Deferred.fromCoroutine(loop())) is None
    assert taken == 5_000
    net.end()


def test_closing_ends_even_urls_that_never_end() -> None:
    net = Net(concurrency=2)
    read = count()
    results = net.fetcher.fetch_all(f"http://a.example/{number}" for number in read)
    taken: list[Any] = []

    async def loop() -> None:
        async for result in results:
            taken.append(result)
            assert len(taken) < 100

    looping = Deferred.fromCoroutine(loop())
    net.end()
    assert result_of(looping) is None
    assert [type(one) for one in taken] == [FetchCancelled] * 4


def test_a_fetcher_has_twice_as_many_under_way_as_it_fetches_at_once() -> None:
    net = Net(concurrency=2)
    read: list[str] = []

    def urls() -> Iterator[str]:
        for number in range(100):
            read.append(f"http://a.example/{number}")
            yield read[-1]

    results = net.fetcher.fetch_all(urls())
    first = Deferred.fromCoroutine(results.__anext__())
    assert (len(read), len(net.peers)) == (4, 2)
    net.answer(whole(b"x"), 1)
    assert result_of(first).url == "http://a.example/1"
    second = Deferred.fromCoroutine(results.__anext__())
    assert is_waiting(second)
    net.fetcher.close()
    assert isinstance(result_of(second), FetchCancelled)
    results.cancel()
    net.end()


def test_what_is_no_url_is_told_and_not_taken_for_the_end() -> None:
    async def all_of(fetcher: Any, *urls: Any) -> list[Any]:
        return [one async for one in fetcher.fetch_all(urls)]

    net = Net()
    taken = Deferred.fromCoroutine(all_of(net.fetcher, "http://a.example/", None))
    with pytest.raises(TypeError, match="NoneType"):
        result_of(taken)
    result_of(net.fetcher.close())
