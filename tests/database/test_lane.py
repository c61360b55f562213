"""A lane: in order, by no more threads than it may have, and nobody waits for a wake-up."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred

from tests.database.calling import ENDLESS, answers, failure, held
from tests.database.databases import Open
from tests.database.stepped import Stage, stage
from toolkit.database.errors import Interrupted
from toolkit.database.job import Job, Step
from toolkit.database.lane import Lane
from toolkit.database.pace import QUICK, TURN_SECONDS
from toolkit.database.transaction import Transaction


def test_jobs_are_begun_in_the_order_in_which_they_came_but_for_who_is_first() -> None:
    with stage() as lane:
        lane.submit(*[lane.job(name) for name in "abc"])
        lane.lane.submit(lane.job("first"), first=True)
        assert lane.names == ["first", "a", "b", "c"]
        lane.run()
        assert lane.begun == lane.answered == ["first", "a", "b", "c"]
        assert lane.names == []


def test_there_is_a_thread_for_each_that_is_not_quick_and_no_more_than_there_may_be() -> None:
    with stage(size=3) as lane:
        jobs = [lane.standing(str(number)) for number in range(5)]
        for job, threads in zip(jobs, (1, 2, 3, 3, 3), strict=True):
            lane.submit(job)
            assert lane.threads.count == threads
        lane.run()
        assert lane.begun == ["0", "1", "2"]
        assert lane.names == ["3", "4"]
        lane.run()
        assert lane.answered == ["0", "1", "2"]
        assert lane.names == []


def test_a_thread_that_rests_is_woken_before_another_is_started() -> None:
    with stage(size=3) as lane:
        for name in "abc":
            lane.submit(lane.job(name))
            lane.run()
        assert lane.answered == ["a", "b", "c"]
        assert (lane.threads.count, lane.lane.idle, lane.threads.opened) == (1, 1, 1)


def test_what_is_quick_is_left_to_the_thread_that_is_at_work() -> None:
    with stage(size=3) as lane:
        lane.submit(lane.job("slow"), *[lane.quick(str(number)) for number in range(9)])
        assert lane.threads.count == 1
        lane.run()
        assert lane.begun == ["slow", *"012345678"]


def test_more_that_is_quick_than_one_turn_holds_has_another_thread() -> None:
    with stage(size=8) as lane:
        counts = []
        for number in range(25):
            lane.submit(lane.quick(str(number), 0.1))
            counts.append(lane.threads.count)
        assert counts[0] == 1
        assert counts[8] == 1
        assert counts[11] == 2
        assert counts[24] == 3


def test_what_is_quick_and_waits_for_a_turn_has_another_thread_woken() -> None:
    with stage(size=2) as lane:
        lane.submit(lane.standing("slow"))
        lane.run()
        lane.submit(lane.quick("a"))
        assert lane.threads.count == 1
        lane.turn(TURN_SECONDS)  # nobody has come to it
        assert lane.threads.count == 2
        lane.threads.step(1)
        lane.turn()
        assert lane.answered == ["a"]


def test_while_a_thread_gets_on_with_what_is_quick_no_other_is_woken() -> None:
    with stage(size=2) as lane:
        for name in "abcd":
            lane.submit(lane.quick(name))
        for _ in range(int(1 / QUICK)):
            lane.lane.next()  # as the thread does, in that time
        lane.turn(TURN_SECONDS)
        assert lane.names == ["d"]
        assert lane.threads.count == 1
        lane.turn(TURN_SECONDS)  # in this one it has not got on
        assert lane.threads.count == 2


def test_what_came_just_before_the_look_is_given_the_time_of_one() -> None:
    with stage(size=2) as lane:
        lane.submit(lane.standing("slow"))
        lane.run()
        gone = lane.quick("gone")
        lane.submit(gone)
        lane.turn(TURN_SECONDS * 0.9)
        lane.lane.withdraw(gone)
        lane.submit(lane.quick("a"))
        lane.turn(TURN_SECONDS * 0.2)
        assert lane.threads.count == 1
        lane.turn(TURN_SECONDS)
        assert lane.threads.count == 2


def test_the_look_ends_when_nothing_waits() -> None:
    with stage() as lane:
        lane.submit(lane.quick("a"))
        assert len(lane.reactor.getDelayedCalls()) == 1
        lane.threads.run()
        lane.turn(TURN_SECONDS)
        assert lane.answered == ["a"]
        assert lane.reactor.getDelayedCalls() == []


def test_an_answer_does_not_wait_for_what_hangs_behind_it() -> None:
    hung: list[Job] = []

    def serve(worker: Any, job: Job) -> None:
        if job in hung:
            lane.threads.stand()
        worker.post(job, job.sql)

    with stage(serve=serve) as lane:
        first, hangs = lane.quick("first"), lane.quick("hangs")
        hung.append(hangs)
        lane.submit(first, hangs)
        lane.threads.run()  # the thread tells of the first when it has done what is quick
        lane.turn(TURN_SECONDS)
        assert lane.answered == ["first"]


@pytest.mark.parametrize("asks_late", [False, True])
def test_nor_where_that_is_taken_while_others_are_told(asks_late: bool) -> None:
    """While the reactor tells of one job a thread ends the next one, and hangs in a third."""

    def serve(worker: Any, job: Job) -> None:
        if job.sql == "hangs":
            lane.threads.stand()
        worker.post(job, None)
        if job.sql == "first":
            if asks_late:
                worker.flush()
            lane.threads.stand()

    def done(job: Job, _result: Any, _error: BaseException | None) -> None:
        if job.sql == "first":
            if asks_late:
                lane.submit(*behind)
            lane.threads.run()

    with stage(serve=serve, done=done) as lane:
        behind = [lane.quick(name) for name in ("second", "hangs")]
        if asks_late:
            lane.submit(lane.job("first"))
        else:
            lane.submit(lane.quick("first"), *behind)
        lane.threads.run()
        lane.turn(0.0 if asks_late else TURN_SECONDS)
        assert (lane.names, lane.answered) == ([], ["first"])
        lane.turn(TURN_SECONDS)
        assert lane.answered == ["first", "second"]
        lane.turn(TURN_SECONDS)
        assert lane.reactor.getDelayedCalls() == []


def test_those_who_are_told_and_ask_for_more_wake_threads_when_all_have_been_told() -> None:
    with stage(size=4) as lane:
        counts = []

        def asks(_job: Job, _result: Any, _error: BaseException | None) -> None:
            if len(lane.told) <= 3:
                lane.lane.submit(lane.standing(f"again {len(lane.told)}"))
            counts.append(lane.lane.wakes.qsize())

        lane._then = asks
        lane.submit(lane.job("a"))
        lane.threads.run()
        lane.submit(lane.job("b"), lane.job("c"))
        lane.threads.run()
        lane.turn()
        assert counts == [0, 0, 0]
        assert lane.lane.wakes.qsize() == 3
        lane.run()
        assert lane.begun == ["a", "b", "c", "again 1", "again 2", "again 3"]


def test_what_is_quick_and_asked_for_by_who_is_told_has_a_thread_too() -> None:
    with stage() as lane:
        again = [lane.quick("again")]
        lane._then = lambda *_: lane.submit(again.pop()) if again else None
        lane.submit(lane.job("a"))
        lane.run()
        lane.run()
        assert lane.answered == ["a", "again"]


def test_one_that_waits_can_be_withdrawn_and_one_that_runs_cannot() -> None:
    with stage() as lane:
        runs, waits, quick = lane.standing("runs"), lane.job("waits"), lane.quick("quick")
        lane.submit(runs)
        lane.run()
        lane.submit(waits, quick)
        assert [lane.lane.withdraw(job) for job in (runs, waits, quick)] == [False, True, True]
        assert not lane.lane.withdraw(waits)
        assert (runs.step, waits.step) == (Step.RUNNING, Step.DONE)
        lane.run()
        assert lane.answered == ["runs"]


def test_what_was_withdrawn_wakes_nobody_any_more() -> None:
    with stage(size=8) as lane:
        lane.submit(lane.standing("slow"))
        lane.run()
        jobs = [lane.quick(str(number), 0.3) for number in range(3)]
        lane.submit(*jobs)
        for job in jobs[:2]:
            lane.lane.withdraw(job)
        lane.submit(lane.quick("last", 0.3))  # with the first two it would be more than one turn
        assert lane.threads.count == 1


def test_one_that_is_doomed_is_interrupted_and_no_other_is() -> None:
    with stage(size=2) as lane:
        jobs = [lane.standing("a"), lane.standing("b")]
        lane.submit(*jobs)
        lane.run()
        noted: list[str] = []
        jobs[1].on_doom = lambda: noted.append("doomed")
        error = Interrupted("it was ended")
        assert lane.lane.doom(jobs[1], error)
        assert [session.was_interrupted for session in lane.sessions] == [0, 1]
        assert (jobs[0].doom, jobs[1].doom, noted) == (None, error, ["doomed"])
        lane.run()
        assert not lane.lane.doom(lane.job("never submitted"), error)


def test_one_that_begins_to_commit_is_not_doomed_and_one_that_is_doomed_does_not_begin() -> None:
    begins: list[bool] = []

    def serve(worker: Any, job: Job) -> None:
        lane.threads.stand()
        begins.append(worker.begins_to_commit(job))
        lane.threads.stand()
        worker.post(job, None)

    error = Interrupted("it was ended")
    with stage(size=2, serve=serve) as lane:
        commits, ends = lane.job("commits"), lane.job("ends")
        lane.submit(commits)
        lane.run()
        lane.run()
        assert commits.step is Step.COMMITTING
        assert not lane.lane.doom(commits, error)
        assert lane.sessions[0].was_interrupted == 0
        lane.submit(ends)
        lane.threads.step(1)
        assert lane.lane.doom(ends, error)
        lane.threads.step(1)
        assert begins == [True, False]


def test_a_connection_that_was_severed_is_replaced() -> None:
    with stage() as lane:
        hangs = lane.standing("hangs")
        lane.submit(hangs)
        lane.run()
        lane.lane.sever(hangs)
        assert lane.sessions[0].was_severed == 1
        lane.submit(lane.job("next"))
        lane.run()
        assert lane.threads.closed == [1]
        assert lane.threads.opened == 2
        assert lane.answered == ["hangs", "next"]


def test_the_reactor_is_woken_once_for_many() -> None:
    with stage() as lane:
        lane.submit(*[lane.job(str(number)) for number in range(20)])
        lane.threads.run()
        assert len(lane.reactor.getDelayedCalls()) == 1
        lane.turn()
        assert len(lane.told) == 20
        assert lane.reactor.getDelayedCalls() == []


def ended(lane: Stage) -> list[Lane]:
    """Tell the lane to end; it is in the list once all of its threads have."""
    found: list[Lane] = []
    lane.lane.end(found.append)
    return found


def test_a_lane_without_threads_has_ended_at_once() -> None:
    with stage() as lane:
        assert ended(lane) == [lane.lane]
        assert lane.threads.ended


def test_the_threads_end_when_they_have_done_what_they_do() -> None:
    with stage(size=3) as lane:
        lane.submit(lane.job("a"), lane.standing("b"), lane.quick("c"))
        lane.run()
        found = ended(lane)
        lane.run()
        assert (found, lane.threads.ended) == ([lane.lane], True)
        assert lane.threads.count == 0
        assert sorted(lane.answered) == ["a", "b", "c"]
        assert len(lane.threads.closed) == lane.threads.opened
        assert lane.reactor.getDelayedCalls() == []


def test_one_that_hangs_holds_up_the_end_alone() -> None:
    with stage(size=2) as lane:
        lane.submit(lane.standing("hangs"), lane.job("a"))
        lane.run()
        found = ended(lane)
        lane.threads.step(1)
        lane.turn()
        assert (found, lane.threads.count) == ([], 1)
        lane.run()
        assert found == [lane.lane]


@pytest_twisted.ensureDeferred
async def test_what_is_quick_does_not_wait_for_what_is_slow(
    opens_at: Open, postgresql: str, tmp_path: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await opens_at(url, connections=2, slow_seconds=30)
        slow = database.query(ENDLESS)
        for _ in range(5):
            assert await answers(database)
        slow.cancel()
        assert isinstance(await failure(slow), CancelledError)


@pytest_twisted.ensureDeferred
async def test_what_waits_behind_something_quick_is_not_lost(opens: Open, reactor: Any) -> None:
    database = await opens(connections=1, deadline_seconds=5)
    for _ in range(5):
        assert await answers(database)  # it is known for quick now
    async with held(database, reactor):
        quick = database.query("SELECT 1")
        others: list[Deferred[Any]] = [
            database.transaction(Transaction.query, "SELECT 2"),
            database.execute("CREATE TABLE t (x INTEGER)"),
        ]
    assert await quick == [(1,)]
    assert await others[0] == [(2,)]
    assert await others[1] == 0
