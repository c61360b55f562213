"""Writing to SQLite: what waits is written in one transaction, and told of after its commit.

One commit costs one fsync, however much it holds. So the one thread that writes takes all that
waits into one transaction, where one that fails is rolled back alone: a function to its savepoint,
and a single statement to where it began, for SQLite gives each statement a savepoint of its own
(https://sqlite.org/lang_conflict.html: ABORT). Nobody is told of success before the commit has
returned. Where SQLite does roll back more than the one, the others are written anew.
"""

from __future__ import annotations

import time

from toolkit.database.errors import (
    Busy,
    ConstraintViolation,
    DatabaseError,
    Interrupted,
    OutcomeUnknown,
    StatementError,
    told,
)
from toolkit.database.job import Job, Kind
from toolkit.database.lane import Outcome
from toolkit.database.session import Session
from toolkit.database.worker import Worker

MOST_JOBS = 500
MOST_SECONDS = 0.02
"""What one transaction holds at most: more jobs, or a longer one, have others wait too long."""

_GROUPED = (Kind.WRITE, Kind.TRANSACTION, Kind.SERIES)


def read_or_write(worker: Worker, job: Job) -> None:
    """Do a job of a SQLite database, and with one that writes those that wait behind it.

    Args:
        worker: The thread, whose session is open.
        job: What it has taken.
    """
    if job.kind in _GROUPED:
        write(worker, job)
    else:
        read(worker, job)


def read(worker: Worker, job: Job) -> None:
    """Do a job outside a transaction."""
    session = worker.session
    assert session is not None
    job.commits_itself = job.kind is Kind.ALONE
    try:
        worker.post(job, job.call(session))
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its own
        worker.post(job, None, error)


def write(worker: Worker, first: Job) -> None:
    """Write what waits, in one transaction or, where that one is lost, in several."""
    again: list[Job] = [first]
    may_take = True
    while again:
        again = _Group(worker, again, may_take).write()
        may_take = False  # they have waited long enough
        worker.flush()


class _Group:
    """Jobs written in one transaction.

    Args:
        worker: The thread.
        jobs: Those to begin with.
        may_take: Whether to take those that wait, too.
    """

    def __init__(self, worker: Worker, jobs: list[Job], may_take: bool) -> None:
        assert worker.session is not None
        self._worker = worker
        self._session: Session = worker.session
        self._jobs = jobs[::-1]
        self._may_take = may_take
        self._written: list[Outcome] = []

    def write(self) -> list[Job]:
        """Write them; those of a transaction that was lost by another's doing, to be run again."""
        first = self._jobs.pop()
        self._worker.again(first)
        # One that is alone needs no savepoint: the transaction is its own.
        is_alone = not self._jobs and not (self._may_take and self._worker.lane.waiting)
        try:
            self._session.command(self._session.begin)
        except DatabaseError as error:
            return self._begun_in_vain(first, error)
        ends = time.monotonic() + MOST_SECONDS
        job: Job | None = first
        while job is not None:
            if not self._run(job, is_alone):
                self._session.roll_back()
                return [one for one, _, _ in self._written] + self._jobs[::-1]
            is_full = len(self._written) >= MOST_JOBS or time.monotonic() > ends
            job = None if is_alone or is_full else self._next()
        return self._commit() + self._jobs[::-1]

    def _begun_in_vain(self, first: Job, error: DatabaseError) -> list[Job]:
        self._worker.post(first, None, error)
        if not isinstance(error, Busy):
            return self._jobs[::-1]
        # The lock was asked for for all: who has waited for it long enough is told with the first.
        while (job := self._next()) is not None:
            self._worker.post(job, None, error)
        return []

    def _next(self) -> Job | None:
        if self._jobs:
            job = self._jobs.pop()
            self._worker.again(job)
            return job
        return self._worker.take(_GROUPED) if self._may_take else None

    def _run(self, job: Job, is_alone: bool) -> bool:
        """Run one job; whether the transaction is still there for the others."""
        session = self._session
        has_savepoint = not is_alone and job.kind is not Kind.WRITE
        has_run = False
        before = session.changes
        try:
            if has_savepoint:
                session.command("SAVEPOINT job")
            result = job.call(session)
            has_run = True
            if not session.in_transaction:
                raise StatementError(
                    f"{told(job.sql)} went on after SQLite had rolled its transaction back"
                )
            if not self._worker.begins_to_commit(job):
                raise Interrupted("it was given up")
            if has_savepoint:
                session.command("RELEASE job")
        except BaseException as error:  # noqa: BLE001 - whatever a job raises is its own
            self._worker.post(job, None, error)
            if has_savepoint:
                return self._roll_back_one()
            # A statement that fails has undone itself, but for ON CONFLICT FAIL and RAISE(FAIL).
            is_undone = not has_run and session.changes == before
            return not is_alone and session.in_transaction and is_undone
        self._written.append((job, result, None))
        return True

    def _roll_back_one(self) -> bool:
        try:
            if self._session.in_transaction:
                self._session.command("ROLLBACK TO job")
                self._session.command("RELEASE job")
                return True
        except DatabaseError:
            self._session.roll_back()
        return False

    def _commit(self) -> list[Job]:
        if not self._written:
            self._session.roll_back()
            return []
        try:
            self._session.command("COMMIT")
        except DatabaseError as error:
            self._session.roll_back()
            if isinstance(error, ConstraintViolation) and len(self._written) > 1:
                # A deferred constraint does not tell whose fault it was: each by itself, then.
                for job, _, _ in self._written:
                    for rest in _Group(self._worker, [job], False).write():
                        self._worker.post(rest, None, error)
                return []
            if not isinstance(error, Busy | ConstraintViolation) and "FULL" not in error.native:
                error = OutcomeUnknown(f"the commit failed: {error}", native=error.native)
            for job, _, _ in self._written:
                self._worker.post(job, None, error)
            return []
        self._worker.post_all(self._written)
        return []
