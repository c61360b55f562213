"""The jobs of a database, as the reactor sees them: added, watched, tried again, answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from toolkit.database import errors
from toolkit.database.deadlines import Deadlines
from toolkit.database.driver import Done, Lanes
from toolkit.database.errors import DatabaseError
from toolkit.database.figures import Figures
from toolkit.database.job import Job, Kind, Step
from toolkit.database.lane import Lane
from toolkit.database.retrying import delay_of
from toolkit.database.session import Session
from toolkit.database.settings import DatabaseSettings
from toolkit.database.troubles import Troubles
from toolkit.database.turns import Turns
from toolkit.secret import MASK
from toolkit.waiting import Waiting

GRACE_SECONDS = 1.0
"""How long a thread may take to end what was interrupted, or to commit, after the deadline."""


class Work:
    """The jobs that are not done yet.

    Args:
        reactor: The reactor.
        settings: The limits.
        lanes: Makes the lanes, given what is called with each outcome.
        fares: Called with the error when a connection was lost or could not be opened, and with
            None when a job has succeeded after that.
        chance: Gives a number from 0 up to 1.
        figures: Where it is counted what is done.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: DatabaseSettings,
        lanes: Callable[[Done], Lanes],
        fares: Callable[[DatabaseError | None], None],
        chance: Callable[[], float],
        figures: Figures,
    ) -> None:
        self.figures = figures
        self.lanes = lanes(self._done)
        self._reactor = reactor
        self._settings = settings
        self._fares = fares
        self._chance = chance
        self.unfinished: dict[Job, None] = {}
        self._delayed: dict[Job, IDelayedCall] = {}
        self._turns = Turns(lambda job: job.lane.submit(job, first=True))
        self._deadlines = Deadlines(reactor, self.unfinished.keys(), self._expired)
        self._quiet = Waiting()
        self._troubles = Troubles(reactor)
        self._closed = False
        self._is_away = False

    def begin(
        self,
        call: Callable[[Session], Any],
        kind: Kind,
        sql: str,
        seconds: float,
        lane: Lane | None = None,
    ) -> Job:
        """Have a job done; see Job.

        Args:
            call: Does it, in a thread.
            kind: What it is.
            sql: What it is called in messages.
            seconds: How long it may take.
            lane: Where it waits; that of its kind when left out.

        Returns:
            The job, whose `result` may have failed already.
        """
        lane = lane or self.lanes.of(kind)
        now = self._reactor.seconds()
        result: Deferred[Any] = Deferred(lambda _: self._cancel(job))
        job = Job(call, kind, sql, now, seconds, result, lane)
        if self._closed:
            result.errback(errors.Closed("the database has been stopped"))
        elif len(lane.waiting) + self._apart() >= self._settings.max_waiting:
            self.figures.refused += 1
            full = errors.QueueFull(
                f"{self._settings.max_waiting} calls of the database wait already; try again "
                "later, ask for less at once, or set max_waiting higher"
            )
            self._troubles.note(full)
            result.errback(full)
        else:
            self.unfinished[job] = None
            self._deadlines.watch(job)
            lane.submit(job)
        return job

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Have the reactor call a function soon; for a job, in its thread."""
        self._reactor.callFromThread(function, *args)

    def extend(self, job: Job, seconds: float) -> None:
        """Give a job that runs another deadline, so many seconds from now."""
        job.seconds = seconds
        job.deadline = self._reactor.seconds() + seconds
        self._deadlines.watch(job)

    def end(self, job: Job) -> None:
        """Interrupt a job; its Deferred fails when its thread is free."""
        if self.withdraw(job):
            self.fail(job, errors.Interrupted("it was ended"))
        else:
            job.lane.doom(job, errors.Interrupted("it was ended"))

    def count(self) -> Figures:
        """The figures, with what waits and runs now."""
        figures, lanes = self.figures, self.lanes.all()
        figures.waiting = sum(len(lane.waiting) for lane in lanes) + self._apart()
        figures.running = len(self.unfinished) - figures.waiting
        workers = [worker for lane in lanes for worker in lane.workers]
        figures.connections = sum(worker.session is not None for worker in workers)
        return figures

    def _apart(self) -> int:
        """How many wait to be tried again, in no lane."""
        return len(self._delayed) + len(self._turns.waiting)

    # What becomes of a job

    def _cancel(self, job: Job) -> None:
        self.figures.cancelled += 1
        if self.withdraw(job):
            self._end(job)
        else:
            job.lane.doom(job, errors.Interrupted("it was cancelled"))

    def withdraw(self, job: Job) -> bool:
        """Take a job off its queue; whether it was there."""
        delayed = self._delayed.pop(job, None)
        if delayed is not None:
            delayed.cancel()
            return True
        if self._turns.withdraw(job):
            return True
        return job.lane.withdraw(job)

    def _expired(self, job: Job) -> None:
        passed = errors.DeadlinePassed(
            f"not done within {job.seconds:.3g} s: {errors.told(job.sql)}", job.sql
        )
        if job.late:
            self.give_up(job, passed)
            return
        self.figures.expired += 1
        job.late = True
        if self.withdraw(job):
            self.fail(job, passed)
        else:
            job.lane.doom(job, passed)
            job.deadline += GRACE_SECONDS

    def give_up(self, job: Job, error: DatabaseError) -> None:
        """Wait no longer for a thread."""
        job.lane.doom(job, error)  # it may be run once more, its first commit having failed
        job.lane.sever(job)
        if job.step is Step.COMMITTING or job.commits_itself:
            error = errors.OutcomeUnknown(
                f"no answer to the commit of {errors.told(job.sql)}", job.sql
            )
        self.fail(job, error)

    def _done(self, job: Job, result: Any, error: BaseException | None) -> None:
        job.step = Step.DONE
        if job.slow is not None:
            self._tell_slow(job)
        if job not in self.unfinished:  # given up before
            return
        if error is not None:
            self._fared_ill(job, error)
            return
        if self._is_away:
            self._is_away = False
            self._fares(None)
        self.figures.done += 1
        self._end(job)
        if not job.result.called:
            job.result.callback(result)

    def _fared_ill(self, job: Job, error: BaseException) -> None:
        if isinstance(error, errors.ConnectionLost | errors.Unavailable | errors.OutcomeUnknown):
            self.figures.lost += 1
            self._is_away = True
            self._fares(error)
        if job.doom is not None and not isinstance(error, errors.OutcomeUnknown):
            error = job.doom
        if isinstance(error, errors.Conflict):
            job.conflicts += 1
        else:
            self._turns.leave(job)
        is_wanted = not (job.result.called or job.late or self._closed)
        if isinstance(error, DatabaseError) and is_wanted:
            now = self._reactor.seconds()
            delay = delay_of(job, error, self._settings, now, self._chance())
            if delay is not None:
                self.figures.retried += 1
                self._try_again(job, error, delay)
                return
        self.fail(job, error)

    def _try_again(self, job: Job, error: DatabaseError, delay: float) -> None:
        has_turn = self._turns.has(job)
        if isinstance(error, errors.Conflict) and job.conflicts > 1 and not has_turn:
            self._turns.add(job)
        else:
            self._delayed[job] = self._reactor.callLater(delay, self._again, job, has_turn)

    def _again(self, job: Job, first: bool) -> None:
        del self._delayed[job]
        job.lane.submit(job, first)

    def fail(self, job: Job, error: BaseException) -> None:
        """Answer a job with an error."""
        self.figures.failed += 1
        self._troubles.note(error)
        self._end(job)
        if not job.result.called:
            job.result.errback(error)

    def _end(self, job: Job) -> None:
        del self.unfinished[job]
        if job.conflicts:
            self._turns.leave(job)
        self.figures.seconds += self._reactor.seconds() - job.since
        if self._closed and not self.unfinished:
            self._quiet.tell()

    def _tell_slow(self, job: Job) -> None:
        for sql, seconds, names, beside in job.slow or ():
            self.figures.slow += 1
            self._log.warn(
                "slow statement{others}, {seconds:.3f} s: {sql} ({parameters})",
                others=f", or one of the {beside} sent with it" if beside else "",
                seconds=seconds,
                sql=errors.told(sql),
                parameters=", ".join(f"{name}={MASK}" for name in names),
            )
        job.slow = None

    # The end

    def close(self) -> None:
        """Take no more jobs."""
        self._closed = True
        self._turns.close()

    def wait_for_quiet(self) -> Deferred[None]:
        """Wait until no job is left, once it has been closed and there is one."""
        return self._quiet.add()

    def end_watch(self) -> None:
        """Watch over no deadline any more."""
        self._deadlines.stop()
