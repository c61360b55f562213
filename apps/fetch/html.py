"""The report of a run for a browser: one file that needs no other."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from apps.fetch.result import Result
from apps.fetch.summary import Summary, amount, duration
from toolkit.errors import printable
from toolkit.http.urls import masked

BARS = 400
FAILURES = 50
HOSTS = 50
_WIDTH, _ROW, _LABELS = 1000, 6, 24
_PHASES = ("queue", "name", "connect", "tls", "first_byte", "body")
_PERCENTILES = (("first_byte", 50), ("connect", 90), ("bad", 99))  # each in its colour
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #8a929c; --line: #d8dde3;
  --queue: #c3cad2; --name: #b98ad6; --connect: #e0a13c; --tls: #d67f4a; --first_byte: #4a90d9;
  --body: #3fa66b; --bad: #d1383d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --paper: #15181c; --faint: #98a1ab;
  --line: #343a42; --queue: #4c545e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg.wide { width: 100%; height: auto; }
text { fill: var(--faint); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); } .all { fill: var(--line); } .bad { fill: var(--bad); }
.queue { fill: var(--queue); } .name { fill: var(--name); } .connect { fill: var(--connect); }
.tls { fill: var(--tls); } .first_byte { fill: var(--first_byte); } .body { fill: var(--body); }
table.failures td:nth-child(-n+2) { white-space: nowrap; }
p.note { color: var(--faint); }
"""


class Bar(NamedTuple):
    """One request of the timeline.

    Args:
        began: Seconds since the run began.
        ended: The same.
        result: What became of it.
    """

    began: float
    ended: float
    result: Result


class Report:
    """Collects a run for its report, in memory that does not grow with the number of URLs.

    A page is shown to others: users and passwords in URLs are `****` there.

    Args:
        chance: Chooses which requests are drawn, where there are more than 400.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()
        self._bars: list[Bar] = []
        self._failures: list[Result] = []
        self._count = 0

    def add(self, result: Result, began: float, ended: float) -> None:
        """Count one more.

        Args:
            result: What became of a URL.
            began: Seconds since the run began.
            ended: The same.
        """
        self._count += 1
        if result.failed and len(self._failures) < FAILURES:
            self._failures.append(result)
        if len(self._bars) < BARS:
            self._bars.append(Bar(began, ended, result))
            return
        # Each of all has the same chance to be drawn (Vitter's algorithm R).
        place = self._chance.randrange(self._count)
        if place < BARS:
            self._bars[place] = Bar(began, ended, result)

    def page(self, summary: Summary, seconds: float, unfinished: int = 0) -> str:
        """The whole page.

        Args:
            summary: The totals.
            seconds: How long the run took.
            unfinished: How many URLs are not done.
        """
        return "".join(self._parts(summary, seconds, unfinished))

    def _parts(self, summary: Summary, seconds: float, unfinished: int) -> Iterator[str]:
        # Nothing runs and nothing is loaded, whatever a title or a URL holds.
        allowed = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
        yield (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta http-equiv="Content-Security-Policy" '
            f"content=\"default-src 'none'; style-src 'sha256-{allowed}'\">"
            '<meta name="viewport" content="width=device-width">'
            f"<title>Fetched: {summary.done} URLs</title><style>{_STYLE}</style></head><body>\n"
        )
        not_done = f", {unfinished} not finished" if unfinished else ""
        yield (
            f"<h1>{summary.done} URLs in {escape(duration(seconds))}</h1>\n"
            f"<p>{summary.done - summary.failed} good, {summary.failed} failed{not_done}; "
            f"{escape(amount(summary.bytes))}, "
            f"{summary.done / max(seconds, 1e-9):.1f} URLs a second.</p>\n"
        )
        yield from self._timeline()
        yield from _latencies(summary)
        yield from _codes(summary)
        yield from self._errors(summary)
        yield "</body></html>\n"

    def _timeline(self) -> Iterator[str]:
        if not self._bars:
            return
        yield "<h2>Timeline</h2>\n<p>"
        for phase in _PHASES:
            yield _key(phase, phase.replace("_", " "))
        yield "a red mark: failed</p>\n"
        if self._count > len(self._bars):
            yield (
                f'<p class="note">{len(self._bars)} requests of {self._count}, '
                "chosen by chance.</p>\n"
            )
        bars = sorted(self._bars, key=lambda bar: bar.began)
        end = max(max(bar.ended for bar in bars), 1e-9)
        height = _LABELS + len(bars) * _ROW
        yield f'<svg class="wide" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Timeline">'
        for part in range(5):
            x = part * (_WIDTH - 60) / 4
            yield f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="18" y2="{height}"/>'
            yield f'<text x="{x + 3:.0f}" y="13">{escape(duration(end * part / 4))}</text>'
        for row, bar in enumerate(bars):
            yield from _bar(bar, _LABELS + row * _ROW, (_WIDTH - 60) / end)
        yield "</svg>\n"

    def _errors(self, summary: Summary) -> Iterator[str]:
        if not self._failures:
            return
        yield "<h2>Failures</h2>\n"
        if summary.failed > len(self._failures):
            yield (f'<p class="note">The first {len(self._failures)} of {summary.failed}.</p>\n')
        yield "<table class='failures'><tr><th>Code<th>Phase<th>URL<th>Message</tr>\n"
        for result in self._failures:
            error = result.error
            phase, message = ("", "") if error is None else (error.phase or "", error.message)
            yield _row(result.code, phase, masked(result.url), message)
        yield "</table>\n"


def _key(name: str, meaning: str) -> str:
    return (
        f'<svg viewBox="0 0 12 12" width="12" height="12"><rect class="{name}" width="12" '
        f'height="12"/></svg> {meaning} &nbsp; '
    )


def _bar(bar: Bar, y: int, scale: float) -> Iterator[str]:
    result = bar.result
    about = f"{result.code} {masked(result.url)}, {duration(max(0.0, bar.ended - bar.began))}"
    if result.title:
        about += f", {result.title}"
    yield f"<g><title>{_safe(about)}</title>"
    yield _rect("all", bar.began, bar.ended, y, scale)
    timings = result.timings
    # What they add up to ended when it ended.
    at = bar.ended - sum(getattr(timings, phase) or 0.0 for phase in _PHASES)
    for phase in _PHASES:
        seconds = getattr(timings, phase)
        if seconds:
            yield _rect(phase, max(at, bar.began), at + seconds, y, scale)
            at += seconds
    if result.failed:
        x = bar.ended * scale + 2
        yield f'<rect class="bad" x="{x:.1f}" y="{y}" width="6" height="{_ROW - 2}"/>'
    yield "</g>"


def _rect(name: str, began: float, ended: float, y: int, scale: float) -> str:
    width = max(0.5, (ended - began) * scale)
    x = began * scale
    return f'<rect class="{name}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 2}"/>'


def _latencies(summary: Summary) -> Iterator[str]:
    hosts = summary.latencies.busiest(HOSTS)
    if not hosts:
        return
    yield "<h2>Seconds by host</h2>\n"
    if len(summary.latencies) > HOSTS:
        yield (
            f'<p class="note">The {HOSTS} that were asked most, of {len(summary.latencies)}.</p>\n'
        )
    keys = "".join(_key(name, f"{percent} %") for name, percent in _PERCENTILES)
    yield f"<p>{keys}of the answers came within; our own waiting is not counted</p>\n"
    yield '<table><tr><th>Host<th class="n">Answers<th class="n">50 % within<th class="n">90 %'
    yield '<th class="n">99 %<th class="n">Slowest<th></tr>\n'
    widest = max(latency.percentile(99) for _, latency in hosts) or 1.0
    for host, latency in hosts:
        times = [latency.percentile(percent) for _, percent in _PERCENTILES]
        cells = "".join(f'<td class="n">{escape(duration(t))}' for t in (*times, latency.most))
        yield f'<tr><td>{_safe(host)}<td class="n">{latency.count}{cells}<td>'
        yield '<svg viewBox="0 0 200 12" width="200" height="12">'
        for (name, _), seconds in reversed(list(zip(_PERCENTILES, times, strict=True))):
            width = max(1.0, seconds / widest * 200)
            yield f'<rect class="{name}" width="{width:.1f}" height="12"/>'
        yield "</svg></tr>\n"
    yield "</table>\n"


def _codes(summary: Summary) -> Iterator[str]:
    if not summary.codes:
        return
    yield '<h2>Failures by code</h2>\n<table><tr><th>Code<th class="n">URLs<th></tr>\n'
    most = max(summary.codes.values())
    for code, count in summary.codes.most_common():
        width = max(1.0, 400 * count / most)
        yield (
            f'<tr><td>{_safe(code)}<td class="n">{count}<td>'
            '<svg viewBox="0 0 400 12" width="400" height="12">'
            f'<rect class="bad" width="{width:.1f}" height="12"/></svg></tr>\n'
        )
    yield "</table>\n"


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{_safe(cell)}" for cell in cells) + "</tr>\n"


def _safe(text: str) -> str:
    return escape(printable(text))
