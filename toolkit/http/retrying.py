"""Retrying: what is tried again, and when. No I/O, no clock but what is given."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable, Iterable
from datetime import datetime
from math import inf
from time import gmtime

from toolkit.http.failures import FetchError
from toolkit.http.request import IDEMPOTENT

# The connection was not made, or ended too early: another may do better. Not those that another
# try finds again (a name, a certificate, a limit), nor a deadline, which is over all tries.
PASSING = frozenset(
    ("connect-refused", "connect-unreachable", "connect-timeout", "disconnected", "truncated")
)
# RFC 6585 §4; RFC 9110 §15.6.3, §15.6.4, §15.6.5.
BUSY = frozenset((429, 502, 503, 504))

LEAST_SECONDS = 0.5
MOST_SECONDS = 30.0
MOST_OBEYED_SECONDS = 60.0
SPARE_RETRIES = 10
REQUESTS_PER_RETRY = 10

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# The three forms that a recipient must accept (RFC 9110 §5.6.7).
_DATES = [
    re.compile(form, re.ASCII)
    for form in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-(?P<month>[A-Z][a-z]{{2}})-(?P<year>\d\d) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
]


class Retrying:
    """Decides about each answer and each failure of a run: final, or tried again in so long.

    Only requests with an idempotent method are tried again, at most `retries` times each. And a
    run in which much fails does not double the load of who is in trouble: in all it tries again
    10 times, and once more for each ten of its requests.

    The wait is drawn evenly from between nothing and a bound that doubles from 0.5 s to 30 s
    (exponential back-off with full jitter), so that those that failed together do not come back
    together. It is never shorter than what Retry-After wants (RFC 9110 §10.2.3); where that is
    more than 60 s the answer is final.

    Args:
        random: Gives a number from 0 up to 1, as `random.random` does.
        wall_clock: Gives the seconds since the epoch, as `time.time` does: dates are judged by it.
        retries: How often one request is tried again, at most.

    Raises:
        ValueError: Where `retries` is negative.
    """

    def __init__(
        self, random: Callable[[], float], wall_clock: Callable[[], float], retries: int = 2
    ) -> None:
        if retries < 0:
            raise ValueError(f"retries must be at least 0, not {retries}")
        self._random = random
        self._wall_clock = wall_clock
        self._retries = retries
        self._requests = 0
        self._retried = 0
        self.held_back = 0
        """How many tries there were not, as the whole run had tried again too often."""

    def begin(self) -> None:
        """Count a request, when it is sent for the first time."""
        self._requests += 1

    def after_answer(
        self,
        method: bytes,
        status: int,
        retry_after: Iterable[bytes],
        tries: int,
        left_seconds: float = inf,
    ) -> float | None:
        """Whether an answer is worth another try.

        Args:
            method: The request's method; `GET` is one, `get` another (RFC 9110 §9.1).
            status: The answer's status code.
            retry_after: The values of its Retry-After fields.
            tries: How often the request was sent, this time included.
            left_seconds: How much time there is; a wait that takes all of it is not begun.

        Returns:
            How many seconds to wait before the next try, which is now counted; or None: the
            answer is final.
        """
        if status not in BUSY:
            return None
        wanted = seconds_wanted(retry_after, self._wall_clock())
        if wanted is not None and wanted > MOST_OBEYED_SECONDS:
            return None
        return self._wait(method, tries, wanted or 0.0, left_seconds)

    def after_failure(
        self, method: bytes, error: FetchError, tries: int, left_seconds: float = inf
    ) -> float | None:
        """Whether a failure is worth another try.

        Args:
            method: The request's method.
            error: What it failed with.
            tries: How often the request was sent, this time included.
            left_seconds: How much time there is; a wait that takes all of it is not begun.

        Returns:
            How many seconds to wait before the next try, which is now counted; or None: the
            failure is final.
        """
        return self._wait(method, tries, 0.0, left_seconds) if error.code in PASSING else None

    def _wait(self, method: bytes, tries: int, least: float, left: float) -> float | None:
        if method not in IDEMPOTENT or tries > self._retries:
            return None
        if self._retried >= SPARE_RETRIES + self._requests // REQUESTS_PER_RETRY:
            self.held_back += 1
            return None
        doublings = min(tries - 1, 10)  # far beyond the bound, and no overflow
        wait = max(least, self._random() * min(MOST_SECONDS, LEAST_SECONDS * 2.0**doublings))
        if wait >= left:
            return None
        self._retried += 1
        return wait


def seconds_wanted(retry_after: Iterable[bytes], now: float) -> float | None:
    """How long a server wants to be left alone (RFC 9110 §10.2.3).

    Args:
        retry_after: The values of the Retry-After fields; the longest counts.
        now: Seconds since the epoch, for a date.

    Returns:
        Seconds, 0 for a date that is over; None where no value is a number of seconds or a date.
    """
    wanted = [_seconds(value.decode("latin-1").strip(" \t"), now) for value in retry_after]
    return max((seconds for seconds in wanted if seconds is not None), default=None)


def _seconds(value: str, now: float) -> float | None:
    if value.isascii() and value.isdecimal():
        return float(value)  # any number of digits: too many are infinite
    for form in _DATES:
        match = form.fullmatch(value)
        if match is not None:
            return _until(match, now)
    return None


def _until(date: re.Match[str], now: float) -> float | None:
    year = int(date["year"])
    if len(date["year"]) == 2:  # at most 50 years in the future (RFC 9110 §5.6.7)
        latest = gmtime(now).tm_year + 50
        year = latest - (latest - year) % 100
    if date["month"] not in _MONTHS:
        return None
    month = _MONTHS.index(date["month"]) + 1
    hour, minute, second = int(date["hour"]), int(date["minute"]), int(date["second"])
    try:
        # A minute may have 61 seconds, but no datetime has.
        datetime(year, month, int(date["day"]), hour, minute, min(second, 59))
    except ValueError:
        return None
    if second > 60:
        return None
    return max(0.0, timegm((year, month, int(date["day"]), hour, minute, second)) - now)
