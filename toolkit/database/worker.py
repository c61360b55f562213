"""A worker: one thread of a lane, which takes job after job."""

from __future__ import annotations

import time
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from toolkit.database.errors import Interrupted, Unavailable
from toolkit.database.job import Job, Kind, Step
from toolkit.database.session import Session

if TYPE_CHECKING:
    from toolkit.database.lane import Lane, Outcome

_TOGETHER_SECONDS = 0.002
"""For so long a thread gathers results while it has more to do that is quickly done."""


class Worker:
    """One thread of a lane.

    Attributes:
        session: Its connection, if it is open.
        current: What runs on it.
        beside: What runs together with that.
        looks: How often these were seen at work, together.

    These are changed under the lane's lock; all else is the thread's own.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.session: Session | None = None
        self.current: Job | None = None
        self.beside: tuple[Job, ...] = ()
        self.looks = 0
        self._is_surplus = False
        self._first = 0.0  # when the first result was gathered of which the reactor was not told

    def work(self) -> None:
        """Do what waits, whenever woken, until told to end."""
        try:
            while self.lane.wakes.get():
                while (job := self.take()) is not None or not self._rests():
                    if job is not None:
                        if not job.is_quick:
                            self.flush()
                        self._serve(job)
                    if self._is_surplus:
                        return
        finally:
            self.discard()
            self.lane.leave(self)

    def take(self, kinds: Container[Kind] | None = None) -> Job | None:
        """The next job that waits, if there is one, and it is of these kinds."""
        lane = self.lane
        with lane.lock:
            self.current, self.beside = None, ()
            if not lane.waiting or (kinds is not None and lane.waiting[0].kind not in kinds):
                return None
            job = self.current = lane.next()
            job.step = Step.RUNNING
            job.doom = None
        job.attempts += 1
        if self.session is not None:
            self.session.job = job
        return job

    def has(self, job: Job) -> bool:
        """Whether this is what runs on it, under the lock."""
        return job is self.current or job in self.beside

    def take_beside(self) -> tuple[Job, ...]:
        """Those next to the current one that are likely to be done within one turn."""
        lane = self.lane
        taken: list[Job] = []
        with lane.lock:
            left = 1.0
            while (
                lane.waiting
                and lane.waiting[0].is_quick
                and (left := left - lane.waiting[0].share) >= 0
            ):
                job = lane.next()
                job.step = Step.RUNNING
                job.doom = None
                job.attempts += 1
                taken.append(job)
            self.beside = tuple(taken)
            self.looks = 0
        return self.beside

    def put_back(self, jobs: list[Job]) -> None:
        """Have jobs that could not be done together be done one by one."""
        with self.lane.lock:
            self.current, self.beside = None, ()
            given_up = [job for job in jobs if job.doom is not None]
            for job in reversed(jobs):
                if job.doom is None:
                    self.lane.put_back(job)
        for job in given_up:
            self.post(job, None, Interrupted("it was given up"))

    def begins_to_commit(self, job: Job) -> bool:
        """Note that a job can be interrupted no more; False if it has been."""
        with self.lane.lock:
            self.current = None
            if job.doom is not None:
                return False
            job.step = Step.COMMITTING
            return True

    def again(self, job: Job) -> None:
        """Note that a job whose transaction was lost is run once more."""
        with self.lane.lock:
            self.current = job
            job.step = Step.RUNNING
        if self.session is not None:
            self.session.job = job

    def post(self, job: Job, result: Any, error: BaseException | None = None) -> None:
        """Tell what a job came to: the reactor is woken soon, or looks by itself."""
        self.lane.outcomes.append((job, result, error))
        now = time.monotonic()
        if not self._first:
            self._first = now
        if now - self._first > _TOGETHER_SECONDS:
            self.flush()

    def post_all(self, outcomes: list[Outcome]) -> None:
        """Tell what several jobs came to, now."""
        self.lane.outcomes.extend(outcomes)
        self._first = 0.0
        self.lane.notify()

    def flush(self) -> None:
        """Wake the reactor for what was posted."""
        if self._first:
            self._first = 0.0
            self.lane.notify()

    def _rests(self) -> bool:
        self.flush()
        with self.lane.lock:
            if self.lane.waiting:
                return False
            self.lane.idle += 1
            return True

    def _serve(self, job: Job) -> None:
        try:
            if self.session is not None and not self.session.ready():
                self.discard()
            if self.session is None:
                self._open(job)
        except Unavailable as error:
            self._is_surplus = self._leaves_to_others(job)
            if not self._is_surplus:
                self.post(job, None, error)
            return
        except BaseException as error:  # noqa: BLE001 - it is the job's, whatever it raised
            self.post(job, None, error)
            return
        try:
            self.lane.serve(self, job)
        except BaseException as error:  # noqa: BLE001 - it is the job's, whatever it raised
            self.post(job, None, error)
        if self.session is not None and (self.session.lost or self.session.spoiled):
            self.discard()

    def _leaves_to_others(self, job: Job) -> bool:
        """Whether others have a connection, where no more is granted: they do the job."""
        with self.lane.lock:
            if job.doom is not None or not self.lane.does_without(self):
                return False
            self.current = None
            job.attempts -= 1
            self.lane.put_back(job)
            return True

    def _open(self, job: Job) -> None:
        session = self.lane.session(self.lane.threads)
        session.job = job
        with self.lane.lock:
            self.session = session
            if job.doom is not None:
                raise Unavailable("it was given up while a connection was opened")

    def discard(self) -> None:
        """Close the connection; the next job has another."""
        with self.lane.lock:
            session, self.session = self.session, None
        if session is not None:
            self.lane.threads.disconnect(session.connection)
