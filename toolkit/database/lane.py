"""A lane: the jobs that wait for one kind of connection, and the threads that do them.

The threads and connections are `twisted.enterprise.adbapi`'s: its ConnectionPool opens one
connection a thread, keeps it, and closes it. How work gets to a thread is not: adbapi hands over
one call at a time, without a bound, cannot take one back, and joins its threads in the reactor's
own. Here a thread takes what waits itself, one job after another, and the results of many jobs
wake the reactor once.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from toolkit.database.errors import DatabaseError
from toolkit.database.job import Job, Step
from toolkit.database.pace import QUICK, TURN_SECONDS
from toolkit.database.session import Session
from toolkit.database.threads import Threads
from toolkit.database.worker import Worker

MOST_LOOKS = 80
"""For so many turns statements that were sent together may take: one of them waits for a lock, say,
for which the others would wait, too."""

REFUSED_SECONDS = 5.0
"""For so long no more connections are asked for, where a server has granted some and no more."""

Outcome = tuple[Job, Any, BaseException | None]


class Lane:
    """Jobs in the order in which they came, and the threads that take them.

    A job gets a thread of its own, if there is one; those that are quickly done (`pace`) are left
    to the thread that is at work, and another one is woken when that has not come to them soon.

    Args:
        reactor: The reactor.
        threads: Their threads and connections.
        size: The most threads.
        session: Opens a connection, in the thread that is to use it.
        serve: Run by a thread for a job it has taken; posts what it came to.
        done: Called in the reactor's thread with what each job came to.
    """

    def __init__(
        self,
        reactor: Any,
        threads: Threads,
        size: int,
        session: Callable[[Threads], Session],
        serve: Callable[[Worker, Job], None],
        done: Callable[[Job, Any, BaseException | None], None],
    ) -> None:
        self.lock = threading.Lock()
        self.waiting: deque[Job] = deque()
        self.workers: list[Worker] = []
        self.session = session
        self.serve = serve
        self.threads = threads
        self.wakes: SimpleQueue[bool] = SimpleQueue()
        self.idle = 0
        self._load = 0.0  # for how many threads' turns there is quick work that waits
        self._slow = 0  # how many of those that wait are not quickly done
        self._taken = 0
        self._looked = 0  # how many had been taken at the last look
        self.outcomes: deque[Outcome] = deque()
        self._reactor = reactor
        self._size = size
        self._done = done
        self._notified = False
        self._delivering = False
        self._timer: IDelayedCall | None = None
        self._on_end: Callable[[Lane], None] | None = None
        self._next_open = 0.0  # when another connection may be asked for, though some are there

    # In the reactor's thread

    def submit(self, job: Job, first: bool = False) -> None:
        """Have a job done: after those that wait, or before them."""
        with self.lock:
            job.step = Step.WAITING
            if first:
                self.waiting.appendleft(job)
            else:
                self.waiting.append(job)
            if job.is_quick:
                self._load += job.share
            else:
                self._slow += 1
            if self._delivering:
                return
            if not job.is_quick:
                self._wake_one()
                return
            self._wake(0)
        self._look_soon()

    def _leaves(self, job: Job) -> None:
        """Note that a job no longer waits, under the lock."""
        if job.is_quick:
            self._load = self._load - job.share if self.waiting else 0.0
        else:
            self._slow -= 1

    def _wake(self, slow: int) -> None:
        """Wake as many threads as there is work for, under the lock."""
        active = len(self.workers) - self.idle
        for _ in range(min(max(slow, math.ceil(self._load) - active), self._size)):
            self._wake_one()

    def _wake_one(self) -> None:
        """Wake a thread or start one, under the lock."""
        if self.idle:
            self.idle -= 1
            self.wakes.put(True)
        elif not self.workers or (
            len(self.workers) < self._size and self._reactor.seconds() >= self._next_open
        ):
            worker = Worker(self)
            self.workers.append(worker)
            self.wakes.put(True)
            self.threads.threadpool.callInThread(worker.work)

    def _look(self) -> None:
        """Tell of what is done, which a thread that has more to do may not yet have."""
        self._timer = None
        self._deliver()
        with self.lock:
            taken, self._looked = self._taken - self._looked, self._taken
            if self.waiting:
                has_waited = self.waiting[0].since <= self._reactor.seconds() - TURN_SECONDS
                if has_waited and taken < 1 / QUICK:
                    self._wake_one()
            # There may be outcomes since the others were told.
            elif not self.outcomes and not any(worker.beside for worker in self.workers):
                return
            self._part()
        self._look_soon()

    def _part(self) -> None:
        """Interrupt those who run together for long, under the lock: each is run alone then."""
        for worker in self.workers:
            if worker.beside:
                worker.looks += 1
                if worker.looks == MOST_LOOKS and worker.session is not None:
                    worker.session.interrupt()

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = self._reactor.callLater(TURN_SECONDS, self._look)

    def withdraw(self, job: Job) -> bool:
        """Take a job off the queue; whether it was still there."""
        with self.lock:
            if job.step is not Step.WAITING:
                return False
            self.waiting.remove(job)
            self._leaves(job)
            job.step = Step.DONE
            return True

    def doom(self, job: Job, error: DatabaseError) -> bool:
        """Interrupt a job that runs; whether it had not begun to commit."""
        with self.lock:
            if job.step is not Step.RUNNING:
                return False
            job.doom = error
            for worker in self.workers:
                if worker.has(job) and worker.session is not None:
                    worker.session.interrupt()
            if job.on_doom is not None:
                job.on_doom()
            return True

    def sever(self, job: Job) -> None:
        """Break the connection of a job that an interruption did not end."""
        with self.lock:
            for worker in self.workers:
                if worker.has(job) and worker.session is not None:
                    worker.session.spoiled = True
                    worker.session.sever()

    def end(self, on_end: Callable[[Lane], None]) -> None:
        """End the threads when they have nothing to do; called when all of them have."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_end = on_end
        for _ in self.workers:
            self.wakes.put(False)
        if not self.workers:
            self._ended()

    def _ended(self, worker: Worker | None = None) -> None:
        if worker is not None:
            self.workers.remove(worker)
        if not self.workers and self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            self.threads.end()
            on_end(self)

    def _deliver(self) -> None:
        self._notified = False
        if not self.outcomes:
            return
        # Those who are told ask for more at once. A thread that were woken for the first of them
        # would only slow the others down: there is one lock for all that Python computes.
        self._delivering = True
        try:
            for _ in range(len(self.outcomes)):
                self._done(*self.outcomes.popleft())
        finally:
            self._delivering = False
        with self.lock:
            if self.waiting:
                self._wake(self._slow)
            elif not self.outcomes:
                return
        self._look_soon()

    # In a worker's thread

    def next(self) -> Job:
        """Take the job that waits longest, under the lock."""
        job = self.waiting.popleft()
        self._leaves(job)
        self._taken += 1
        return job

    def does_without(self, worker: Worker) -> bool:
        """Whether other threads have connections, where one gets none, under the lock."""
        if not any(other.session is not None for other in self.workers if other is not worker):
            return False
        self._next_open = self._reactor.seconds() + REFUSED_SECONDS
        if self.idle:
            self.idle -= 1
            self.wakes.put(True)
        return True

    def put_back(self, job: Job) -> None:
        """Have a job that was taken be the next one, by itself, under the lock."""
        job.step = Step.WAITING
        job.share, job.is_quick = 1.0, False
        self.waiting.appendleft(job)
        self._slow += 1

    def notify(self) -> None:
        """Have the reactor tell of the outcomes."""
        if not self._notified:
            self._notified = True
            self._reactor.callFromThread(self._deliver)

    def leave(self, worker: Worker) -> None:
        """Tell the reactor that a thread has ended."""
        self._reactor.callFromThread(self._ended, worker)
