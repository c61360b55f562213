"""The progress bar, on stderr when it is a terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from twisted.internet.task import LoopingCall

CLEAR_LINE = "\r\x1b[2K"


class Bar:
    """A bar that is drawn ten times a second, and gives way to the lines printed beside it.

    Args:
        reactor: The reactor.
        total: How many URLs there are, None where that is not known.
    """

    def __init__(self, reactor: Any, total: int | None) -> None:
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}")]
        if total is not None:
            columns.append(BarColumn())
        # No thread draws: the reactor does, between two lines.
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._total = total
        self._done = 0
        self._failed = 0
        self._task = self._progress.add_task(self._text(), total=total)
        self._drawing = LoopingCall(self._draw)
        self._drawing.clock = reactor

    def start(self) -> None:
        """Show the bar."""
        self._progress.start()
        self._drawing.start(0.1, now=False)

    def stop(self) -> None:
        """Remove the bar."""
        if self._drawing.running:
            self._drawing.stop()
        self._progress.stop()

    def clear(self) -> None:
        """Empty the bar's line, for a line that is printed on the same terminal."""
        sys.stderr.write(CLEAR_LINE)
        sys.stderr.flush()

    def count(self, failed: bool) -> None:
        """One more URL is done."""
        self._done += 1
        self._failed += failed

    def _draw(self) -> None:
        self._progress.update(self._task, completed=self._done, description=self._text())
        self._progress.refresh()

    def _text(self) -> str:
        of = "" if self._total is None else f" of {self._total}"
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done}{of} done{failed}"
