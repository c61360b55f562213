"""The progress on stderr, when that is a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from twisted.internet.task import LoopingCall

CLEAR_LINE = "\r\x1b[2K"


class Bar:
    """A line that is drawn ten times a second, and gives way to the lines printed beside it.

    Args:
        reactor: The reactor.
        text: Gives what the line says.
        console: Where it is drawn, if not on stderr.
    """

    def __init__(
        self, reactor: Any, text: Callable[[], str], console: Console | None = None
    ) -> None:
        # No thread draws: the reactor does, between two lines. No markup: URLs are in it.
        self._progress = Progress(
            SpinnerColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console or Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._text = text
        self._task = self._progress.add_task("", total=None)
        self._drawing = LoopingCall(self._draw)
        self._drawing.clock = reactor

    def start(self) -> None:
        """Show it."""
        self._progress.start()
        self._drawing.start(0.1, now=False)

    def stop(self) -> None:
        """Remove it."""
        if self._drawing.running:
            self._drawing.stop()
        self._progress.stop()

    def clear(self) -> None:
        """Empty its line, for a line that is printed on the same terminal."""
        terminal = self._progress.console.file
        terminal.write(CLEAR_LINE)
        terminal.flush()

    def _draw(self) -> None:
        self._progress.update(self._task, description=self._text())
        self._progress.refresh()
