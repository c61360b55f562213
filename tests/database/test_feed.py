"""A feed: one batch ahead, in time, and its thread is free however it ends."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.database.stepped import Desk, desk
from toolkit.database import errors
from toolkit.database.feed import STILL_SECONDS, Feed
from toolkit.database.retrying import MOST_SECONDS
from toolkit.database.rows import Batch, row_class
from toolkit.database.sql import Statements
from toolkit.database.streaming import Stream
from toolkit.database.work import GRACE_SECONDS
from toolkit.testing import is_waiting, result_of

SECONDS = 10.0
SELECT = Statements("?").get("SELECT x FROM t")


def batch(*numbers: int) -> Batch:
    return Batch(row_class(("x",)), [(number,) for number in numbers])


class Fed(Desk):
    """A desk with one feed, of batches of one row."""

    feed: Feed

    def begin_feed(self) -> Feed:
        feed = Feed(self.work, self.settings, SECONDS)
        feed.wanted = self.streaming.threads.queue()
        feed.begin(SELECT, (), 1)
        return feed

    def fetch(self) -> None:
        """Let the thread fetch what is wanted."""
        self.threads()
        self.turn()

    @property
    def numbers(self) -> list[int]:
        """What was fetched and not taken."""
        return [row["x"] for rows in self.feed.fetched for row in rows]


@contextmanager
def feeding(*rows: list[Batch | BaseException], **settings: Any) -> Iterator[Fed]:
    """A desk with a feed that was begun, and what each try of it gives: else 1, 2 and 3."""
    fed = Fed(**settings)
    open_session = fed.streaming.lane.session

    def with_rows(threads: Any) -> Any:
        session: Any = open_session(threads)
        session.rows = list(rows or [[batch(1), batch(2), batch(3)]])
        return session

    fed.streaming.lane.session = with_rows
    fed.feed = fed.begin_feed()
    try:
        yield fed
    finally:
        fed.finish()


def is_free(fed: Fed) -> bool:
    """Whether the one thread of streams has closed its cursor, and rests."""
    return (
        fed.streaming.lane.idle == 1
        and fed.streaming.sessions[0].commands == ["CLOSE"]
        and fed.work.count().running == 0
    )


def test_one_batch_is_fetched_ahead_of_the_one_that_was_taken() -> None:
    with feeding() as fed:
        for number in (1, 2, 3):
            fed.fetch()
            fed.fetch()
            assert fed.numbers == [number]
            assert [row["x"] for row in fed.feed.take()] == [number]
        assert not fed.feed.ended
        fed.fetch()
        assert (fed.feed.ended, fed.feed.error, fed.numbers) == (True, None, [])
        assert is_free(fed)


def test_who_waits_is_told_of_each_batch_and_of_the_end() -> None:
    with feeding() as fed:
        told = 0
        while not fed.feed.ended:
            news = fed.feed.news.add()
            fed.fetch()
            assert result_of(news) is None
            told += 1
            if fed.feed.fetched:
                fed.feed.take()
        assert told == 4


def test_where_there_is_just_one_connection_all_is_fetched_at_once() -> None:
    with desk() as work:
        work.work.lanes.streaming = None
        opens = work.reading.lane.session

        def with_rows(threads: Any) -> Any:
            session: Any = opens(threads)
            session.rows = [[batch(1), batch(2, 3)]]
            return session

        work.reading.lane.session = with_rows
        feed = Feed(work.work, work.settings, SECONDS)
        feed.begin(SELECT, (), 2)
        work.run()
        assert (feed.fetched, feed.ended) == ([batch(1), batch(2, 3)], True)
        assert feed.take() == [(1,)]
        assert work.reading.lane.idle == 1


def test_a_close_in_the_middle_frees_the_thread_and_then_fires() -> None:
    with feeding() as fed:
        fed.fetch()
        over = fed.feed.close()
        assert over is not None
        assert is_waiting(over)
        assert fed.feed.fetched == []
        fed.fetch()
        assert result_of(over) is None
        assert is_free(fed)
        assert fed.feed.close() is None


def test_a_batch_that_was_on_its_way_at_the_close_is_not_kept() -> None:
    with feeding() as fed:
        fed.threads()  # it has fetched one, of which the reactor has not heard
        over = fed.feed.close()
        fed.fetch()
        assert over is not None
        assert result_of(over) is None
        assert fed.feed.fetched == []


def test_a_close_before_its_begin_takes_it_off_the_lane() -> None:
    with feeding() as fed:
        waits = fed.begin_feed()
        fed.fetch()  # the first one has the thread
        over = waits.close()
        assert over is not None
        assert result_of(over) is None
        assert fed.streaming.names == []


def test_a_stream_that_nobody_holds_gives_its_thread_back() -> None:
    with feeding() as fed:
        stream = Stream(fed.feed)
        fed.fetch()
        del stream
        gc.collect()
        fed.turn()
        fed.fetch()
        assert is_free(fed)


def test_a_reader_that_stands_still_too_long_is_told_when_it_goes_on() -> None:
    with feeding(stream_idle_seconds=60.0) as fed:
        fed.fetch()
        fed.turn(59.9)
        assert not fed.feed.ended
        fed.turn(0.2)
        fed.fetch()
        assert isinstance(fed.feed.error, errors.DeadlinePassed)
        assert is_free(fed)
        assert fed.numbers == [1]  # it came in time


def test_each_batch_has_its_time_anew() -> None:
    with feeding() as fed:
        for _ in range(3):
            fed.fetch()
            fed.turn(SECONDS * 3)  # the reader takes its time
            fed.feed.take()
            fed.turn(SECONDS * 0.9)  # and so does the database
        fed.fetch()
        assert (fed.feed.ended, fed.feed.error) == (True, None)


def test_a_batch_that_takes_too_long_ends_it() -> None:
    with feeding() as fed:
        fed.fetch()
        fed.feed.take()
        fed.turn(SECONDS)
        fed.fetch()
        assert isinstance(fed.feed.error, errors.DeadlinePassed)
        assert fed.work.count().expired == 1


def test_after_it_was_given_up_nothing_comes_any_more() -> None:
    with feeding() as fed:
        fed.fetch()
        fed.feed.take()
        fed.turn(SECONDS)
        fed.turn(GRACE_SECONDS)
        assert isinstance(fed.feed.error, errors.DeadlinePassed)
        fed.fetch()
        fed.fetch()
        assert fed.feed.fetched == []


def test_one_that_could_not_begin_says_what_to_do() -> None:
    with feeding(max_streams=1, stream_idle_seconds=900.0) as fed:
        fed.fetch()
        waits = fed.begin_feed()
        fed.turn(SECONDS)
        assert isinstance(waits.error, errors.DeadlinePassed)
        assert "as many as may be at once (max_streams, 1)" in str(waits.error)
        assert str(waits.error).endswith(": SELECT x FROM t")


def test_at_the_stop_it_stands_still_for_a_second_at_most() -> None:
    with feeding() as fed:
        fed.fetch()
        (job,) = fed.work.unfinished
        assert job.on_stop is not None
        job.on_stop()
        fed.turn(STILL_SECONDS)
        fed.fetch()
        assert isinstance(fed.feed.error, errors.Closed)
        assert is_free(fed)


def test_what_comes_after_the_stop_is_waited_for_no_longer() -> None:
    with feeding() as fed:
        fed.threads()  # the first batch is on its way
        (job,) = fed.work.unfinished
        assert job.on_stop is not None
        job.on_stop()
        fed.turn()
        assert fed.numbers == [1]
        fed.turn(STILL_SECONDS)
        fed.fetch()
        assert isinstance(fed.feed.error, errors.Closed)


def test_at_the_stop_who_reads_on_reads_to_the_end() -> None:
    with feeding() as fed:
        fed.fetch()
        (job,) = fed.work.unfinished
        assert job.on_stop is not None
        job.on_stop()
        for _ in range(3):
            fed.turn(STILL_SECONDS * 0.9)
            fed.feed.take()
            fed.fetch()
        assert (fed.feed.ended, fed.feed.error) == (True, None)


def test_what_has_given_nothing_yet_is_tried_again_and_nothing_comes_twice() -> None:
    lost = errors.ConnectionLost("gone")
    with feeding([lost], [batch(1), lost], [batch(1)]) as fed:
        fed.fetch()
        fed.turn(MOST_SECONDS)
        fed.fetch()
        assert (fed.work.count().retried, fed.numbers) == (1, [1])
        fed.feed.take()
        fed.fetch()
        assert (fed.feed.ended, fed.feed.error, fed.numbers) == (True, lost, [])
        assert fed.work.count().retried == 1


def test_a_function_of_the_server_that_writes_is_told_that_a_stream_reads() -> None:
    with feeding([errors.ReadOnly("not here", SELECT.source, "25006")]) as fed:
        fed.fetch()
        assert isinstance(fed.feed.error, errors.StatementError)
        assert str(fed.feed.error).startswith("a stream reads: ")
    with feeding([errors.ReadOnly("the file is", SELECT.source, "SQLITE_READONLY_DBMOVED")]) as fed:
        fed.fetch()
        assert isinstance(fed.feed.error, errors.ReadOnly)
