"""One timer serves all deadlines: set for the earliest, and gone when nobody is left."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from toolkit.database.deadlines import Deadlines
from toolkit.database.job import Job, Kind


class Watched:
    """Jobs with deadlines on a Clock, and which have expired."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.jobs: dict[Job, None] = {}
        self.expired: list[str] = []
        self.ends_others = False
        self.deadlines = Deadlines(self.clock, self.jobs.keys(), self._expire)

    def add(self, name: str, deadline: float) -> Job:
        job = Job(lambda _: None, Kind.READ, name, 0.0, deadline, Deferred(), cast(Any, None))
        self.jobs[job] = None
        self.deadlines.watch(job)
        return job

    def _expire(self, job: Job) -> None:
        self.expired.append(job.sql)
        del self.jobs[job]
        if self.ends_others:
            self.jobs.clear()


def test_each_expires_at_its_own_time() -> None:
    watched = Watched()
    for name, deadline in (("b", 20.0), ("a", 10.0), ("c", 30.0)):
        watched.add(name, deadline)
        assert len(watched.clock.getDelayedCalls()) == 1
    found = []
    for _ in range(6):
        watched.clock.advance(5.0)
        found.append("".join(watched.expired))
    assert found == ["", "a", "a", "ab", "ab", "abc"]
    assert watched.clock.getDelayedCalls() == []


def test_one_that_is_done_costs_no_timer() -> None:
    watched = Watched()
    for number in range(1000):
        watched.jobs.pop(watched.add(str(number), 30.0 + number))
    assert len(watched.clock.getDelayedCalls()) == 1
    last = watched.add("last", 2000.0)
    watched.clock.advance(31.0)
    assert watched.expired == []
    assert [call.getTime() for call in watched.clock.getDelayedCalls()] == [last.deadline]


def test_a_deadline_that_was_put_off_is_kept() -> None:
    watched = Watched()
    job = watched.add("a", 10.0)
    job.deadline = 15.0
    watched.deadlines.watch(job)
    watched.clock.advance(14.0)
    assert watched.expired == []
    watched.clock.advance(1.0)
    assert watched.expired == ["a"]


def test_one_that_another_ends_does_not_expire() -> None:
    watched = Watched()
    for name in "ab":
        watched.add(name, 10.0)
    watched.ends_others = True
    watched.clock.advance(10.0)
    assert watched.expired == ["a"]
    assert watched.clock.getDelayedCalls() == []


def test_after_the_stop_there_is_no_timer() -> None:
    watched = Watched()
    watched.add("a", 10.0)
    watched.deadlines.stop()
    watched.deadlines.stop()
    assert watched.clock.getDelayedCalls() == []
