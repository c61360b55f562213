"""The work: URLs from a source, through a Fetcher, to lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError

from apps.fetch.report import Result, Summary, line, unreadable
from apps.fetch.source import Source
from toolkit.concurrency import for_each_limited
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings

if TYPE_CHECKING:
    from apps.fetch.progress import Bar


class Job:
    """Fetches what the source gives, and prints a line for each.

    Args:
        reactor: The reactor.
        settings: How URLs are fetched.
        urls: Those named on the command line.
        descriptor: The open file with more of them, or None.
        path: Its name, for messages.
    """

    def __init__(
        self,
        reactor: Any,
        settings: FetchSettings,
        urls: list[str],
        descriptor: int | None,
        path: str | None,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._path = path or ""
        self._fetcher: Fetcher = Fetcher(reactor, settings)
        self._source: Source = Source(reactor, urls, descriptor)
        self._summary: Summary = Summary()
        self._asked = 0
        self._aligned = sys.stdout.isatty()
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            from apps.fetch.progress import Bar

            self._bar = Bar(reactor, len(urls) if descriptor is None else None)

    async def run(self) -> int:
        """Fetch all; returns the exit status."""
        began = self._reactor.seconds()
        interrupted = False
        if self._bar is not None:
            self._bar.start()
        try:
            await for_each_limited(self._fetch, self._source.tickets(), self._settings.concurrency)
        except CancelledError:
            interrupted = True
            raise
        except BrokenPipeError:
            self._close_bar()
            self._bar = None
            raise
        except OSError as error:
            if error is not self._source.error:
                raise
            print(f"fetch: {unreadable(self._path, error)}", file=sys.stderr)
            return 2
        finally:
            more = self._source.reading
            self._source.close()
            self._close_bar()
            if interrupted or self._bar is not None:
                unfinished = self._asked - self._summary.done + self._source.held
                seconds = max(0.0, self._reactor.seconds() - began)
                print(self._summary.text(seconds, unfinished, more), file=sys.stderr)
            await self._fetcher.close()
        if not self._asked:
            print(f"fetch: {unreadable(self._path, ValueError('it has none'))}", file=sys.stderr)
            return 2
        return 1 if self._summary.failed else 0

    async def _fetch(self, source: Source) -> None:
        url = await source.next()
        if url is None:
            return
        self._asked += 1
        began = self._reactor.seconds()
        try:
            page = await self._fetcher.get(url)
        except FetchCancelled:
            raise
        except FetchError as error:
            seconds = max(0.0, self._reactor.seconds() - began)
            self._print(Result(url, seconds, code=error.code, message=str(error)))
        else:
            self._print(Result(url, page.seconds, page.status, len(page.body)))

    def _print(self, result: Result) -> None:
        self._summary.add(result)
        if self._bar is not None:
            self._bar.count(result.failed)
            if self._aligned:
                self._bar.clear()
        print(line(result, self._aligned), flush=True)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
