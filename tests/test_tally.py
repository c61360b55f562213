"""Many requests are counted by what they came to, and nothing is lost while they run."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from toolkit.errors import ConnectFailed, TooLarge
from toolkit.http.page import Page, Timings
from toolkit.tally import Tally, tally
from toolkit.testing import is_waiting, result_of

URL = "http://insults.example/"


class Fetches:
    """Stands for a Fetcher: keeps each request until the test answers it."""

    def __init__(self) -> None:
        self.asked: list[Deferred[Page]] = []
        self.cancelled = 0

    def get(self, url: str) -> Deferred[Page]:
        assert url == URL
        self.asked.append(Deferred(self._cancel))
        return self.asked[-1]

    def _cancel(self, _deferred: Deferred[Page]) -> None:
        self.cancelled += 1

    def answer(self, number: int, body: bytes, status: int = 200) -> None:
        self.asked[number].callback(Page(URL, URL, status, [], body, len(body), 0.1, Timings()))


@pytest.fixture
def fetches() -> Any:
    return Fetches()


def test_all_are_asked_at_once_and_answers_counted_without_white_space(fetches: Any) -> None:
    counted = tally(fetches, URL, 3)
    assert len(fetches.asked) == 3
    fetches.answer(2, b"Thou!\n")
    fetches.answer(0, b"  Thou!")
    fetches.answer(1, b"Thee \xff")
    counts = result_of(counted)
    assert counts.answers == {"Thou!": 2, "Thee \ufffd": 1}
    assert counts.failures == {}


def test_failures_are_counted_by_code_and_by_status(fetches: Any) -> None:
    counted = tally(fetches, URL, 5)
    fetches.answer(0, b"gone", 404)
    fetches.answer(1, b"gone", 404)
    fetches.asked[2].errback(ConnectFailed("refused", "connect-refused"))
    fetches.asked[3].errback(TooLarge("much too large"))
    fetches.answer(4, b"moved", 399)
    counts = result_of(counted)
    assert counts.failures == {"status-404": 2, "connect-refused": 1, "too-large": 1}
    assert counts.answers == {"moved": 1}


def test_the_counts_can_be_read_while_requests_are_under_way(fetches: Any) -> None:
    counts = Tally()
    counted = tally(fetches, URL, 2, counts)
    fetches.answer(0, b"first")
    assert is_waiting(counted)
    assert counts.answers.total() == 1
    fetches.answer(1, b"second")
    assert result_of(counted) is counts


def test_cancelling_cancels_the_requests_and_keeps_what_was_counted(fetches: Any) -> None:
    counts = Tally()
    counted = tally(fetches, URL, 3, counts)
    fetches.answer(0, b"first")
    counted.cancel()
    with pytest.raises(CancelledError):
        result_of(counted)
    assert fetches.cancelled == 2
    assert (counts.answers.total(), counts.failures.total()) == (1, 0)


def test_a_bug_is_not_counted_but_raised(fetches: Any) -> None:
    counted = tally(fetches, URL, 2)
    fetches.asked[0].errback(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        result_of(counted)
    assert fetches.cancelled == 1


def test_none_at_all_are_counted_at_once(fetches: Any) -> None:
    assert result_of(tally(fetches, URL, 0)) == Tally()
    assert fetches.asked == []
