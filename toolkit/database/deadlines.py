"""One timer for the deadlines of many jobs: it is set for the earliest."""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from toolkit.database.job import Job


class Deadlines:
    """Tells of the jobs whose deadline has passed.

    Nearly all jobs are done long before: setting a timer for each would cost more than the job.

    Args:
        clock: The reactor.
        jobs: Those that are watched; a job is added by whoever then calls `watch`.
        expired: Called with a job whose deadline has passed; it sets another or removes the job.
    """

    def __init__(
        self, clock: IReactorTime, jobs: Collection[Job], expired: Callable[[Job], None]
    ) -> None:
        self._clock = clock
        self._jobs = jobs
        self._expired = expired
        self._timer: IDelayedCall | None = None
        self._aim = 0.0

    def watch(self, job: Job) -> None:
        """Take a job's deadline into account; to be called when it becomes earlier, too."""
        if self._timer is not None:
            if self._aim <= job.deadline:
                return
            self._timer.cancel()
        self._aim = job.deadline
        self._timer = self._clock.callLater(
            max(0.0, job.deadline - self._clock.seconds()), self._look
        )

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for job in [job for job in self._jobs if job.deadline <= now]:
            if job in self._jobs:  # who was told of another's may have ended it
                self._expired(job)
        if self._jobs:
            self.watch(min(self._jobs, key=lambda job: job.deadline))
