"""Whatever is asked for, ended, late or lost, in any order: each job is answered once, truly."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as some
from twisted.internet.defer import CancelledError

from tests.database.stepped import Desk, MemorySession, desk, post
from toolkit.database import errors
from toolkit.database.job import Job, Kind
from toolkit.database.pace import TURN_SECONDS
from toolkit.database.reading import Reading
from toolkit.database.sql import Statements
from toolkit.database.worker import Worker
from toolkit.database.writing import read_or_write

QUICK = Statements("?").get("SELECT 1")
QUICK.pace.note(TURN_SECONDS / 10)

FAILURES: dict[str, type[errors.DatabaseError]] = {
    "busy": errors.Busy,
    "conflicts": errors.Conflict,
    "loses the connection": errors.ConnectionLost,
    "breaks a rule": errors.UniqueViolation,
}
OUTCOMES = [*FAILURES, "is a bug", "stands still", "takes all along", "and locks it"]
"""What may become of a job that runs; in the end it succeeds."""

LONG = 3600.0  # longer than any schedule: whoever has so long is answered by a thread
SECONDS = some.sampled_from([0.01, 0.5, LONG])
WRITE = some.tuples(
    some.just("write"),
    some.sampled_from([Kind.WRITE, Kind.TRANSACTION, Kind.SERIES]),
    some.lists(some.sampled_from(OUTCOMES), max_size=3),
    SECONDS,
)
STEPS = some.one_of(
    WRITE,
    WRITE,
    some.tuples(
        some.just("read"), some.lists(some.sampled_from(OUTCOMES[:-2]), max_size=2), SECONDS
    ),
    some.tuples(some.just("read quickly"), SECONDS),
    some.tuples(some.just("cancel"), some.integers(0, 15)),
    some.tuples(some.just("end"), some.integers(0, 15)),
    some.tuples(
        some.just("thread"),
        some.sampled_from(["writing", "writing", "reading"]),
        some.integers(0, 1),
    ),
    some.tuples(some.just("time"), some.sampled_from([0.0, TURN_SECONDS, 0.02, 0.5, 1.0])),
    some.tuples(some.just("command fails"), some.sampled_from(["BEGIN", "COMMIT"])),
)


def together(worker: Worker, job: Job) -> None:
    """Does what is quick at once, but puts every second one of that back."""
    jobs = [job, *(worker.take_beside() if job.is_quick else ())]
    assert [one for one in jobs[1:] if not one.is_quick] == []
    for one in jobs[::2]:
        post(worker, one)
    worker.put_back(jobs[1::2])


class Schedule:
    """Takes steps at a desk, and notes what each job came to."""

    def __init__(self, work: Desk) -> None:
        self.work = work
        self.jobs: list[Job] = []
        self.answers: list[list[Any]] = []

    def write(self, kind: Kind, outcomes: list[str], seconds: float) -> None:
        number = len(self.jobs)
        call = self._does(outcomes, self.work.writing.threads.stand)

        def writes(session: MemorySession) -> Any:
            session.write(number)
            return call(session)

        self._note(self.work.begin(writes, kind, seconds))

    def read(self, outcomes: list[str], seconds: float) -> None:
        call = self._does(outcomes, self.work.reading.threads.stand)
        self._note(self.work.begin(call, Kind.READ, seconds))

    def read_quickly(self, seconds: float) -> None:
        self._note(self.work.begin(Reading(QUICK, (), None), Kind.READ, seconds))

    def cancel(self, number: int) -> None:
        if number < len(self.jobs):
            self.jobs[number].result.cancel()

    def end(self, number: int) -> None:
        if number < len(self.jobs) and self.jobs[number] in self.work.work.unfinished:
            self.work.work.end(self.jobs[number])

    def thread(self, lane: str, number: int) -> None:
        self.work.stages[lane].threads.step(number)

    def time(self, seconds: float) -> None:
        self.work.turn(seconds)

    def command_fails(self, sql: str) -> None:
        for session in self.work.writing.sessions[-1:]:
            session.fails.setdefault(sql, []).append(errors.Busy("locked"))

    def _does(self, outcomes: list[str], stand: Any) -> Any:
        left = list(outcomes)

        def does(session: MemorySession) -> str:
            while left:
                outcome = left.pop(0)
                if outcome == "stands still":
                    stand()
                elif outcome in ("takes all along", "and locks it"):
                    session.loses_all()
                    if outcome == "and locks it":
                        self.command_fails("BEGIN")
                    raise errors.UniqueViolation("it had all undone")
                elif outcome == "is a bug":
                    raise KeyError(outcome)
                else:
                    raise FAILURES[outcome](outcome)
            return "done"

        return does

    def _note(self, job: Job) -> None:
        answers: list[Any] = []
        self.jobs.append(job)
        self.answers.append(answers)
        job.result.addBoth(lambda result: answers.append(getattr(result, "value", result)))


def take(work: Desk, steps: list[tuple[Any, ...]]) -> Schedule:
    schedule = Schedule(work)
    for way, *given_ in steps:
        getattr(schedule, way.replace(" ", "_"))(*given_)
    return schedule


def comes_to_an_end(work: Desk) -> None:
    """Let the threads and the time go on, until nothing can be left of any job."""
    for _ in range(50):
        work.threads()
        work.turn(1.0)


def check(schedule: Schedule) -> None:
    """See that each was answered once, that it is true, and that nothing is left."""
    work = schedule.work
    assert [len(one) for one in schedule.answers] == [1] * len(schedule.jobs)
    assert work.work.unfinished == {}
    assert [len(lane.waiting) for lane in work.work.lanes.all()] == [0, 0, 0]
    figures = work.work.count()
    assert (figures.waiting, figures.running) == (0, 0)
    kept = work.writing.kept
    assert len(kept) == len(set(kept))
    for number, (job, (answer,)) in enumerate(zip(schedule.jobs, schedule.answers, strict=True)):
        if job.seconds == LONG:
            assert not isinstance(answer, errors.DeadlinePassed | errors.OutcomeUnknown)
        if job.kind is Kind.READ or isinstance(answer, CancelledError | errors.OutcomeUnknown):
            continue
        assert (number in kept) is (answer == "done"), (number, answer)


@settings(max_examples=400, deadline=None)
@given(some.lists(STEPS, min_size=20, max_size=60))
def test_each_is_answered_once_and_truly(steps: list[tuple[Any, ...]]) -> None:
    with desk(read_or_write, together, readers=2) as work:
        schedule = take(work, steps)
        comes_to_an_end(work)
        check(schedule)
        work.turn(LONG)  # the timer of the deadlines stays for those that were done long before
        assert work.reactor.getDelayedCalls() == []
