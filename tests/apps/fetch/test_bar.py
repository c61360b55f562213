"""The progress on a terminal: one line, drawn by the reactor, that leaves nothing behind."""

from __future__ import annotations

import io
import threading

from rich.console import Console
from twisted.internet.task import Clock

from apps.fetch.bar import CLEAR_LINE, Bar


class Drawn:
    """A bar on a terminal of 60 columns in memory."""

    def __init__(self, text: str) -> None:
        self.asked = 0
        self._text = text
        self._stream = io.StringIO()
        self.clock = Clock()
        console = Console(
            file=self._stream, force_terminal=True, color_system=None, width=60, _environ={}
        )
        self.bar = Bar(self.clock, self._line, console)

    def _line(self) -> str:
        self.asked += 1
        return f"{self._text} {self.asked}"

    def written(self) -> str:
        """What has been written since it was asked last."""
        written = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return written


def test_it_is_drawn_ten_times_a_second_until_it_is_stopped() -> None:
    drawn = Drawn("done")
    drawn.bar.start()
    drawn.clock.pump([0.1] * 20)
    assert drawn.asked == 20
    assert drawn.written().endswith("done 20")
    drawn.bar.stop()
    drawn.clock.advance(1)
    assert drawn.asked == 20
    assert drawn.clock.getDelayedCalls() == []


def test_the_reactor_draws_it_and_no_thread() -> None:
    drawn = Drawn("done")
    before = threading.active_count()
    drawn.bar.start()
    assert threading.active_count() == before
    drawn.written()
    drawn.bar.stop()


def test_it_is_one_line_that_shows_a_url_as_it_is() -> None:
    drawn = Drawn("[red]http://a/[/red]" + "x" * 200)
    drawn.bar.start()
    drawn.written()
    drawn.clock.advance(0.1)
    line = drawn.written().removeprefix(CLEAR_LINE)
    assert "[red]http://a/[/red]xxx" in line
    assert len(line) == 60
    assert line.isprintable()
    drawn.bar.stop()


def test_its_line_is_emptied_for_another_and_at_the_end() -> None:
    drawn = Drawn("done")
    drawn.bar.start()
    drawn.clock.advance(0.1)
    drawn.written()
    drawn.bar.clear()
    assert drawn.written() == CLEAR_LINE
    drawn.bar.stop()
    assert drawn.written().endswith("\x1b[1A\x1b[2K")  # up from where it left the cursor


def test_one_that_was_never_started_can_be_stopped() -> None:
    drawn = Drawn("done")
    drawn.bar.stop()
    assert drawn.asked == 0
