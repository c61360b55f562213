"""What the options come to: everything is opened, then asked, then closed and told."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError

from apps.fetch.asking import Asking
from apps.fetch.checking import Checksums
from apps.fetch.digests import Digests
from apps.fetch.fetch_settings import fetch_settings
from apps.fetch.job import Job
from apps.fetch.journal import Journal
from apps.fetch.lines import line_maker
from apps.fetch.options import PROGRAM
from apps.fetch.output import Output
from apps.fetch.printing import unreadable
from apps.fetch.request import Request, request_from
from apps.fetch.saving import STDOUT, File, Folder, Target
from apps.fetch.source import Source
from toolkit.errors import ToolkitError, printable
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.http.title import title_of

if TYPE_CHECKING:
    from apps.fetch.html import Report

_LOOK_AHEAD = 4
"""How many times `concurrency` the Fetcher is given, where some of it waits for its own origin."""


class Command:
    """One run of the command.

    Args:
        reactor: The reactor.
        options: What was parsed.
        descriptor: The open file with URLs, None where there is none.

    Raises:
        ToolkitError: Something that is named in the options cannot be used.
    """

    def __init__(self, reactor: Any, options: argparse.Namespace, descriptor: int | None) -> None:
        self._reactor = reactor
        self._options = options
        self._settings = fetch_settings(options)
        self._source = Source(reactor, options.urls, descriptor)
        request = _request(options)
        target: Target | None = None
        if options.folder is not None:
            target = Folder(options.folder)
        elif options.output is not None:
            target = File(options.output)
        checksums = None if options.check is None else Checksums(options.check)
        self._report_file = None if options.report is None else File(options.report)
        self._report = None if options.report is None else _report()
        self._journal: Journal | None = None
        # A dry run leaves no journal where there was none.
        if options.journal is not None and not (
            options.dry_run and not os.path.exists(options.journal)
        ):
            self._journal = Journal(options.journal, options.retry_failed, options.refresh)
        self._selects: Callable[[str], bool] | None = None
        if self._journal is not None:
            self._selects = self._journal.take
        elif options.unique:
            self._selects = Digests().put
        if options.dry_run:
            return
        self._fetches = Fetcher(reactor, self._settings)
        asking = Asking(
            reactor,
            self._fetches,
            request,
            target,
            checksums,
            title_of if options.title else None,
            self._journal is not None,
            self._settings.timeout_seconds,
        )
        lines_to = 2 if options.output == STDOUT else 1
        stream = sys.stderr if lines_to == 2 else sys.stdout
        aligned = stream.isatty()
        header, line = line_maker(options.format, aligned, stream.encoding or "utf-8")
        self._bar = self._made_bar()
        self._output = Output(
            reactor, lines_to, header, line, self._bar.clear if self._bar and aligned else None
        )
        self._job = Job(
            reactor,
            self._source,
            asking,
            _limit(self._settings),
            self._output,
            self._journal,
            options.refresh,
            self._selects,
            self._report,
        )

    def _made_bar(self) -> Any:
        if self._options.quiet or not sys.stderr.isatty():
            return None
        from apps.fetch.bar import Bar

        return Bar(self._reactor, self._progress)

    def _progress(self) -> str:
        return self._job.progress.line(self._reactor.seconds(), self._source.share)

    async def run(self) -> int:
        """Fetch all; the exit status."""
        if self._options.dry_run:
            return await self._dry_run()
        former = signal.signal(signal.SIGUSR1, self._asked)
        told = not self._options.quiet
        status = 1
        if self._bar is not None:
            self._bar.start()
        try:
            await self._job.run()
            await self._output.drained()
            summary = self._job.summary
            status = 1 if summary.failed or summary.skipped_failed else 0
        except BrokenPipeError:
            told = False
            raise
        except CancelledError:
            raise
        except OSError as error:
            if error is not self._source.error:
                raise
            told = False
            status = self._wrong(unreadable(self._options.input, error))
        finally:
            signal.signal(signal.SIGUSR1, former)
            written = await self._end(told)
        if not self._job.read and status == 0:
            return self._wrong(unreadable(self._options.input, ValueError("it has none")))
        return status if written else 1

    async def _end(self, told: bool) -> bool:
        """Close everything, and say what there is to say; whether the report could be written."""
        more, unfinished = self._source.reading, self._job.unfinished
        self._source.close()
        with suppress(OSError):  # then it was told already
            self._output.close()
        if self._bar is not None:
            self._bar.stop()
        await self._fetches.close()
        self._job.summary.held_back = self._fetches.held_back
        seconds = max(0.0, self._reactor.seconds() - self._job.began)
        with suppress(OSError):  # nobody may read what is told
            if told and self._job.read:
                print(self._job.summary.text(seconds, unfinished, more), file=sys.stderr)
        written = self._write_report(seconds, unfinished)
        if self._journal is not None:
            self._journal.close()
        return written

    def _asked(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        with suppress(OSError):
            print(f"{PROGRAM}: {self._progress()}", file=sys.stderr, flush=True)

    def _write_report(self, seconds: float, unfinished: int) -> bool:
        if self._report is None or self._report_file is None:
            return True
        page = self._report.page(self._job.summary, seconds, unfinished)
        try:
            place = self._report_file.place("")
            try:
                place.partial.begin()
                place.partial.write(page.encode())
                place.partial.end()
                if not place.blocks():
                    for _ in place.keep():
                        pass
            finally:
                place.drop()
        except (OSError, ToolkitError) as error:
            reason = getattr(error, "strerror", None) or error
            path = printable(self._options.report)
            print(f"{PROGRAM}: cannot write the report {path}: {reason}", file=sys.stderr)
            return False
        return True

    async def _dry_run(self) -> int:
        aligned = sys.stdout.isatty()
        try:
            while not self._source.exhausted:
                url = await self._source.next()
                if url is not None and (self._selects is None or self._selects(url)):
                    shown = printable(url) if aligned else url
                    os.write(1, shown.encode("utf-8", "surrogateescape") + b"\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            if error is not self._source.error:
                raise
            return self._wrong(unreadable(self._options.input, error))
        finally:
            self._source.close()
            if self._journal is not None:
                self._journal.close()
        return 0

    def _wrong(self, message: str) -> int:
        print(f"{PROGRAM}: {message}", file=sys.stderr)
        return 2


def _report() -> Report:
    from apps.fetch.html import Report

    return Report()


def _limit(settings: FetchSettings) -> int:
    # With a share smaller than the whole, or a pace, the URLs of one origin would keep those of
    # others out; without, more would only wait.
    if settings.per_host >= settings.concurrency and not settings.rate:
        return settings.concurrency
    return settings.concurrency * _LOOK_AHEAD


def _request(options: argparse.Namespace) -> Request:
    def read(path: str) -> bytes:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()

    try:
        return request_from(options.method, options.headers, options.data, options.json, read)
    except OSError as error:
        name = printable(str(error.filename))
        raise ToolkitError(f"cannot read the body from {name}: {error.strerror}") from error
    except ValueError as error:
        raise ToolkitError(str(error)) from error
