"""The report is one page that runs nothing, whatever is in it, and stays small."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser

from hypothesis import given, strategies as st

from apps.fetch.html import BARS, FAILURES, Report
from apps.fetch.result import answered, failed
from apps.fetch.summary import Summary
from tests.apps.fetch.fetching import error, page, result
from toolkit.http.page import Page, Timings

TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "svg", "rect", "line",
    "text", "g", "table", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "viewbox", "width", "height",
    "role", "aria-label", "x", "y", "x1", "x2", "y1", "y2",
}  # fmt: skip
HOSTILE = "</title></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"' &amp;<!--\x1b"


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def reported(report: Report, summary: Summary, text: str, count: int = 1) -> str:
    for number in range(count):
        for found in (
            answered(f"http://{text}/", page(), text),
            failed(f"http://{text}/{number}", error(text[:20] or "x", text)),
            result(f"http://{text}/", 404),
        ):
            summary.add(found)
            report.add(found, number, number + 0.5)
    return report.page(summary, 10.0, unfinished=3)


@given(st.text() | st.just(HOSTILE))
def test_nothing_in_it_becomes_markup(text: str) -> None:
    seen = Seen(reported(Report(), Summary(), text))
    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES


def test_it_needs_nothing_and_allows_nothing_but_its_own_style() -> None:
    text = reported(Report(), Summary(), HOSTILE)
    assert re.search(
        r'http-equiv="Content-Security-Policy" '
        r"content=\"default-src 'none'; style-src 'sha256-[^']+'\"",
        text,
    )
    assert "<script" not in text
    assert not re.search(
        r"(src|href|url)\s*[=(]", re.sub(r"&[^;]+;|<td>[^<]*|<title>[^<]*", "", text)
    )
    assert "prefers-color-scheme: dark" in text


def test_it_shows_the_timeline_hosts_codes_and_failures() -> None:
    report, summary = Report(), Summary()
    found = Page("http://a/", "http://a/", 200, [], b"", 5, 1.0, Timings(queue=0.2, body=0.3))
    for each in (answered("http://a/", found, "Hello"), failed("http://b/", error("stalled", "s"))):
        summary.add(each)
        report.add(each, 0.0, 1.0)
    text = report.page(summary, 2.0, unfinished=3)
    assert "1 good, 1 failed, 3 not finished" in text
    assert "200 http://a/, 1.0 s, Hello" in text
    assert '<rect class="queue" x="470.0"' in text
    assert '<rect class="body" x="658.0"' in text
    assert "<td>stalled<td><td>http://b/<td>s</tr>" in text
    assert "<tr><td>a<td" in text
    assert re.search(r"</svg> 50 % .*</svg> 90 % .*</svg> 99 % .*of the answers came within", text)
    assert "chosen by chance" not in text


def test_it_shows_no_password() -> None:
    report, summary = Report(), Summary()
    url = "http://me:secret@a.example/"
    for each in (answered(url, page()), failed(url, error())):
        summary.add(each)
        report.add(each, 0.0, 1.0)
    text = report.page(summary, 2.0)
    assert "secret" not in text
    assert text.count("http://****@a.example/") == 3


def test_of_many_requests_some_are_drawn_and_it_says_so() -> None:
    report, summary = Report(random.Random(1)), Summary()
    text = reported(report, summary, "a", 2000)
    assert f"{BARS} requests of 6000, chosen by chance" in text
    assert text.count("<g>") == BARS
    assert f"The first {FAILURES} of 4000" in text
    assert len(text) < 400_000
    drawn = [float(x) for x in re.findall(r'class="all" x="([\d.]+)"', text)]
    # Of the whole run, not of its beginning.
    assert sum(x > 470 for x in drawn) > BARS / 3


def test_a_run_without_a_result_has_a_report_too() -> None:
    assert Seen(Report().page(Summary(), 0.0)).tags <= TAGS
