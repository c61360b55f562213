"""Feed: the batches between the thread that fetches them and the stream that is read.

The job and its thread know the feed, and the feed does not know the stream: so a stream that
nobody holds any more is noticed.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred

from toolkit.database.errors import (
    Closed,
    DeadlinePassed,
    Interrupted,
    ReadOnly,
    StatementError,
    told,
)
from toolkit.database.job import Job, Kind
from toolkit.database.rows import Batch
from toolkit.database.session import Session, Values
from toolkit.database.settings import DatabaseSettings
from toolkit.database.sql import Statement
from toolkit.database.work import Work
from toolkit.waiting import Waiting

STILL_SECONDS = 1.0
"""How long, at the stop, a stream may wait for its reader."""

READS = "a stream reads: what writes is for execute() or transaction()"

_WROTE = ("SQLITE_READONLY", "25006")


class Feed:
    """What was fetched and not taken yet: one batch, ahead of the one that was taken.

    Args:
        work: The jobs of the database.
        settings: How long it may stand still, and how many streams there are.
        seconds: How long a batch may take.

    Attributes:
        fetched: The batches that were not taken yet.
        ended: Whether no more will come.
        error: Why, if that was not the end of the rows.
        news: Told when a batch has come, or the end.
        wanted: What the thread is told: True to fetch one more batch, False to fetch no more.
    """

    def __init__(self, work: Work, settings: DatabaseSettings, seconds: float) -> None:
        self.fetched: list[Batch] = []
        self.ended = False
        self.error: BaseException | None = None
        self.news = Waiting()
        self.wanted: SimpleQueue[bool] = SimpleQueue()
        self._work = work
        self._settings = settings
        self._seconds = seconds
        self._over = Waiting()
        self._job: Job | None = None
        self._closed = False
        self._stopping = False

    def begin(self, statement: Statement, values: Values, size: int) -> None:
        """Begin to fetch.

        Args:
            statement: What is read.
            values: Its parameters.
            size: How many rows come at a time.
        """
        lane = self._work.lanes.streaming

        def fetch(session: Session) -> list[Batch]:
            batches = session.batches(statement, values, size)
            try:
                if lane is None:  # others want the connection: there is just one
                    return list(batches)
                for rows in batches:
                    if session.job is not None:
                        session.job.spent = True
                    self._work.call(self._arrived, rows)
                    if not self.wanted.get():
                        raise Interrupted("it was closed")
                return []
            except ReadOnly as error:
                if error.native not in _WROTE:
                    raise
                raise StatementError(told(READS, error.sql), error.sql, error.native) from None
            finally:
                batches.close()

        job = self._work.begin(fetch, Kind.READ, statement.source, self._seconds, lane)
        self._job = job
        job.on_doom = lambda: self.wanted.put(False)
        job.on_stop = self._stops
        job.result.addCallbacks(self._end, self._fail)

    def take(self) -> Batch:
        """The next batch, which has come; one more is fetched."""
        rows = self.fetched.pop(0)
        self._extend(self._seconds)
        self.wanted.put(True)
        return rows

    def close(self) -> Deferred[None] | None:
        """Fetch no more.

        Returns:
            A Deferred that fires when the connection is free, None if it is.
        """
        self._closed = True
        self.fetched.clear()
        if self._job is None or self.ended:
            return None
        over = self._over.add()
        self._work.end(self._job)
        return over

    def drop(self) -> None:
        """Fetch no more, for nobody reads it. May be called in any thread."""
        if not self.ended:
            self._work.call(self.close)

    def _arrived(self, rows: Batch) -> None:
        if self._closed or self.ended:  # it was on its way already
            return
        self.fetched.append(rows)
        self.news.tell()
        self._extend(STILL_SECONDS if self._stopping else self._settings.stream_idle_seconds)

    def _stops(self) -> None:
        self._stopping = True
        if self.fetched:
            self._extend(STILL_SECONDS)

    def _extend(self, seconds: float) -> None:
        if self._job is not None and not self.ended:
            self._work.extend(self._job, seconds)

    def _end(self, rest: list[Batch]) -> None:
        if not self._closed:
            self.fetched += rest
        self.ended = True
        self.news.tell()
        self._over.tell()

    def _fail(self, failure: Any) -> None:
        error: BaseException = failure.value
        if isinstance(error, DeadlinePassed):
            error = self._late(error)
        self.error = error
        self._end([])

    def _late(self, error: DeadlinePassed) -> BaseException:
        if self._stopping:
            return Closed("the database is stopping")
        job = self._job
        if job is None or job.attempts or job.lane is not self._work.lanes.streaming:
            return error
        return DeadlinePassed(
            f"no stream could begin within {self._seconds:.3g} s: as many as may be at once "
            f"(max_streams, {self._settings.max_streams}) have not ended; read each to its end or "
            f"close it ('async with stream'), or set max_streams higher: {told(job.sql)}",
            job.sql,
        )
