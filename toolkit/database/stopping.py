"""The stop: what waits is told, what runs may end, and the reactor is never held up."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from toolkit.concurrency import within
from toolkit.database.errors import Closed
from toolkit.database.lane import Lane
from toolkit.database.work import GRACE_SECONDS, Work
from toolkit.errors import TimedOut
from toolkit.waiting import Waiting

_log = Logger()


async def stop(clock: IReactorTime, work: Work, drain_seconds: float) -> None:
    """Fail what waits, let what runs end within the drain time, and end the threads.

    Args:
        clock: The reactor.
        work: The jobs; it takes no more.
        drain_seconds: For what runs. Then, or when this is cancelled, it is interrupted, and given
            up a second later.
    """
    work.close()
    closed = Closed("the database is stopping")
    for job in list(work.unfinished):
        if work.withdraw(job):
            work.fail(job, closed)
        elif job.on_stop is not None:
            job.on_stop()
    try:
        await _wait(clock, work, drain_seconds)
    except (TimedOut, CancelledError):
        for job in list(work.unfinished):
            job.lane.doom(job, closed)
        try:
            await _wait(clock, work, GRACE_SECONDS)
        except (TimedOut, CancelledError):
            for job in list(work.unfinished):
                work.give_up(job, closed)
    finally:
        work.end_watch()
    await _end_lanes(clock, work)
    work.count()


async def _wait(clock: IReactorTime, work: Work, seconds: float) -> None:
    if work.unfinished:
        await within(clock, seconds, work.wait_for_quiet())


async def _end_lanes(clock: IReactorTime, work: Work) -> None:
    left = work.lanes.all()
    ended = Waiting()
    waited = ended.add()

    def end(lane: Lane) -> None:
        left.remove(lane)
        if not left:
            ended.tell()

    for lane in work.lanes.all():
        lane.end(end)
    try:
        await within(clock, GRACE_SECONDS, waited)
    except (TimedOut, CancelledError):
        _log.warn("a thread of the database hangs, and is left behind")
