"""The progress says what is done, what is left, and what is slowest."""

from __future__ import annotations

from apps.fetch.progress import Progress
from apps.fetch.result import failed
from apps.fetch.summary import Summary
from tests.apps.fetch.fetching import error, result


def test_it_says_all_of_it_in_one_line() -> None:
    summary = Summary()
    progress = Progress(summary, 100.0)
    assert progress.line(100.0) == "0 done, 0/s, 0 B"
    for number in range(4):
        progress.begun(number, f"http://{number}/", 100.0 + number)
    summary.add(result(body=b"x" * 2048))
    summary.add(failed("a", error()))
    progress.ended(1)
    progress.ended(2)
    assert progress.line(110.0, share=0.4) == (
        "2 done, 1 failed, 0/s, 2.0 KiB, 40.0 s left, slowest 10.0 s http://0/"
    )
    assert progress.line(110.0) == "2 done, 1 failed, 0/s, 2.0 KiB, slowest 10.0 s http://0/"
    progress.ended(0)
    assert progress.since(3) == 103.0
    assert progress.in_flight == 1
    assert progress.line(110.0).endswith("slowest 7.0 s http://3/")


def test_a_url_that_is_long_or_drives_a_terminal_is_tamed() -> None:
    progress = Progress(Summary(), 0.0)
    progress.begun(1, "http://\x1b[2J/" + "x" * 10_000, 0.0)
    line = progress.line(1.0)
    assert line.isprintable()
    assert len(line) < 150
