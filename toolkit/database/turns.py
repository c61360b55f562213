"""Turns: jobs whose transactions conflict again and again run one at a time."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.database.job import Job


class Turns:
    """Jobs of which one has the turn, and the others wait for it, in the order they came.

    Of many transactions that change one row at the same time, one is kept and the others have
    worked for nothing. One after another, each of them is kept.

    Args:
        submit: Called with the job that gets the turn.

    Attributes:
        waiting: Those that wait for it.
    """

    def __init__(self, submit: Callable[[Job], None]) -> None:
        self._submit = submit
        self.waiting: dict[Job, None] = {}
        self._has_it: Job | None = None
        self._closed = False

    def has(self, job: Job) -> bool:
        """Whether a job has the turn."""
        return self._has_it is job

    def add(self, job: Job) -> None:
        """Have a job run in its turn: at once, if nobody else has it."""
        self.waiting[job] = None
        self._next()

    def withdraw(self, job: Job) -> bool:
        """Take a job off those that wait; whether it was there."""
        if job not in self.waiting:
            return False
        del self.waiting[job]
        return True

    def leave(self, job: Job) -> None:
        """Give the next one the turn, if this job has it."""
        if self._has_it is job:
            self._has_it = None
            self._next()

    def close(self) -> None:
        """Give nobody the turn any more."""
        self._closed = True

    def _next(self) -> None:
        if self._has_it is None and self.waiting and not self._closed:
            self._has_it = job = next(iter(self.waiting))
            del self.waiting[job]
            self._submit(job)
