"""Streaming: the rows of a statement, as fast as they are taken and no faster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from toolkit.concurrency import deferred
from toolkit.database.errors import Interrupted
from toolkit.database.job import Job, Kind
from toolkit.database.rows import Batch
from toolkit.database.session import Session, Values
from toolkit.database.settings import DatabaseSettings
from toolkit.database.sql import Statement
from toolkit.database.work import Work
from toolkit.waiting import Waiting


class Stream(AsyncIterator[Batch]):
    """Rows in batches: `async for rows in stream`, `send_to(consumer)`; made by Database.stream.

    One batch is fetched ahead of the one that was taken. A stream of which nothing is taken for
    `stream_idle_seconds` fails with DeadlinePassed, as does one whose next batch takes longer
    than `deadline_seconds`.

    Args:
        work: The jobs of the database.
        settings: How long it may stand still, and a batch may take.

    Attributes:
        fetched: The batches that were not taken yet.
    """

    def __init__(self, work: Work, settings: DatabaseSettings) -> None:
        self._work = work
        self._settings = settings
        self.fetched: list[Batch] = []
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._ended = False
        self._error: BaseException | None = None
        self._news = Waiting()
        self._over = Waiting()
        self._job: Job | None = None
        self._taking = False

    def begin(self, job: Job) -> None:
        """Be told of the job that fetches."""
        self._job = job
        job.on_doom = lambda: self._wanted.put(False)
        job.result.addCallbacks(self._end, self._fail)

    # In the reactor's thread

    def arrived(self, rows: Batch) -> None:
        """Take what was fetched."""
        self.fetched.append(rows)
        self._news.tell()
        self._extend(self._settings.stream_idle_seconds)

    def _extend(self, seconds: float) -> None:
        if self._job is not None and not self._ended:
            self._work.extend(self._job, seconds)

    def _end(self, _: object) -> None:
        self._ended = True
        self._news.tell()
        self._over.tell()

    def _fail(self, failure: Any) -> None:
        self._error = failure.value
        self._end(None)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Batch:
        """The next rows.

        Raises:
            DatabaseError: They cannot be had.
        """
        if self._taking:
            raise RuntimeError("the next rows of this stream are being waited for already")
        self._taking = True
        try:
            while not self.fetched and not self._ended:
                await self._news.add()
        finally:
            self._taking = False
        if self.fetched:
            rows = self.fetched.pop(0)
            self._want()
            return rows
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    def _want(self) -> None:
        self._extend(self._settings.deadline_seconds)
        self._wanted.put(True)

    @deferred
    async def close(self) -> None:
        """Take no more rows, and give the connection back.

        Returns:
            A Deferred that fires when the connection is free.
        """
        self.fetched.clear()
        if self._job is not None and not self._ended:
            over = self._over.add()
            self._work.end(self._job)
            await over
            self._error = None

    @deferred
    async def send_to(self, consumer: IConsumer) -> int:
        """Write each batch to a consumer, and pause when it says so.

        The consumer's `write` is called with sequences of rows.

        Args:
            consumer: The stream registers with it, as a push producer, and unregisters at the end.

        Returns:
            A Deferred with the number of rows. It fails with what ended the stream, and with
            CancelledError if the consumer stopped it. Cancelling it closes the stream.
        """
        producer = _Producer()
        consumer.registerProducer(producer, True)  # type: ignore[no-untyped-call, unused-ignore]
        count = 0
        try:
            async for rows in self:
                while producer.paused and not producer.stopped:
                    await producer.told.add()
                if producer.stopped:
                    raise CancelledError("the consumer wants no more rows")
                consumer.write(rows)  # type: ignore[arg-type] # rows, not bytes: its docstring says
                count += len(rows)
        finally:
            await self.close()
            if not producer.stopped:
                consumer.unregisterProducer()
        return count

    # In a thread

    def wanted(self) -> bool:
        """Wait until more is wanted; False if it is not."""
        return self._wanted.get()


@implementer(IPushProducer)
class _Producer:
    """What the consumer has said."""

    def __init__(self) -> None:
        self.paused = False
        self.stopped = False
        self.told = Waiting()

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        self.told.tell()

    def stopProducing(self) -> None:
        self.stopped = True
        self.told.tell()


def stream(
    work: Work, settings: DatabaseSettings, statement: Statement, values: Values, size: int
) -> Stream:
    """Begin to fetch the rows of a statement; see `Database.stream`."""
    if size < 1:
        raise ValueError(f"a batch is at least 1 row, not {size}")
    result = Stream(work, settings)
    lane = work.lanes.streaming
    sql = statement.source
    if lane is None:

        def fetch(session: Session) -> None:
            for rows in session.batches(statement, values, size):
                work.call(result.arrived, rows)

        result.begin(work.begin(fetch, Kind.READ, sql, settings.deadline_seconds))
        return result

    def pump(session: Session) -> None:
        batches = session.batches(statement, values, size)
        try:
            for rows in batches:
                work.call(result.arrived, rows)
                if not result.wanted():
                    raise Interrupted("it was closed")
        finally:
            batches.close()

    result.begin(work.begin(pump, Kind.READ, sql, settings.deadline_seconds, lane))
    return result
