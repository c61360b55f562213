"""What is said in the end: the totals of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from apps.fetch.latency import Latencies
from apps.fetch.result import Result
from toolkit.errors import printable

_SHOWN_HOSTS = 10


@dataclass
class Summary:
    """The totals of a run; their size does not grow with the number of URLs."""

    done: int = 0
    failed: int = 0
    bytes: int = 0
    skipped: int = 0
    held_back: int = 0
    skipped_failed: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)

    def add(self, result: Result) -> None:
        """Count one more.

        Args:
            result: What became of a URL.
        """
        self.done += 1
        self.bytes += result.bytes
        if result.error is None:
            self.latencies.add(result.url, result.served_seconds)
        if result.failed:
            self.failed += 1
            self.codes[result.code] += 1

    def text(self, seconds: float, unfinished: int = 0, more: bool = False) -> str:
        """The totals in one line, then one for each of the ten hosts that were asked most.

        Args:
            seconds: How long the run took.
            unfinished: How many URLs were begun or known, but are not done.
            more: Whether there are others that were never read.
        """
        urls = "URL" if self.done == 1 else "URLs"
        parts = [f"{self.done} {urls} in {seconds:.1f} s", f"{self.bytes} bytes"]
        if self.failed:
            codes = ", ".join(f"{code} {count}" for code, count in self.codes.most_common())
            parts.append(f"{self.failed} failed ({codes})")
        else:
            parts.append("none failed")
        if self.skipped:
            parts.append(f"{self.skipped} skipped{self._failed_before()}")
        if self.held_back:
            tries = "try was" if self.held_back == 1 else "tries were"
            parts.append(f"{self.held_back} more {tries} held back, as much had failed")
        if unfinished or more:
            parts.append(
                f"{unfinished} not finished" + (", and those not yet read" if more else "")
            )
        return "\n".join(["; ".join(parts), *self._hosts()])

    def _failed_before(self) -> str:
        if not self.skipped_failed:
            return ""
        them = "it" if self.skipped_failed == 1 else "them"
        return f", {self.skipped_failed} of them failed before; --retry-failed asks {them} again"

    def _hosts(self) -> Iterator[str]:
        for host, latency in self.latencies.busiest(_SHOWN_HOSTS):
            times = ", ".join(
                f"{percent} % within {duration(latency.percentile(percent))}"
                for percent in (50, 90, 99)
            )
            answers = "answer" if latency.count == 1 else "answers"
            yield f"{printable(host)}: {latency.count} {answers}, {times}"
        if len(self.latencies) > _SHOWN_HOSTS:
            yield f"and {len(self.latencies) - _SHOWN_HOSTS} other hosts"


def duration(seconds: float) -> str:
    """Seconds for people: `35 ms`, `1.2 s`, `2 min 5 s`, `3 h 2 min`.

    Args:
        seconds: How many.
    """
    if seconds < 1:
        return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def amount(size: int) -> str:
    """Bytes for people: `12 B`, `3.4 KiB`, `1.0 GiB`.

    Args:
        size: How many.
    """
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
