"""Rows come in batches, as fast as they are taken and no faster."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import deferLater
from zope.interface import implementer

from tests.database.databases import Open
from tests.database.test_database import failure
from tests.database.test_limits import ENDLESS, answers
from toolkit.concurrency import deferred
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.rows import Row
from toolkit.database.streaming import Stream

ROWS = 2500
SELECT = "SELECT x FROM t WHERE x >= {least} ORDER BY x"


async def filled(opens: Open, **settings: Any) -> Database:
    database = await opens(**settings)
    await database.execute("CREATE TABLE t (x INTEGER)")
    await database.execute_many("INSERT INTO t VALUES ({x})", [{"x": x} for x in range(ROWS)])
    return database


@deferred
async def rest(stream: Stream) -> list[Row]:
    return [row async for rows in stream for row in rows]


@implementer(IConsumer)
class Consumer:
    """Takes what it is given, and has its producer pause after each batch if told to."""

    def __init__(self, pauses: bool = False) -> None:
        self.rows: list[Any] = []
        self.producer: Any = None
        self.streaming = False
        self.pauses = pauses
        self.ended = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer, self.streaming = producer, streaming

    def unregisterProducer(self) -> None:
        self.ended = True

    def write(self, rows: Any) -> None:
        self.rows += rows
        if self.pauses:
            self.producer.pauseProducing()


@pytest_twisted.ensureDeferred
async def test_all_rows_come_in_order_so_many_at_a_time(opens: Open) -> None:
    database = await filled(opens)
    sizes = []
    found = []
    async for rows in database.stream(SELECT, 1000, least=0):
        sizes.append(len(rows))
        found += [row["x"] for row in rows]
    assert sizes == [1000, 1000, 500]
    assert found == list(range(ROWS))
    assert await rest(database.stream(SELECT, least=ROWS)) == []


@pytest_twisted.ensureDeferred
async def test_a_stream_that_fails_tells_what_any_call_would(opens: Open) -> None:
    database = await filled(opens)
    with pytest.raises(errors.ParameterError):
        database.stream(SELECT)
    with pytest.raises(ValueError, match="at least 1 row"):
        database.stream(SELECT, 0, least=0)
    error = await failure(rest(database.stream("SELECT * FROM nowhere")))
    assert isinstance(error, errors.StatementError)


@pytest_twisted.ensureDeferred
async def test_calls_do_not_wait_for_streams(opens: Open) -> None:
    database = await filled(opens, connections=1, max_streams=2)
    streams = [database.stream(SELECT, 10, least=0) for _ in range(2)]
    firsts = [await anext(stream) for stream in streams]
    assert [len(rows) for rows in firsts] == [10, 10]
    assert await answers(database)
    await database.execute("INSERT INTO t VALUES (-1)")
    for stream in streams:
        assert len(await rest(stream)) == ROWS - 10


@pytest_twisted.ensureDeferred
async def test_a_stream_that_is_closed_gives_its_connection_back(opens: Open) -> None:
    database = await filled(opens, max_streams=1)
    for _ in range(3):
        stream = database.stream(SELECT, 10, least=0)
        assert len(await anext(stream)) == 10
        await stream.close()
        await stream.close()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert database.figures().running == 0


@pytest_twisted.ensureDeferred
async def test_no_more_is_fetched_than_one_batch_ahead(
    opens_at: Open, postgresql: str, tmp_path: Any, reactor: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await opens_at(url, max_streams=1)
        count = 0
        stream = database.stream(f"{ENDLESS.replace('count(*)', 'i')}", 10)
        for _ in range(3):
            count += len(await anext(stream))
        await deferLater(reactor, 0.1)
        assert count == 30
        assert len(stream.fetched) <= 1
        await stream.close()
        assert await answers(database)


@pytest_twisted.ensureDeferred
async def test_a_stream_of_which_nothing_is_taken_ends(
    opens_at: Open, postgresql: str, tmp_path: Any, reactor: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await opens_at(url, max_streams=1, stream_idle_seconds=0.1)
        stream = database.stream("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", 1)
        assert await anext(stream) == [(1,)]
        await deferLater(reactor, 0.4)
        assert isinstance(await failure(rest(stream)), errors.DeadlinePassed)
        assert await rest(database.stream("SELECT 1")) == [(1,)]


@pytest_twisted.ensureDeferred
async def test_a_consumer_that_pauses_is_waited_for(opens: Open, reactor: Any) -> None:
    database = await filled(opens)
    consumer = Consumer(pauses=True)
    sent = database.stream(SELECT, 1000, least=0).send_to(consumer)
    for expected in (1000, 2000, 2500):
        while len(consumer.rows) < expected:
            await deferLater(reactor, 0.005)
        await deferLater(reactor, 0.05)
        assert len(consumer.rows) == expected
        consumer.producer.resumeProducing()
    assert await sent == ROWS
    assert consumer.streaming
    assert consumer.ended


@pytest_twisted.ensureDeferred
async def test_a_consumer_that_stops_ends_the_stream(opens: Open, reactor: Any) -> None:
    database = await filled(opens)
    consumer = Consumer(pauses=True)
    sent = database.stream(SELECT, 10, least=0).send_to(consumer)
    while not consumer.rows:
        await deferLater(reactor, 0.005)
    consumer.producer.stopProducing()
    assert isinstance(await failure(sent), CancelledError)
    assert len(consumer.rows) == 10
    assert database.figures().running == 0


@pytest_twisted.ensureDeferred
async def test_the_stop_ends_a_stream_within_the_drain(opens: Open) -> None:
    database = await filled(opens, drain_seconds=0.1)
    stream = database.stream(SELECT, 10, least=0)
    assert len(await anext(stream)) == 10
    await database.stopService()
    assert database.figures().running == 0
