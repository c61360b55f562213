"""Every job is answered once, and truly: done, failed, late, cancelled or tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest_twisted
from twisted.internet.defer import CancelledError

from tests.database.databases import Open
from tests.database.stepped import Desk, SteppedThreads, desk, error_in, fails_with
from toolkit.database import errors
from toolkit.database.job import Job, Kind
from toolkit.database.retrying import MOST_SECONDS
from toolkit.database.work import GRACE_SECONDS
from toolkit.database.worker import Worker
from toolkit.testing import is_waiting, result_of


@pytest_twisted.ensureDeferred
async def test_a_slow_statement_is_logged_without_its_values(
    opens: Open, logged: list[Any]
) -> None:
    database = await opens(slow_seconds=1e-9)
    await database.query("SELECT {secret}", secret="hunter2")
    (event,) = [one for one in logged if one.get("sql") == "SELECT {secret}"]
    assert event["parameters"] == "secret=****"
    assert event["seconds"] > 0
    assert "hunter2" not in str(event)
    assert database.figures().slow >= 1


def at_rest(work: Desk) -> None:
    """Nothing is left: no job, no timer but that of the deadlines."""
    figures = work.work.count()
    assert (figures.waiting, figures.running, len(work.work.unfinished)) == (0, 0, 0)


def test_a_job_is_done_in_the_lane_of_its_kind() -> None:
    with desk() as work:
        reads, writes = work.begin(kind=Kind.READ), work.begin(kind=Kind.WRITE)
        assert [len(one.lane.waiting) for one in work.stages.values()] == [1, 1, 0]
        assert (work.work.count().waiting, work.work.count().running) == (2, 0)
        work.run()
        assert [result_of(job.result) for job in (reads, writes)] == ["done", "done"]
        assert work.work.count().done == 2
        at_rest(work)


def test_each_lane_refuses_what_is_more_than_may_wait_until_there_is_room() -> None:
    with desk(max_waiting=2) as work:
        jobs = [work.begin() for _ in range(3)]
        error = error_in(jobs[2])
        assert isinstance(error, errors.QueueFull)
        assert "2 calls of the database wait already" in str(error)
        assert work.work.count().refused == 1
        work.run()
        again = work.begin()
        work.run()
        assert result_of(again.result) == "done"
        at_rest(work)


def test_those_that_wait_to_be_tried_again_count_as_waiting() -> None:
    with desk(max_waiting=1) as work:
        again = work.begin(fails_with(errors.ConnectionLost("gone"), "done"))
        work.run()
        assert (work.work.count().waiting, work.work.count().running) == (1, 0)
        assert isinstance(error_in(work.begin()), errors.QueueFull)
        work.turn(1.0)
        work.run()
        assert result_of(again.result) == "done"


def test_one_that_waits_is_late_and_never_begun() -> None:
    begun: list[str] = []
    with desk() as work:
        work.begin(work.standing())
        late = work.begin(lambda _: begun.append("late"), seconds=1.0, name="SELECT late")
        work.run()
        work.turn(0.99)
        assert is_waiting(late.result)
        work.turn(0.02)
        error = error_in(late)
        assert isinstance(error, errors.DeadlinePassed)
        assert str(error) == "not done within 1 s: SELECT late"
        work.run(2)
        assert (begun, work.work.count().expired) == ([], 1)
        at_rest(work)


def test_one_that_runs_and_is_late_is_interrupted_and_answered_when_its_thread_is_free() -> None:
    with desk() as work:
        job = work.begin(work.standing(), seconds=1.0)
        work.run()
        work.turn(1.0)
        assert work.writing.sessions[0].was_interrupted == 1
        assert is_waiting(job.result)
        assert work.work.count().running == 1
        work.run()
        assert result_of(job.result) == "done"  # it had nothing left to interrupt
        at_rest(work)


def test_one_whose_thread_does_not_end_is_given_up_after_a_second() -> None:
    with desk() as work:
        job = work.begin(work.standing(), seconds=1.0)
        work.run()
        work.turn(1.0)
        work.turn(GRACE_SECONDS - 0.01)
        assert is_waiting(job.result)
        work.turn(0.02)
        assert isinstance(error_in(job), errors.DeadlinePassed)
        assert work.writing.sessions[0].was_severed == 1
        assert work.work.count().expired == 1
        work.run()  # what comes of it later is nobody's
        at_rest(work)
        again = work.begin()
        work.run()
        assert result_of(again.result) == "done"
        assert work.writing.threads.opened == 2


def commits(threads: list[SteppedThreads]) -> Callable[[Worker, Job], None]:
    """Serves a job whose thread stands still in the commit."""

    def serve(worker: Worker, job: Job) -> None:
        result = job.call(cast(Any, worker.session))
        assert worker.begins_to_commit(job)
        threads[0].stand()
        worker.post(job, result)

    return serve


def test_the_outcome_of_a_commit_that_hangs_is_unknown() -> None:
    threads: list[SteppedThreads] = []
    with desk(commits(threads)) as work:
        threads.append(work.writing.threads)
        job = work.begin(seconds=1.0, name="pays")
        work.run()
        work.turn(1.0)
        work.turn(GRACE_SECONDS)
        error = error_in(job)
        assert isinstance(error, errors.OutcomeUnknown)
        assert str(error) == "no answer to the commit of pays"
        at_rest(work)


def test_one_that_is_late_and_committed_in_time_all_the_same_is_done() -> None:
    threads: list[SteppedThreads] = []
    with desk(commits(threads)) as work:
        threads.append(work.writing.threads)
        job = work.begin(seconds=1.0)
        work.run()
        work.turn(1.0)
        work.run()
        assert result_of(job.result) == "done"
        at_rest(work)


def test_cancelling_takes_one_that_waits_off_its_lane_and_interrupts_one_that_runs() -> None:
    with desk() as work:
        runs, waits = work.begin(work.standing()), work.begin()
        work.run()
        for job in (runs, waits):
            job.result.cancel()
            assert isinstance(error_in(job), CancelledError)
        assert work.writing.names == []
        assert work.writing.sessions[0].was_interrupted == 1
        assert (work.work.count().running, work.work.count().cancelled) == (1, 2)
        work.run()
        at_rest(work)


def test_cancelling_one_that_waits_to_be_tried_again_ends_that() -> None:
    with desk() as work:
        job = work.begin(fails_with(errors.ConnectionLost("gone")))
        work.run()
        job.result.cancel()
        assert isinstance(error_in(job), CancelledError)
        at_rest(work)
        work.turn(1.0)
        work.run()
        assert work.writing.names == []


def test_one_that_is_ended_is_interrupted_wherever_it_is() -> None:
    with desk() as work:
        runs, waits = work.begin(work.standing(fails_with(KeyError()))), work.begin()
        work.run()
        for job in (runs, waits):
            work.work.end(job)
        assert isinstance(error_in(waits), errors.Interrupted)
        work.run()
        assert isinstance(error_in(runs), errors.Interrupted)
        at_rest(work)


def test_what_may_pass_is_tried_again_after_a_while_and_what_may_not_is_told() -> None:
    with desk(attempts=3) as work:
        passes = work.begin(fails_with(*[errors.ConnectionLost("gone")] * 2, "done"))
        fails = work.begin(fails_with(*[errors.ConnectionLost("gone")] * 3))
        bug = work.begin(fails_with(KeyError("a bug")))
        work.run()
        assert isinstance(error_in(bug), KeyError)
        for _ in range(2):
            assert is_waiting(passes.result)
            work.turn(MOST_SECONDS)
            work.run()
        assert result_of(passes.result) == "done"
        assert isinstance(error_in(fails), errors.ConnectionLost)
        figures = work.work.count()
        assert (figures.retried, figures.done, figures.failed, figures.lost) == (4, 1, 2, 5)
        at_rest(work)


def test_who_looks_after_the_connection_hears_of_each_loss_and_once_that_all_is_well() -> None:
    with desk() as work:
        lost = errors.ConnectionLost("gone")
        work.begin(fails_with(lost, "done"))
        work.run()
        assert work.fares == [lost]
        work.turn(MOST_SECONDS)
        work.run()
        work.begin()
        work.run()
        assert work.fares == [lost, None]


def test_of_those_that_conflict_again_one_at_a_time_is_run() -> None:
    running: list[str] = []

    def call(name: str, *outcomes: BaseException | str) -> Callable[[Any], Any]:
        comes_to = fails_with(*outcomes)

        def runs(session: Any) -> Any:
            running.append(name)
            return comes_to(session)

        return runs

    twice = [errors.Conflict("deadlock")] * 2
    with desk() as work:
        jobs = [work.begin(call(name, *twice, "done")) for name in "abc"]
        work.run()
        work.turn(MOST_SECONDS)  # each has had its second try
        work.run()
        running.clear()
        for _ in range(3):
            work.run()
        assert running == ["a", "b", "c"]
        assert [result_of(job.result) for job in jobs] == ["done"] * 3
        at_rest(work)


def test_one_that_has_the_turn_and_is_cancelled_gives_it_to_the_next() -> None:
    with desk() as work:
        conflict = [errors.Conflict("deadlock")] * 9
        first = work.begin(fails_with(*conflict))
        second = work.begin(fails_with(*conflict[:2], "done"))
        work.run()
        work.turn(MOST_SECONDS)
        work.run()
        work.run()  # the first has the turn, has conflicted once more, and waits with it
        assert work.work.count().waiting == 2
        first.result.cancel()
        assert isinstance(error_in(first), CancelledError)
        work.run()
        assert result_of(second.result) == "done"
        at_rest(work)


def test_those_that_are_late_at_once_are_counted_once_though_one_ends_another() -> None:
    with desk() as work:
        work.begin(work.standing())
        first, second = (work.begin(seconds=1.0) for _ in range(2))
        work.run()
        first.result.addErrback(lambda _: second.result.cancel())
        work.turn(1.0)
        assert isinstance(error_in(second), CancelledError)
        figures = work.work.count()
        assert (figures.expired, figures.cancelled) == (1, 1)


def rolled_back(threads: list[SteppedThreads], error: BaseException | None) -> Any:
    """Serves a job whose commit is not to be, and which is run once more."""

    def serve(worker: Worker, job: Job) -> None:
        assert worker.begins_to_commit(job)
        threads[0].stand()
        worker.again(job)
        threads[0].stand()
        if error is not None:
            worker.post(job, None, error)
        elif worker.begins_to_commit(job):
            worker.post(job, job.call(cast(Any, worker.session)))
        else:
            worker.post(job, None, errors.Interrupted("it was given up"))

    return serve


def test_one_that_was_given_up_while_it_was_run_once_more_is_not_kept() -> None:
    kept: list[str] = []
    threads: list[SteppedThreads] = []
    with desk(rolled_back(threads, None)) as work:
        threads.append(work.writing.threads)
        job = work.begin(lambda _: kept.append("kept"), seconds=1.0)
        work.run()
        work.turn(1.0)  # too late to interrupt it: it commits
        work.run()
        work.turn(GRACE_SECONDS)
        assert isinstance(error_in(job), errors.DeadlinePassed)
        work.run()
        assert kept == []
        at_rest(work)


def test_one_that_is_late_is_not_tried_again() -> None:
    threads: list[SteppedThreads] = []
    with desk(rolled_back(threads, errors.Busy("locked"))) as work:
        threads.append(work.writing.threads)
        job = work.begin(seconds=1.0)
        work.run()
        work.turn(1.0)
        work.run(2)
        assert isinstance(error_in(job), errors.Busy)
        at_rest(work)
        assert [len(one.lane.waiting) for one in work.stages.values()] == [0, 0, 0]


def test_after_the_close_nothing_is_taken_and_nothing_tried_again() -> None:
    with desk() as work:
        job = work.begin(work.standing(fails_with(errors.ConnectionLost("gone"))))
        work.run()
        work.work.close()
        assert isinstance(error_in(work.begin()), errors.Closed)
        quiet = work.work.wait_for_quiet()
        assert is_waiting(quiet)
        work.run()
        assert isinstance(error_in(job), errors.ConnectionLost)
        assert result_of(quiet) is None
        work.work.end_watch()
        assert work.reactor.getDelayedCalls() == []


def test_one_whose_turn_has_come_is_before_those_that_wait_and_others_may_leave() -> None:
    conflict = [errors.Conflict("deadlock")] * 2
    with desk() as work:
        first, second = (work.begin(fails_with(*conflict, "done"), name=name) for name in "ab")
        work.run()
        work.turn(MOST_SECONDS)
        work.threads()
        work.begin(name="waits")
        work.turn()  # both have conflicted twice: one gets the turn, and one waits for it
        assert work.writing.names == ["a", "waits"]
        second.result.cancel()
        assert isinstance(error_in(second), CancelledError)
        assert work.work.count().waiting == 2
        work.run(2)
        assert result_of(first.result) == "done"
        at_rest(work)


def test_the_outcome_of_a_statement_that_commits_itself_and_hangs_is_unknown() -> None:
    def sends(worker: Worker, job: Job) -> None:
        job.commits_itself = True
        worker.post(job, job.call(cast(Any, worker.session)))

    with desk(sends) as work:
        job = work.begin(work.standing(), seconds=1.0, name="pays")
        work.run()
        work.turn(1.0)
        work.turn(GRACE_SECONDS)
        assert isinstance(error_in(job), errors.OutcomeUnknown)
        work.run()
        at_rest(work)
