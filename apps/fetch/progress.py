"""How a run is getting on: on a terminal all the time, in a pipe when SIGUSR1 asks."""

from __future__ import annotations

from apps.fetch.summary import Summary, amount, duration
from toolkit.errors import printable

_URL_CHARACTERS = 60


class Progress:
    """What is done, what is in flight, and how long the rest may take.

    Args:
        summary: The totals so far.
        began: When the run began, by the reactor's clock.
    """

    def __init__(self, summary: Summary, began: float) -> None:
        self._summary = summary
        self._began = began
        # Since when each is in flight, in that order; a URL may be there twice.
        self._in_flight: dict[int, tuple[str, float]] = {}

    def begun(self, number: int, url: str, now: float) -> None:
        """A URL is in flight.

        Args:
            number: Which of the run's.
            url: As it was given.
            now: The time, by the reactor's clock.
        """
        self._in_flight[number] = url, now

    def since(self, number: int) -> float:
        """When it was begun.

        Args:
            number: Which.
        """
        return self._in_flight[number][1]

    def ended(self, number: int) -> None:
        """It no longer is in flight.

        Args:
            number: Which.
        """
        del self._in_flight[number]

    @property
    def in_flight(self) -> int:
        """How many are."""
        return len(self._in_flight)

    def line(self, now: float, share: float | None = None) -> str:
        """All of it in one line.

        Args:
            now: The time, by the reactor's clock.
            share: How much of the URLs has been begun, from 0 to 1; None where nobody knows.
        """
        summary = self._summary
        seconds = max(1e-9, now - self._began)
        parts = [f"{summary.done} done"]
        if summary.failed:
            parts.append(f"{summary.failed} failed")
        parts.append(f"{summary.done / seconds:.0f}/s")
        parts.append(amount(summary.bytes))
        begun = summary.done + len(self._in_flight)
        if share and summary.done:
            left = max(0.0, begun / share - summary.done)
            parts.append(f"{duration(seconds * left / summary.done)} left")
        if self._in_flight:
            url, since = next(iter(self._in_flight.values()))
            parts.append(f"slowest {duration(max(0.0, now - since))} {_shortened(url)}")
        return ", ".join(parts)


def _shortened(url: str) -> str:
    shown = printable(url[:_URL_CHARACTERS])
    return shown if len(url) <= _URL_CHARACTERS else shown + "…"
