"""A worker: it takes what it may, answers for all that it took, and replaces its connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.database.stepped import Stage, stage
from toolkit.database.errors import Interrupted, Unavailable
from toolkit.database.job import Job, Kind, Step
from toolkit.database.lane import MOST_LOOKS, REFUSED_SECONDS
from toolkit.database.pace import TURN_SECONDS
from toolkit.database.worker import Worker


def together(taken: list[list[str]], fails: Callable[[Job], bool]) -> Callable[[Worker, Job], None]:
    """Serves what is quick with those beside it, and puts those back that fail then."""

    def serve(worker: Worker, job: Job) -> None:
        jobs = [job, *(worker.take_beside() if job.is_quick else ())]
        taken.append([one.sql for one in jobs])
        back = [one for one in jobs if job.is_quick and fails(one)]
        for one in jobs:
            if one not in back:
                worker.post(one, "done")
        if job.is_quick:
            worker.put_back(back)

    return serve


def test_those_beside_are_taken_up_to_the_first_that_is_not_quick() -> None:
    taken: list[list[str]] = []
    with stage(serve=together(taken, lambda _: False)) as lane:
        lane.submit(lane.quick("a"), lane.quick("b"), lane.job("slow"), lane.quick("c"))
        lane.run()
        assert taken == [["a", "b"], ["slow"], ["c"]]
        assert lane.answered == ["a", "b", "slow", "c"]


def test_those_beside_are_no_more_than_one_turn() -> None:
    taken: list[list[str]] = []
    with stage(serve=together(taken, lambda _: False)) as lane:
        lane.submit(*[lane.quick(str(number), 0.3) for number in range(6)])
        lane.run()
        assert [len(names) for names in taken] == [4, 2]  # the current one, and 0.9 of a turn
        assert len(lane.told) == 6


def test_those_put_back_are_next_in_their_order_and_each_by_itself() -> None:
    taken: list[list[str]] = []
    with stage(serve=together(taken, lambda job: job.sql in "bd")) as lane:
        lane.submit(*[lane.quick(name) for name in "abcd"], lane.job("behind"))
        lane.run()
        assert taken == [["a", "b", "c", "d"], ["b"], ["d"], ["behind"]]
        assert sorted(lane.answered) == ["a", "b", "behind", "c", "d"]


def test_those_put_back_are_not_quick_any_more_and_may_be_withdrawn() -> None:
    stood = False

    def serve(worker: Worker, job: Job) -> None:
        nonlocal stood
        if not stood:
            stood = True
            worker.put_back([job, *worker.take_beside()])
            lane.threads.stand()
        else:
            worker.post(job, "done")

    with stage(serve=serve) as lane:
        jobs = [lane.quick(name) for name in "abc"]
        lane.submit(*jobs)
        lane.threads.run()
        assert lane.names == ["a", "b", "c"]
        assert [(job.is_quick, job.share, job.step) for job in jobs] == [
            (False, 1.0, Step.WAITING)
        ] * 3
        assert lane.lane.withdraw(jobs[1])
        lane.run()
        assert lane.answered == ["a", "c"]
        assert [job.attempts for job in jobs] == [2, 1, 2]


def test_one_that_is_doomed_beside_others_is_answered_and_not_put_back() -> None:
    def serve(worker: Worker, job: Job) -> None:
        if job.is_quick:
            jobs = [job, *worker.take_beside()]
            lane.threads.stand()
            worker.put_back(jobs)
        else:
            worker.post(job, "done")

    with stage(serve=serve) as lane:
        jobs = [lane.quick(name) for name in "abc"]
        lane.submit(*jobs)
        lane.threads.run()
        assert lane.lane.doom(jobs[1], Interrupted("it was cancelled"))
        assert lane.sessions[0].was_interrupted == 1  # they run on one connection
        lane.run()
        found = dict(lane.told)
        assert isinstance(found.pop("b"), Interrupted)
        assert found == {"a": "done", "c": "done"}


def test_one_that_was_put_back_can_be_doomed_again_only_when_it_runs() -> None:
    def serve(worker: Worker, job: Job) -> None:
        if job.is_quick:
            worker.put_back([job])
        lane.threads.stand()
        if not job.is_quick and job.attempts == 2:
            worker.post(job, "done")

    with stage(serve=serve) as lane:
        job = lane.quick("a")
        lane.submit(job)
        lane.threads.run()
        assert not lane.lane.doom(job, Interrupted("it was cancelled"))
        assert lane.sessions[0].was_interrupted == 0


def test_it_takes_only_what_is_of_the_kinds_that_are_wanted() -> None:
    found: list[Any] = []

    def serve(worker: Worker, job: Job) -> None:
        if job.sql == "a":
            found.extend(worker.take((Kind.WRITE,)) for _ in range(2))
            worker.post(found[0], "beside")
        worker.post(job, "done")

    with stage(serve=serve) as lane:
        lane.submit(lane.job("a"), lane.job("b", kind=Kind.WRITE), lane.job("c"), lane.job("d"))
        lane.run()
        assert found[1] is None  # the one that waits longest is of another
        assert sorted(lane.told) == [("a", "done"), ("b", "beside"), ("c", "done"), ("d", "done")]


def test_what_a_session_runs_is_the_job_that_was_taken() -> None:
    with stage() as lane:
        seen: list[Job | None] = []
        jobs = [lane.job(name, lambda session: seen.append(session.job)) for name in "ab"]
        lane.submit(*jobs)
        lane.run()
        assert seen == jobs


def test_a_connection_that_cannot_be_opened_fails_the_one_job() -> None:
    with stage() as lane:
        lane.cannot_open.append(Unavailable("nobody is there"))
        lane.submit(lane.job("a"), lane.job("b"))
        lane.run()
        assert isinstance(lane.told[0][1], Unavailable)
        assert lane.told[1] == ("b", None)
        assert lane.threads.opened == 1


@pytest.mark.parametrize("attribute", ["lost", "spoiled"])
def test_a_connection_that_was_lost_is_closed_and_the_next_job_has_another(attribute: str) -> None:
    with stage() as lane:
        lane.submit(lane.job("a", lambda session: setattr(session, attribute, True)), lane.job("b"))
        lane.run()
        assert (lane.threads.opened, lane.threads.closed) == (2, [1])
        assert lane.answered == ["a", "b"]


def test_a_connection_that_is_not_ready_is_replaced_before_it_is_used() -> None:
    with stage() as lane:
        lane.submit(lane.job("a"))
        lane.run()
        lane.sessions[0].is_ready = False
        lane.submit(lane.job("b"))
        lane.run()
        assert (lane.threads.opened, lane.threads.closed) == (2, [1])
        assert lane.told == [("a", None), ("b", None)]


def test_one_that_is_doomed_while_a_connection_is_opened_is_not_begun() -> None:
    with stage() as lane:
        job = lane.job("a")
        opens = lane.lane.session

        def slowly(threads: Any) -> Any:
            lane.threads.stand()
            return opens(threads)

        lane.lane.session = slowly
        lane.submit(job)
        lane.run()
        assert lane.lane.doom(job, Interrupted("it was cancelled"))
        lane.run()
        assert (lane.answered, lane.begun) == (["a"], [])
        assert isinstance(lane.told[0][1], Unavailable)


def test_whatever_a_server_of_jobs_raises_is_the_jobs_and_the_thread_goes_on() -> None:
    def serve(worker: Worker, job: Job) -> None:
        if job.sql == "a":
            raise SystemExit("a bug")
        worker.post(job, "done")

    with stage(serve=serve) as lane:
        lane.submit(lane.job("a"), lane.job("b"))
        lane.run()
        assert isinstance(lane.told[0][1], SystemExit)
        assert lane.told[1] == ("b", "done")


def test_results_of_what_is_quick_are_told_before_something_slow_is_begun() -> None:
    def serve(worker: Worker, job: Job) -> None:
        if not job.is_quick:
            lane.threads.stand()
        worker.post(job, "done")

    lane: Stage
    with stage(serve=serve) as lane:
        lane.submit(lane.quick("a"), lane.job("slow"))
        lane.threads.run()
        lane.turn()
        assert lane.answered == ["a"]


def test_a_thread_that_ends_closes_its_connection() -> None:
    with stage() as lane:
        lane.submit(lane.job("a"))
        lane.run()
        lane.lane.end(lambda _: None)
        lane.threads.run()
        assert lane.threads.closed == [1]
        assert lane.lane.workers[0].session is None


def hangs_together(worker: Worker, job: Job) -> None:
    """Serves what is quick with those beside it, which stand still until they are interrupted."""
    assert worker.session is not None
    if job.is_quick and worker.take_beside():
        jobs = [job, *worker.beside]
        while not worker.session.was_interrupted:  # type: ignore[attr-defined] # it is the test's
            worker.lane.threads.stand()  # type: ignore[attr-defined] # they are stepped
        worker.put_back(jobs)
    else:
        worker.post(job, "alone")


def test_those_that_hang_together_are_parted_after_a_while_and_run_alone() -> None:
    with stage(serve=hangs_together) as lane:
        lane.submit(*[lane.quick(name) for name in "abc"])
        lane.run()
        for _ in range(MOST_LOOKS - 1):
            lane.turn(TURN_SECONDS)
        lane.run()
        assert (lane.told, lane.sessions[0].was_interrupted) == ([], 0)
        for _ in range(MOST_LOOKS):
            lane.turn(TURN_SECONDS)
            lane.run()
        assert lane.told == [(name, "alone") for name in "abc"]
        assert lane.sessions[0].was_interrupted == 1
        assert not lane.reactor.getDelayedCalls()


def test_where_no_more_connections_are_granted_those_that_are_there_do_it_all() -> None:
    with stage(size=3) as lane:
        lane.submit(lane.standing("a"))
        lane.run()
        lane.cannot_open = [Unavailable("too many connections")] * 2
        lane.submit(lane.job("b"), lane.job("c"))
        for number in (1, 2):
            lane.threads.step(number)
        lane.turn()
        assert (lane.told, lane.threads.count) == ([], 1)
        lane.submit(lane.job("d"))  # no other connection is asked for so soon
        lane.run()
        lane.run()
        assert sorted(lane.answered) == ["a", "b", "c", "d"]
        lane.turn(REFUSED_SECONDS)
        lane.cannot_open = []
        lane.submit(lane.standing("e"), lane.job("f"))
        lane.run()
        assert lane.answered[-1] == "f"
        assert lane.threads.opened == 2


def test_who_waits_for_work_is_woken_for_what_no_connection_was_granted_for() -> None:
    with stage(size=2) as lane:
        lane.submit(lane.standing("a"))
        lane.run()
        lane.cannot_open = [Unavailable("too many connections")]
        lane.submit(lane.job("b"))
        lane.threads.step(0)  # it has done its job, and rests
        lane.threads.step(1)
        lane.run()
        assert sorted(lane.answered) == ["a", "b"]
