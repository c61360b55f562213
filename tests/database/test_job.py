"""A job that is one statement that reads is as quick as that is known to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred

from toolkit.database.job import Job, Kind, Step
from toolkit.database.pace import TURN_SECONDS
from toolkit.database.reading import Reading
from toolkit.database.sql import Statement, Statements


def job(call: Callable[[Any], Any], kind: Kind = Kind.READ) -> Job:
    return Job(call, kind, "SELECT {a}", 5.0, 30.0, Deferred(), cast(Any, None))


def known(seconds: float) -> Statement:
    statement = Statements("?").get("SELECT {a}")
    statement.pace.note(seconds)
    return statement


def test_a_reading_of_a_quick_statement_is_quick() -> None:
    reading = Reading(known(TURN_SECONDS / 10), (1,), None)
    quick = job(reading)
    assert (quick.reading, quick.is_quick, quick.share) == (reading, True, 0.1)


def test_nothing_else_is() -> None:
    quick = Reading(known(TURN_SECONDS / 10), (1,), None)
    for other in (
        job(Reading(known(1.0), (1,), None)),
        job(lambda _: None),
        job(quick, Kind.WRITE),  # its statement reads, but in a transaction
    ):
        assert (other.is_quick, other.share) == (False, 1.0)
    assert job(quick, Kind.WRITE).reading is None


def test_it_waits_from_when_it_was_asked_for() -> None:
    one = job(lambda _: None)
    assert (one.step, one.deadline, one.attempts) == (Step.WAITING, 35.0, 0)


def test_statements_that_were_slow_are_noted_one_after_another() -> None:
    one = job(lambda _: None)
    one.note_slow(known(1.0), 2.0)
    one.note_slow(known(1.0), 3.0, beside=4)
    assert one.slow == [("SELECT {a}", 2.0, ("a",), 0), ("SELECT {a}", 3.0, ("a",), 4)]
    assert job(lambda _: None).slow is None
