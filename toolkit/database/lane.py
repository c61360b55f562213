"""A lane: the jobs that wait for one kind of connection, and the threads that do them.

The threads and connections are `twisted.enterprise.adbapi`'s: its ConnectionPool opens one
connection a thread, keeps it, and closes it. How work gets to a thread is not: adbapi hands over
one call at a time, without a bound, cannot take one back, and joins its threads in the reactor's
own. Here a thread takes what waits itself, one job after another, and the results of many jobs
wake the reactor once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from toolkit.database.errors import DatabaseError
from toolkit.database.job import Job, Step
from toolkit.database.session import Session
from toolkit.database.threads import Threads
from toolkit.database.worker import Worker

LOOK_SECONDS = 0.003
"""How long a job waits behind those of one thread before another is woken; and how long a result
waits for the thread that has more to do."""

Outcome = tuple[Job, Any, BaseException | None]


class Lane:
    """Jobs in the order in which they came, and the threads that take them.

    Args:
        reactor: The reactor.
        threads: Their threads and connections.
        size: The most threads.
        session: Opens a connection, in the thread that is to use it.
        serve: Run by a thread for a job it has taken; posts what it came to.
        done: Called in the reactor's thread with what each job came to.
        at_once: Whether each job gets a thread of its own, if there is one. Else one thread does
            those that are quickly done, and another one is woken when that is not enough: threads
            of Python that only compute slow each other down.
    """

    def __init__(
        self,
        reactor: Any,
        threads: Threads,
        size: int,
        session: Callable[[Threads], Session],
        serve: Callable[[Worker, Job], None],
        done: Callable[[Job, Any, BaseException | None], None],
        at_once: bool = False,
    ) -> None:
        self.lock = threading.Lock()
        self.waiting: deque[Job] = deque()
        self.at_once = at_once
        self.workers: list[Worker] = []
        self.session = session
        self.serve = serve
        self.threads = threads
        self.wakes: SimpleQueue[bool] = SimpleQueue()
        self.idle = 0
        self.outcomes: deque[Outcome] = deque()
        self._reactor = reactor
        self._size = size
        self._done = done
        self._notified = False
        self._delivering = False
        self._timer: IDelayedCall | None = None
        self._on_end: Callable[[Lane], None] | None = None

    # In the reactor's thread

    def submit(self, job: Job, first: bool = False) -> None:
        """Have a job done: after those that wait, or before them."""
        with self.lock:
            job.step = Step.WAITING
            if first:
                self.waiting.appendleft(job)
            else:
                self.waiting.append(job)
            if self._delivering:
                return
            if self.at_once or self.idle == len(self.workers):
                self._wake_one()
                return
        self._look_soon()

    def _wake_one(self) -> None:
        """Wake a thread or start one, under the lock."""
        if self.idle:
            self.idle -= 1
            self.wakes.put(True)
        elif len(self.workers) < self._size:
            worker = Worker(self)
            self.workers.append(worker)
            self.wakes.put(True)
            self.threads.threadpool.callInThread(worker.work)

    def _look(self) -> None:
        """Tell of what is done, which a thread that has more to do may not yet have."""
        self._timer = None
        self._deliver()
        with self.lock:
            if not self.waiting:
                return
            if self.waiting[0].since <= self._reactor.seconds() - LOOK_SECONDS:
                self._wake_one()
        self._look_soon()

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = self._reactor.callLater(LOOK_SECONDS, self._look)

    def withdraw(self, job: Job) -> bool:
        """Take a job off the queue; whether it was still there."""
        with self.lock:
            if job.step is not Step.WAITING:
                return False
            self.waiting.remove(job)
            job.step = Step.DONE
            return True

    def doom(self, job: Job, error: DatabaseError) -> bool:
        """Interrupt a job that runs; whether it had not begun to commit."""
        with self.lock:
            if job.step is not Step.RUNNING:
                return False
            job.doom = error
            for worker in self.workers:
                if worker.current is job and worker.session is not None:
                    worker.session.interrupt()
            if job.on_doom is not None:
                job.on_doom()
            return True

    def sever(self, job: Job) -> None:
        """Break the connection of a job that an interruption did not end."""
        with self.lock:
            for worker in self.workers:
                if worker.current is job and worker.session is not None:
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
            count = len(self.waiting)
            if not count:
                return
            if self.at_once:
                for _ in range(count):
                    self._wake_one()
                return
            if self.idle == len(self.workers):
                self._wake_one()
        self._look_soon()

    # In a worker's thread

    def notify(self) -> None:
        """Have the reactor tell of the outcomes."""
        if not self._notified:
            self._notified = True
            self._reactor.callFromThread(self._deliver)

    def leave(self, worker: Worker) -> None:
        """Tell the reactor that a thread has ended."""
        self._reactor.callFromThread(self._ended, worker)
