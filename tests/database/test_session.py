"""A session notes what its statements take, and runs none for a job that was given up."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred

from tests.database.stepped import MemorySession
from toolkit.database.errors import Busy, Interrupted
from toolkit.database.job import Job, Kind
from toolkit.database.sql import Statements

STATEMENT = Statements("?").get("SELECT {a}")


def session_of_job(slow_seconds: float = 30.0) -> tuple[MemorySession, Job]:
    session = MemorySession()
    session.slow_seconds = slow_seconds
    nowhere = cast(Any, None)
    session.job = Job(lambda _: None, Kind.WRITE, "", 0.0, 30.0, Deferred(), nowhere)
    return session, session.job


def test_the_pace_of_what_reads_is_learned() -> None:
    statement = Statements("?").get("SELECT 1")
    session, _ = session_of_job()
    assert statement.pace.share == 1
    session.execute(statement, ())
    assert statement.pace.share == 1
    session.query(statement, ())
    assert statement.pace.seconds < 30


def test_each_call_that_takes_long_is_noted_in_its_job() -> None:
    session, job = session_of_job(slow_seconds=-1.0)
    session.query(STATEMENT, (1,))
    session.execute(STATEMENT, (1,))
    session.execute_many(STATEMENT, [(1,), (2,)])
    assert [(sql, names, beside) for sql, _, names, beside in job.slow or ()] == [
        ("SELECT {a}", ("a",), 0)
    ] * 3
    session.job = None
    session.query(STATEMENT, (1,))
    assert len(job.slow or ()) == 3


def test_what_is_quick_enough_is_not() -> None:
    session, job = session_of_job()
    session.execute(STATEMENT, (1,))
    assert job.slow is None


def test_a_job_that_was_given_up_runs_no_more_statements() -> None:
    session, job = session_of_job()
    job.doom = Interrupted("it was cancelled")
    calls: list[Any] = [
        lambda: session.query(STATEMENT, (1,)),
        lambda: session.execute(STATEMENT, (1,)),
        lambda: session.execute_many(STATEMENT, [(1,)]),
    ]
    for call in calls:
        with pytest.raises(Interrupted):
            call()
    assert session.kept == []


def test_what_is_open_is_rolled_back_or_the_connection_is_lost() -> None:
    session, _ = session_of_job()
    session.roll_back()
    assert session.commands == []
    session.command("BEGIN")
    session.roll_back()
    assert (session.commands[-1], session.lost) == ("ROLLBACK", False)
    session.command("BEGIN")
    session.fails["ROLLBACK"] = [Busy("locked")]
    session.roll_back()
    assert session.lost
