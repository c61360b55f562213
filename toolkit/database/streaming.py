"""Streaming: the rows of a statement, as fast as they are taken and no faster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self
from weakref import finalize

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from toolkit.concurrency import deferred
from toolkit.database.errors import StatementError, told
from toolkit.database.feed import READS, Feed
from toolkit.database.rows import Batch
from toolkit.database.session import Values
from toolkit.database.settings import DatabaseSettings
from toolkit.database.sql import Statement
from toolkit.database.work import Work
from toolkit.waiting import Waiting

MOST_ROWS = 1_000_000
"""In one batch, which is held in memory."""


class Stream(AsyncIterator[Batch]):
    """Rows in batches: `async for rows in stream`, `send_to(consumer)`; made by Database.stream.

    One batch is fetched ahead of the one that was taken. A stream of which nothing is taken for
    `stream_idle_seconds` fails with DeadlinePassed, as does one whose next batch takes longer
    than `deadline_seconds`; at the stop of the database one of which nothing is taken for a
    second fails with Closed.

    It gives its connection back when its last rows were taken, when it is closed, at the end of
    `async with stream`, and when nobody holds it any more, as after a `break` out of `async for
    rows in database.stream(…)`.

    Args:
        feed: Where the rows come from.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._taking = False
        finalize(self, feed.drop).atexit = False

    @property
    def fetched(self) -> list[Batch]:
        """The batches that were not taken yet."""
        return self._feed.fetched

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def __anext__(self) -> Batch:
        """The next rows.

        Raises:
            DatabaseError: They cannot be had.
        """
        if self._taking:
            raise RuntimeError("the next rows of this stream are being waited for already")
        feed = self._feed
        self._taking = True
        try:
            while not feed.fetched and not feed.ended:
                await feed.news.add()
        finally:
            self._taking = False
        if feed.fetched:
            return feed.take()
        if feed.error is not None:
            raise feed.error
        raise StopAsyncIteration

    @deferred
    async def close(self) -> None:
        """Take no more rows, and give the connection back.

        Returns:
            A Deferred that fires when the connection is free.
        """
        over = self._feed.close()
        if over is not None:
            await over
            self._feed.error = None

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
    work: Work,
    settings: DatabaseSettings,
    statement: Statement,
    values: Values,
    size: int,
    seconds: float,
) -> Stream:
    """Begin to fetch the rows of a statement; see `Database.stream`."""
    if type(size) is not int or not 1 <= size <= MOST_ROWS:
        raise ValueError(f"batch_rows is from 1 to {MOST_ROWS:,} rows, not {size!r:.50}")
    if not statement.reads:
        raise StatementError(told(READS, statement.source), statement.source)
    feed = Feed(work, settings, seconds)
    feed.begin(statement, values, size)
    return Stream(feed)
