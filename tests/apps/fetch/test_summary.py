"""The totals at the end: in one line, then the hosts."""

from __future__ import annotations

import pytest

from apps.fetch.result import answered, failed
from apps.fetch.summary import Summary, amount, duration
from tests.apps.fetch.fetching import URL, error, page, result
from toolkit.http.page import Timings

OK = result(body=b"x" * 12345)
REFUSED = failed("http://b.example/", error())


def test_the_summary_has_totals_and_what_failed() -> None:
    summary = Summary()
    for each in (OK, REFUSED, REFUSED, result(status=404)):
        summary.add(each)
    assert summary.text(2.34).splitlines() == [
        "4 URLs in 2.3 s; 12350 bytes; 3 failed (connect-refused 2, 404 1)",
        "a.example: 2 answers, 50 % within 30 ms, 90 % within 30 ms, 99 % within 30 ms",
    ]


def test_the_summary_says_what_was_not_finished_or_skipped() -> None:
    summary = Summary()
    summary.add(OK)
    [first, host] = summary.text(1).splitlines()
    assert first == "1 URL in 1.0 s; 12345 bytes; none failed"
    assert host.startswith("a.example: 1 answer, ")
    assert summary.text(1, 3).splitlines()[0].endswith("; 3 not finished")
    summary.skipped = 9
    summary.skipped_failed = 3
    said = "; 9 skipped, 3 of them failed before; --retry-failed asks them again"
    assert summary.text(1).splitlines()[0].endswith(said)
    summary.skipped, summary.skipped_failed = 2, 0
    assert (
        summary.text(1, 3, more=True)
        .splitlines()[0]
        .endswith("; 2 skipped; 3 not finished, and those not yet read")
    )


def test_percentiles_are_without_our_own_waiting() -> None:
    summary = Summary()
    summary.add(answered(URL, page(seconds=9.0, timings=Timings(queue=8.5, body=0.5))))
    assert "99 % within 500 ms" in summary.text(9)


def test_of_many_hosts_the_busiest_are_shown() -> None:
    summary = Summary()
    for number in range(30):
        for _ in range(number + 1):
            summary.add(result(f"http://{number}.example/"))
    lines = summary.text(1).splitlines()[1:]
    assert len(lines) == 11
    assert lines[0].startswith("29.example: 30 answers")
    assert lines[-1] == "and 20 other hosts"


def test_a_host_cannot_drive_the_terminal() -> None:
    summary = Summary()
    summary.add(result("http://\x1b[2J\n/"))
    assert "".join(summary.text(1).splitlines()).isprintable()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.00042, "0.4 ms"),
        (0.0314, "31 ms"),
        (1.25, "1.2 s"),
        (59.94, "59.9 s"),
        (125, "2 min 5 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_a_duration_is_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**4, "5.0 TiB")]
)
def test_an_amount_is_for_people(size: int, said: str) -> None:
    assert amount(size) == said
    assert amount(5 * 1024**5).endswith(" TiB")


def test_tries_that_were_held_back_are_told() -> None:
    summary = Summary(done=3, failed=1, held_back=2)
    assert "2 more tries were held back, as much had failed" in summary.text(1.0)
    assert "held back" not in Summary(done=3).text(1.0)
