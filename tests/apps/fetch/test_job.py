"""A run asks so many at a time, hands each result on, and ends as it should."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from apps.fetch.asking import Asking
from apps.fetch.digests import Digests
from apps.fetch.html import Report
from apps.fetch.job import Job, Selection
from apps.fetch.journal import Journal
from apps.fetch.result import Kept, Result
from apps.fetch.source import Source
from tests.apps.fetch.fetching import FakeFetcher, error, page
from toolkit.testing import is_waiting, result_of


class Reactor(Clock):
    """A Clock that knows who wants to read."""

    def __init__(self) -> None:
        super().__init__()
        self.reading: set[Any] = set()
        self.addReader = self.reading.add
        self.removeReader = self.reading.discard


class Printed:
    """Keeps results, and fails when told to."""

    def __init__(self, journal: Path | None = None) -> None:
        self.results: list[Result] = []
        self.failure: Exception | None = None
        self.is_full = False
        self.room: Callable[[], object] = list
        self._journal = journal

    def tell(self, room: Callable[[], object], failed: Callable[[Failure], object]) -> None:
        self.room, self.failed = room, failed

    def add(self, result: Result) -> None:
        if self.failure is not None:
            raise self.failure
        if self._journal is not None:
            assert result.url.encode() in self._journal.read_bytes()
        self.results.append(result)

    @property
    def urls(self) -> list[str]:
        return [result.url for result in self.results]


class Run:
    """A job with fakes around it."""

    def __init__(
        self,
        urls: list[str],
        fetcher: FakeFetcher,
        limit: int = 2,
        descriptor: int | None = None,
        journal: Journal | None = None,
        path: Path | None = None,
        selects: Selection | None = None,
        refreshes: bool = False,
        watching: Report | None = None,
    ) -> None:
        self.reactor = Reactor()
        self.fetcher = fetcher
        self.output = Printed(path)
        self.source = Source(self.reactor, urls, descriptor)
        asking = Asking(self.reactor, fetcher, keeps=journal is not None)
        self.job = Job(
            self.reactor, self.source, asking, limit, self.output, journal, refreshes,
            selects, watching,
        )  # fmt: skip
        self.running = self.job.run()


def urls(count: int) -> list[str]:
    return [f"http://{number}/" for number in range(count)]


def test_so_many_are_in_flight_and_no_more() -> None:
    run = Run(urls(10), FakeFetcher(), limit=3)
    for _ in range(10):
        assert is_waiting(run.running)
        run.fetcher.answer(page("http://x/"))
    assert result_of(run.running) is None
    assert run.fetcher.most == 3
    assert run.output.urls == urls(10)
    assert run.job.summary.done == 10
    assert run.job.unfinished == 0


def test_thousands_that_are_done_at_once_are_no_recursion() -> None:
    run = Run(["a"] * 5000, FakeFetcher({"a": error("invalid-url")}))
    assert result_of(run.running) is None
    assert len(run.output.results) == 5000


def test_a_file_is_read_as_room_comes_free() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a\nb\n")
    run = Run([], FakeFetcher({"a": page("a"), "b": page("b")}), descriptor=reader)
    [source] = run.reactor.reading
    source.doRead()
    assert run.output.urls == ["a", "b"]
    assert is_waiting(run.running)
    os.write(writer, b"a")
    source.doRead()
    os.close(writer)
    source.doRead()
    assert result_of(run.running) is None
    assert run.output.urls == ["a", "b", "a"]
    os.close(reader)


def test_a_file_that_cannot_be_read_ends_it(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    run = Run(["a"], FakeFetcher(), descriptor=folder)
    [source] = run.reactor.reading
    source.doRead()
    with pytest.raises(IsADirectoryError):
        result_of(run.running)
    assert run.job.unfinished == 1
    os.close(folder)


def test_cancelling_cancels_what_is_in_flight_and_counts_it() -> None:
    run = Run(urls(5), FakeFetcher(), limit=2)
    run.fetcher.answer(page())
    run.running.cancel()
    with pytest.raises(CancelledError):
        result_of(run.running)
    assert len(run.output.results) == 1
    assert run.job.unfinished == 4
    assert len(run.fetcher.asked) == 3


def test_a_reader_that_is_gone_ends_it_and_nothing_else_is_asked() -> None:
    run = Run(urls(5), FakeFetcher(), limit=2)
    run.output.failure = BrokenPipeError()
    run.fetcher.answer(page())
    with pytest.raises(BrokenPipeError):
        result_of(run.running)
    assert len(run.fetcher.asked) == 2


def test_what_is_selected_is_asked_and_the_rest_counted() -> None:
    digests = Digests()
    run = Run(["a", "b", "a"], FakeFetcher({"a": page("a"), "b": page("b")}), selects=digests.put)
    assert result_of(run.running) is None
    assert run.output.urls == ["a", "b"]
    assert (run.job.summary.skipped, run.job.read) == (1, 3)


def test_a_result_is_in_the_journal_before_it_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(str(path))
    fetcher = FakeFetcher({"a": page("a"), "b": error()})
    run = Run(["a", "b", "a"], fetcher, journal=journal, path=path, selects=journal.take)
    assert result_of(run.running) is None
    journal.close()
    assert run.output.urls == ["a", "b"]
    assert all(isinstance(each, Kept) for each in run.output.results)


def test_what_cannot_be_in_the_journal_is_not_printed(tmp_path: Path) -> None:
    class Full(Journal):
        def add(self, result: Kept) -> None:
            raise OSError(28, "No space left on device")

    journal = Full(str(tmp_path / "journal"))
    run = Run(["a", "b"], FakeFetcher(), journal=journal, selects=journal.take)
    run.fetcher.answer(page("a"))
    with pytest.raises(OSError, match="No space left"):
        result_of(run.running)
    journal.close()
    assert run.output.urls == []


def test_a_refresh_asks_for_what_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    fetcher = FakeFetcher({"a": page("a", fields=[(b"ETag", b'"1"')])})
    for refreshes in (False, True):
        journal = Journal(str(path), refresh=refreshes)
        run = Run(["a"], fetcher, journal=journal, selects=journal.take, refreshes=refreshes)
        assert result_of(run.running) is None
        journal.close()
        fetcher.answers = {"a": page("a", status=304, body=b"")}
    assert [asked[2] for asked in fetcher.asked] == [[], [(b"If-None-Match", [b'"1"'])]]
    assert path.read_bytes().count(b"\n") == 1
    assert b'"status":304,"bytes":5' in path.read_bytes()
    assert b'"etag":"\\"1\\""' in path.read_bytes()


def test_who_watches_gets_the_times() -> None:
    class Watching(Report):
        def __init__(self) -> None:
            super().__init__()
            self.times: list[tuple[float, float]] = []

        def add(self, result: Result, began: float, ended: float) -> None:
            self.times.append((began, ended))

    watching = Watching()
    run = Run(urls(2), FakeFetcher(), limit=1, watching=watching)
    for _ in range(2):
        run.reactor.advance(1.5)
        run.fetcher.answer(page())
    assert watching.times == [(0.0, 1.5), (1.5, 3.0)]


def test_nothing_more_is_asked_while_the_output_is_full() -> None:
    fetcher = FakeFetcher({url: page(url) for url in urls(2)})
    run = Run(urls(10), fetcher, limit=1)
    assert run.job.read == 3  # two are answered, the third is asked
    run.output.is_full = True
    fetcher.waiting[3][0].callback(page("http://2/"))
    assert run.job.read == 3
    run.output.is_full = False
    run.output.room()
    assert run.job.read == 4
    run.running.cancel()
    with pytest.raises(CancelledError):
        result_of(run.running)
