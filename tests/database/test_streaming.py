"""Rows come in batches, as fast as they are taken and no faster."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

import psycopg
import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from tests.database.calling import ENDLESS, answers, failure
from tests.database.consumer import Consumer
from tests.database.databases import Open
from tests.database.test_postgresql import KILL_ALL
from toolkit.concurrency import deferred
from toolkit.database import errors
from toolkit.database.database import Database
from toolkit.database.feed import STILL_SECONDS
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
    size: Any
    for size in (0, 10**12, "x", 1.5, True):
        with pytest.raises(ValueError, match="batch_rows is from 1 to 1,000,000 rows, not"):
            database.stream(SELECT, size, least=0)
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
async def test_a_stream_that_was_left_gives_its_connection_back(opens: Open) -> None:
    database = await filled(opens, max_streams=1, deadline_seconds=5)
    for _ in range(6):
        async for rows in database.stream(SELECT, 10, least=0):
            assert len(rows) == 10
            break
    for _ in range(3):
        database.stream(SELECT, 10, least=0)  # nothing was taken of it
    assert len(await rest(database.stream(SELECT, least=0))) == ROWS


@pytest_twisted.ensureDeferred
async def test_a_stream_is_closed_at_the_end_of_its_with(opens: Open) -> None:
    database = await filled(opens, max_streams=1)
    async with database.stream(SELECT, 10, least=0) as stream:
        assert len(await anext(stream)) == 10
    assert database.figures().running == 0
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest_twisted.ensureDeferred
async def test_a_stream_that_cannot_begin_says_why_and_what_to_do(
    opens_at: Open, postgresql: str, tmp_path: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await opens_at(url, max_streams=1, deadline_seconds=0.2)
        first = database.stream("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", 1)
        assert await anext(first) == [(1,)]
        error = await failure(rest(database.stream("SELECT 4")))
        assert isinstance(error, errors.DeadlinePassed)
        assert str(error) == (
            "no stream could begin within 0.2 s: as many as may be at once (max_streams, 1) have "
            "not ended; read each to its end or close it ('async with stream'), or set "
            "max_streams higher: SELECT 4"
        )
        await first.close()


@pytest_twisted.ensureDeferred
async def test_a_stream_has_the_deadline_that_was_given(opens: Open) -> None:
    database = await filled(opens)
    within = database.with_deadline(0.2)
    assert len(await rest(within.stream(SELECT, 100, least=0))) == ROWS
    error = await failure(rest(within.stream(ENDLESS)))
    assert isinstance(error, errors.DeadlinePassed)
    assert "0.2 s" in str(error)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (1) RETURNING x",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "CREATE TABLE u (x INTEGER)",
        "SELECT x FROM t FOR UPDATE",
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_stream_only_reads(opens: Open, sql: str) -> None:
    database = await filled(opens)
    with pytest.raises(errors.StatementError, match=r"a stream reads: what writes is for execute"):
        database.stream(sql)
    assert (await database.one("SELECT count(*) FROM t"))[0] == ROWS


@pytest_twisted.ensureDeferred
async def test_a_function_that_writes_is_told_the_same(opens_at: Open, postgresql: str) -> None:
    database = await opens_at(postgresql)
    await database.execute("CREATE SEQUENCE numbers")
    error = await failure(rest(database.stream("SELECT nextval('numbers')")))
    assert isinstance(error, errors.StatementError)
    assert str(error).startswith("a stream reads: ")
    assert error.native == "25006"


@pytest_twisted.ensureDeferred
async def test_a_stream_sees_one_moment(opens: Open) -> None:
    database = await filled(opens)
    # What is joined to each row is looked up when that is fetched.
    stream = database.stream("SELECT x, (SELECT count(*) FROM t) FROM t ORDER BY x", 10)
    first = await anext(stream)
    await database.execute("DELETE FROM t WHERE x > 100")
    rows = [*first, *await rest(stream)]
    assert rows == [(x, ROWS) for x in range(ROWS)]


@pytest_twisted.ensureDeferred
async def test_rows_do_not_come_twice_where_the_connection_is_lost(
    opens_at: Open, postgresql: str
) -> None:
    database = await filled(partial(opens_at, postgresql))
    stream = database.stream(SELECT, 10, least=0)
    found = list(await anext(stream))
    with closing(psycopg.connect(postgresql, autocommit=True)) as other:
        other.execute(KILL_ALL)
    error = None
    try:
        async for rows in stream:
            found += rows
    except errors.ConnectionLost as lost:
        error = lost
    assert error is not None
    assert found == [(x,) for x in range(len(found))]
    assert database.figures().retried == 0


@pytest_twisted.ensureDeferred
async def test_the_stop_waits_a_second_for_who_does_not_read_on(
    opens_at: Open, postgresql: str, tmp_path: Any, reactor: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await filled(partial(opens_at, url), drain_seconds=30)
        stream = database.stream(SELECT, 10, least=0)
        assert len(await anext(stream)) == 10
        began = reactor.seconds()
        await database.stopService()
        assert reactor.seconds() - began < STILL_SECONDS + 1.0
        assert isinstance(await failure(rest(stream)), errors.Closed)


@pytest_twisted.ensureDeferred
async def test_the_stop_waits_for_who_reads_on(
    opens_at: Open, postgresql: str, tmp_path: Any, reactor: Any
) -> None:
    for url in (f"sqlite:{tmp_path}/test.db", postgresql):
        database = await filled(partial(opens_at, url), drain_seconds=30)
        stream = database.stream(SELECT, 500, least=0)
        count = len(await anext(stream))
        stopped = database.stopService()
        async for rows in stream:
            count += len(rows)
            await deferLater(reactor, STILL_SECONDS / 2)
        assert count == ROWS
        await stopped


@pytest_twisted.ensureDeferred
async def test_the_stop_ends_a_stream_within_the_drain(opens: Open) -> None:
    database = await filled(opens, drain_seconds=0.1)
    stream = database.stream(SELECT, 10, least=0)
    assert len(await anext(stream)) == 10
    await database.stopService()
    assert database.figures().running == 0
