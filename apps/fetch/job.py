"""One run: URLs from a source, asked within bounds, to lines, a journal, a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from apps.fetch.asking import Asking
from apps.fetch.journal import Journal
from apps.fetch.progress import Progress
from apps.fetch.result import Kept, Result
from apps.fetch.source import Source
from apps.fetch.summary import Summary

Selection = Callable[[str], bool]
"""Whether a URL is to be asked: False for one that was before."""


class Printing(Protocol):
    """Takes results as they come."""

    @property
    def is_full(self) -> bool:
        """Whether no more are wanted for now."""

    def tell(self, room: Callable[[], object], failed: Callable[[Failure], object]) -> None:
        """Say who wants to know that more are wanted again, and that it cannot go on."""

    def add(self, result: Result) -> None:
        """Print one."""


class Watching(Protocol):
    """Takes results with their times."""

    def add(self, result: Result, began: float, ended: float) -> None:
        """Note one; seconds since the run began."""


class Job:
    """Asks what the source gives, so many at a time, and hands each result on.

    A result is in the journal before it is printed: whatever ends the process, what was printed
    is never asked again. Nothing here grows with the number of URLs.

    Args:
        reactor: The reactor, or in a test a Clock.
        source: Gives the URLs.
        asking: Asks them.
        limit: How many are in flight at most.
        output: Prints their results.
        journal: Keeps them, None where there is none.
        refreshes: Whether what the journal has is asked for conditionally.
        selects: Says which URLs are asked, None for all.
        watching: Gets every result too, None where nobody wants them.
    """

    def __init__(
        self,
        reactor: Any,
        source: Source,
        asking: Asking,
        limit: int,
        output: Printing,
        journal: Journal | None = None,
        refreshes: bool = False,
        selects: Selection | None = None,
        watching: Watching | None = None,
    ) -> None:
        self._reactor = reactor
        self._source = source
        self._asking = asking
        self._limit = limit
        self._output = output
        self._journal = journal
        self._refreshes = refreshes
        self._selects = selects
        self._watching = watching
        self.summary = Summary()
        self.began = reactor.seconds()
        self.progress = Progress(self.summary, self.began)
        self.read = 0
        self._given_up = 0
        self._running: dict[int, Deferred[None]] = {}
        self._waiting: Deferred[None] | None = None
        self._pumping = False
        self._failure: Failure | None = None
        self._ended: Deferred[None] = Deferred(lambda _: self._stop(Failure(CancelledError())))

    @property
    def unfinished(self) -> int:
        """How many URLs were begun or known, and have no result."""
        return len(self._running) + self._source.held + self._given_up

    def run(self) -> Deferred[None]:
        """Ask all.

        Returns:
            A Deferred that fires when the last result has been handed on. It fails with what the
            source, the journal or the output fails with, when nothing is in flight any more;
            cancelling it ends it in the same way.
        """
        self._output.tell(self._pump, self._stop)
        self._pump()
        return self._ended

    def _pump(self) -> None:
        if self._pumping:  # a URL was done at once: the loop below goes on
            return
        self._pumping = True
        try:
            while (
                self._failure is None
                and len(self._running) < self._limit
                and not self._output.is_full
            ):
                url = self._source.pop()
                if url is None:
                    if self._source.exhausted or self._waiting is not None:
                        break
                    self._wait()
                else:
                    self._begin(url)
        finally:
            self._pumping = False
        over = self._failure is not None or (self._source.exhausted and self._waiting is None)
        if over and not self._running and not self._ended.called:
            self._ended.callback(self._failure)

    def _wait(self) -> None:
        asked = self._source.next()
        self._waiting = cast(Deferred[None], asked)  # before it can be done
        asked.addCallbacks(self._came, self._stop)

    def _came(self, url: str | None) -> None:
        self._waiting = None
        if url is not None:
            self._begin(url)
        self._pump()

    def _begin(self, url: str) -> None:
        self.read += 1
        number = self.read
        try:
            if self._selects is not None and not self._selects(url):
                self.summary.skipped += 1
                if self._journal is not None and self._journal.has_failed(url):
                    self.summary.skipped_failed += 1
                return
            former = None
            if self._journal is not None and self._refreshes:
                former = self._journal.former(url)
        except Exception:  # noqa: BLE001 - whatever it is ends the run, and is told there
            self._stop(Failure())
            return
        self.progress.begun(number, url, self._reactor.seconds())
        asked = self._asking.ask(url, former)
        self._running[number] = cast(Deferred[None], asked)  # before it can be done
        asked.addCallbacks(self._done, self._not_done, (number,), {}, (number,))

    def _done(self, result: Result, number: int) -> None:
        try:
            if isinstance(result, Kept) and self._journal is not None:
                self._journal.add(result)
            self._output.add(result)
            self.summary.add(result)
            if self._watching is not None:
                began, now = self.progress.since(number), self._reactor.seconds()
                self._watching.add(result, began - self.began, now - self.began)
        except Exception:  # noqa: BLE001 - whatever it is ends the run, and is told there
            self._not_done(Failure(), number)
            return
        self._next(number)

    def _not_done(self, failure: Failure, number: int) -> None:
        self._given_up += 1
        self._stop(failure)
        self._next(number)

    def _next(self, number: int) -> None:
        self.progress.ended(number)
        del self._running[number]
        self._pump()

    def _stop(self, failure: Failure) -> None:
        """End the run: what is in flight is cancelled, and the first reason counts."""
        if self._failure is not None:
            return
        self._failure = failure
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        for asked in list(self._running.values()):
            asked.cancel()
        self._pump()
