"""What is tried again: only what may succeed, and only while there is time and nothing was kept."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, strategies as some
from twisted.internet.defer import Deferred

from toolkit.database import errors
from toolkit.database.job import Job, Kind
from toolkit.database.retrying import LEAST_SECONDS, MOST_SECONDS, delay_of
from toolkit.database.settings import DatabaseSettings

SETTINGS = DatabaseSettings(attempts=3, conflicts=7, connect_seconds=10, busy_seconds=5)


def job(attempts: int = 1, deadline: float = 30.0, kind: Kind = Kind.WRITE) -> Job:
    made = Job(lambda _: None, kind, "", 0.0, deadline, Deferred(), cast(Any, None))
    made.attempts = attempts
    return made


@pytest.mark.parametrize(
    ("error", "attempts", "now", "again"),
    [
        (errors.ConnectionLost(""), 2, 1.0, True),
        (errors.ConnectionLost(""), 3, 1.0, False),
        (errors.Busy(""), 2, 4.9, True),
        (errors.Busy(""), 2, 5.0, False),
        (errors.Unavailable(""), 99, 9.9, True),
        (errors.Unavailable(""), 1, 10.0, False),
        (errors.Unavailable("", native="SQLITE_CANTOPEN"), 1, 0.0, False),
        (errors.OutcomeUnknown(""), 1, 0.0, False),
        (errors.UniqueViolation(""), 1, 0.0, False),
        (errors.Interrupted(""), 1, 0.0, False),
        (errors.DeadlinePassed(""), 1, 0.0, False),
    ],
)
def test_what_is_tried_again_is_told_by_the_error(
    error: errors.DatabaseError, attempts: int, now: float, again: bool
) -> None:
    assert (delay_of(job(attempts), error, SETTINGS, now, 0.5) is not None) == again


def test_a_conflict_is_bounded_by_itself_and_waits_shortly() -> None:
    one = job(attempts=9)
    one.conflicts = 7
    assert delay_of(one, errors.Conflict(""), SETTINGS, 1.0, 0.5) == LEAST_SECONDS / 2
    one.conflicts = 8
    assert delay_of(one, errors.Conflict(""), SETTINGS, 1.0, 0.5) is None


def test_conflicts_do_not_count_where_a_connection_is_lost() -> None:
    one = job(attempts=9)
    assert delay_of(one, errors.ConnectionLost(""), SETTINGS, 1.0, 0.5) is None
    one.conflicts = 7
    assert delay_of(one, errors.ConnectionLost(""), SETTINGS, 1.0, 0.5) is not None


def test_a_probe_is_tried_once() -> None:
    assert delay_of(job(kind=Kind.PROBE), errors.Unavailable(""), SETTINGS, 0.0, 0.0) is None


def test_what_has_given_something_is_not_tried_again() -> None:
    one = job()
    one.spent = True
    assert delay_of(one, errors.ConnectionLost(""), SETTINGS, 0.0, 0.0) is None


def test_nothing_is_tried_again_for_which_there_is_no_time() -> None:
    assert delay_of(job(deadline=1.0), errors.Conflict(""), SETTINGS, 0.999, 0.9) is None


@given(some.integers(1, 10_000), some.floats(0, 1, exclude_max=True))
def test_the_wait_is_bounded_and_grows(attempts: int, chance: float) -> None:
    settings = DatabaseSettings(attempts=100)
    lost = errors.ConnectionLost("")
    delay = delay_of(job(min(attempts, 99)), lost, settings, 0.0, chance)
    assert delay is not None
    assert 0 <= delay <= MOST_SECONDS
    first = delay_of(job(1), lost, settings, 0.0, chance)
    assert first is not None
    assert first <= min(delay + 1e-9, 2 * LEAST_SECONDS)
