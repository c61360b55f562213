"""Jobs of PostgreSQL: each on a connection of its own, and what is known when that is lost."""

from __future__ import annotations

import time
from typing import Any

from toolkit.database import errors
from toolkit.database.errors import DatabaseError
from toolkit.database.job import Job, Kind
from toolkit.database.postgresql import PostgreSQLSession
from toolkit.database.worker import Worker

_UNSUPPORTED = "0A000"


def serve(worker: Worker, job: Job) -> None:
    """Do a job of a PostgreSQL database.

    Args:
        worker: The thread, whose session is open.
        job: What it has taken.
    """
    session = worker.session
    assert isinstance(session, PostgreSQLSession)
    if job.is_quick and (others := worker.take_beside()):
        _together(worker, session, [job, *others])
        return
    try:
        if job.kind in (Kind.TRANSACTION, Kind.SERIES):
            result = _in_transaction(worker, session, job)
        else:
            job.commits_itself = job.kind in (Kind.WRITE, Kind.ALONE)
            result = job.call(session)
            if session.in_transaction:
                raise errors.StatementError(
                    f"{errors.told(job.sql)} left a transaction open, which was rolled back"
                )
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its own
        session.roll_back()
        if isinstance(error, errors.UniqueViolation):
            error.passing = _is_hidden(session, job)
        if isinstance(error, errors.ConnectionLost) and job.commits_itself:
            # The statement was its own transaction, which the server may have committed.
            error = errors.OutcomeUnknown(str(error), error.sql, error.native)
        worker.post(job, None, error)
    else:
        worker.post(job, result)


def _is_hidden(session: PostgreSQLSession, job: Job) -> bool:
    """Whether a row that is there already may be one that the function could not see.

    Another transaction may have written it since this one began; run again, it is seen
    (https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html).
    """
    return job.kind is Kind.TRANSACTION and job.attempts == 1 and session.is_of_one_moment


def _together(worker: Worker, session: PostgreSQLSession, jobs: list[Job]) -> None:
    readings = [job.reading for job in jobs if job.reading is not None]
    began = time.monotonic()
    found = session.query_together(readings)
    seconds = time.monotonic() - began
    left = []
    for job, reading, rows in zip(jobs, readings, found, strict=True):
        if rows is None:
            reading.statement.pace.forget()  # it may be what held the others up
            left.append(job)
            continue
        if seconds > session.slow_seconds:
            job.note_slow(reading.statement, seconds, len(jobs) - 1)
        reading.statement.pace.note(seconds / len(jobs))
        try:
            result, error = reading.of(rows), None
        except DatabaseError as raised:
            result, error = None, raised
        worker.post(job, result, error)
    worker.put_back(left)


def _in_transaction(worker: Worker, session: PostgreSQLSession, job: Job) -> Any:
    is_function = job.kind is Kind.TRANSACTION
    try:
        session.command(session.begin if is_function else session.begin_series)
    except errors.StatementError as error:
        if error.native != _UNSUPPORTED:
            raise
        raise errors.ReadOnly(
            "the server is a standby, which has no serializable transactions; to read there, set "
            "isolation to repeatable-read",
            native=error.native,
        ) from None
    result = job.call(session)
    if session.lost:  # the function went on without it
        raise errors.ConnectionLost(f"the connection was lost in {job.sql}")
    if session.is_aborted:
        raise errors.StatementError(
            f"{job.sql} went on after an error: PostgreSQL then undoes the whole transaction, "
            "but for what fails within transaction.savepoint()"
        )
    if not session.in_transaction:
        raise errors.StatementError(f"{job.sql} has ended its transaction itself")
    if not worker.begins_to_commit(job):
        raise errors.Interrupted("it was given up")
    try:
        session.command("COMMIT")
    except errors.ConnectionLost as error:
        raise errors.OutcomeUnknown(
            f"the connection was lost while {job.sql} was committed: {error}", native=error.native
        ) from None
    return result
