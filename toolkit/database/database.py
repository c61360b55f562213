"""Database: SQLite or PostgreSQL, with Deferreds, deadlines, a bounded queue and a clean stop."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail

from toolkit.concurrency import deferred
from toolkit.database import errors
from toolkit.database.calls import Calls
from toolkit.database.driver import Lanes, check, sign_of
from toolkit.database.figures import Figures
from toolkit.database.job import Kind
from toolkit.database.migrating import migrate, numbered
from toolkit.database.recovery import Recovery
from toolkit.database.session import Session
from toolkit.database.settings import DatabaseSettings, place_of
from toolkit.database.sql import Statements
from toolkit.database.stopping import stop
from toolkit.database.streaming import Stream, stream
from toolkit.database.work import Work
from toolkit.errors import SettingsError
from toolkit.log.secrets import Masks
from toolkit.service import Health

MOST_SECONDS = 86_400
"""The longest deadline; a setting takes no longer one."""

_CLOSED = "the database is not running: it was not started, or was stopped"


class Database(Calls, Service):
    """A database, shared by all who use it in a process.

    It is a service: calls are taken between its start and its stop. The start opens one
    connection, and fails if that cannot be done. After that a connection that is lost is
    replaced when it is needed; the health says degraded until one is there again.

    SQLite: one connection writes, and what waits is written in one transaction, with a savepoint
    each (`toolkit.database.writing`); others read. PostgreSQL: each call has a connection.

    Attributes:
        url: Where it is, with a mask for credentials.
        dialect: `sqlite` or `postgresql`.
        settings: How it is used.

    Args:
        reactor: The reactor.
        url: `sqlite:PATH`, `sqlite::memory:` or `postgresql://…`.
        settings: How it is used.
        health: Where it says that it is degraded, and has recovered.
        chance: Gives a number from 0 up to 1, by which what is tried again waits.

    Raises:
        SettingsError: The URL is none of these.
        MissingExtra: It is PostgreSQL's, and psycopg is not installed.
    """

    def __init__(
        self,
        reactor: Any,
        url: str,
        settings: DatabaseSettings | None = None,
        health: Health | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings or DatabaseSettings()
        self._reactor = reactor
        self._deadline_seconds = self.settings.deadline_seconds
        self.url = Masks().text(url)
        try:
            place = place_of(url)
        except ValueError as error:
            raise SettingsError([f"database: expected {error}, found {self.url!r}"]) from None
        check(place)
        self.dialect: str = place.driver
        self._health = health or Health("database")
        self._statements = Statements(sign_of(place))
        self._figures = Figures()
        self._recovery = Recovery(reactor, self._health, self.probe)
        self._new_work = lambda: Work(
            reactor,
            self.settings,
            partial(Lanes, reactor, place, self.settings),
            self._recovery.fares,
            chance,
            self._figures,
        )
        self._work: Work | None = None  # while it is running

    @deferred
    async def startService(self) -> None:
        """Open the first connection.

        Returns:
            A Deferred that fires when that is done. Cancelling it ends the start.

        Raises:
            DatabaseError: It cannot be opened: Unavailable, Corrupt, Busy.
        """
        if self.running:
            raise RuntimeError("the database is running already")
        super().startService()
        self._work = self._new_work()
        try:
            await self._ask(self.settings.connect_seconds)
        except BaseException:
            await self.stopService()
            raise
        if self._health.state == "stopped":  # no Group looks after it
            self._health.become("ready")
        self._recovery.start()
        if self._work is not None:  # it may have been stopped meanwhile
            self._work.troubles.tells = True

    @deferred
    async def stopService(self) -> None:
        """Take no more calls, and close the connections. The reactor is never held up.

        Calls that wait fail with Closed at once; those that run have `drain_seconds` to end, and
        are then interrupted.

        Returns:
            A Deferred that fires when the connections are closed, or a second after what was
            interrupted has not ended. Cancelling it interrupts at once.
        """
        if self._work is None:
            return
        super().stopService()
        work, self._work = self._work, None
        self._recovery.stop()
        await stop(self._reactor, work, self.settings.drain_seconds)
        if self._health.state in ("ready", "degraded"):
            self._health.become("stopped")

    def probe(self) -> Deferred[None]:
        """Ask the database whether it is there, as a probe for readiness does.

        Returns:
            A Deferred that fires when it has answered; it fails with a DatabaseError when it has
            not within `connect_seconds`.
        """
        return self._ask(self.settings.connect_seconds)

    def _ask(self, seconds: float) -> Deferred[None]:
        statement = self._statements.get("SELECT 1")

        def call(session: Session) -> None:
            session.query(statement, ())

        return self._submit_within(seconds, call, Kind.PROBE, "SELECT 1")

    def _submit(self, call: Callable[[Session], Any], kind: Kind, sql: str) -> Deferred[Any]:
        return self._submit_within(self._deadline_seconds, call, kind, sql)

    def _submit_within(
        self, seconds: float, call: Callable[[Session], Any], kind: Kind, sql: str
    ) -> Deferred[Any]:
        if self._work is None:
            return fail(errors.Closed(_CLOSED))
        return self._work.begin(call, kind, sql, seconds).result

    def with_deadline(self, seconds: float) -> Within:
        """The same database, whose calls may take so long, in place of `deadline_seconds`.

        Args:
            seconds: For each call in all, waiting included, and for each batch of a stream; above
                0, and at most a day.

        Raises:
            ValueError: It is none of these.
        """
        if not isinstance(seconds, int | float) or not 0 < seconds <= MOST_SECONDS:
            raise ValueError(
                f"a deadline is above 0 and at most {MOST_SECONDS:,} seconds, not {seconds!r:.50}"
            )
        return Within(self, self._statements, seconds)

    def stream(self, sql: str, /, batch_rows: int = 1000, **params: Any) -> Stream:
        """The rows of a statement, some at a time, as fast as they are taken and no faster.

        A stream has a connection to itself until it has ended or was closed; what it reads is as
        it was when it began. There are `max_streams` at once: the next one waits, and fails with
        DeadlinePassed if none of them ends in time. Of a database in memory all rows are fetched
        at once.

        Args:
            sql: The statement; one that reads.
            batch_rows: How many rows come at a time, from 1 to a million.
            params: The statement's parameters, by name.

        Returns:
            A Stream: `async for rows in stream`, or `stream.send_to(consumer)`.

        Raises:
            DatabaseError: The parameters do not fit, the statement writes, or the database is not
                running.
            ValueError: `batch_rows` is out of bounds.
        """
        return self._stream(self._deadline_seconds, sql, batch_rows, params)

    def _stream(self, seconds: float, sql: str, batch_rows: int, params: dict[str, Any]) -> Stream:
        if self._work is None:
            raise errors.Closed(_CLOSED)
        statement = self._statements.alone(sql)
        values = statement.values(params)
        return stream(self._work, self.settings, statement, values, batch_rows, seconds)

    def migrate(
        self, steps: Sequence[str] | Mapping[int, str], name: str = ""
    ) -> Deferred[list[int]]:
        """Apply the steps that have not been applied to this database, in order, once.

        All of them run in one transaction, under a lock: of processes that start together one
        applies them, and the others wait for it.

        Args:
            steps: SQL, one or several statements each, without placeholders; a sequence counts
                from 1.
            name: Whose steps they are, where several share a database: those of each name are
                counted apart.

        Returns:
            A Deferred with the numbers of the steps that were applied. It fails with
            MigrationError, and nothing is applied, if a step that was applied before has changed
            or is missing.
        """
        try:
            ordered = numbered(steps)
        except errors.MigrationError as error:
            return fail(error)

        def call(session: Session) -> list[int]:
            return migrate(session, ordered, name)

        return self._submit(call, Kind.SERIES, "migrate")

    def figures(self) -> Figures:
        """What it has done since it was made, and what it does now; for metrics."""
        return self._figures if self._work is None else self._work.count()


class Within(Calls):
    """The calls of a database with another deadline; made by Database.with_deadline."""

    def __init__(self, database: Database, statements: Statements, seconds: float) -> None:
        self._database = database
        self._statements = statements
        self._seconds = seconds

    def _submit(self, call: Callable[[Session], Any], kind: Kind, sql: str) -> Deferred[Any]:
        return self._database._submit_within(self._seconds, call, kind, sql)

    def stream(self, sql: str, /, batch_rows: int = 1000, **params: Any) -> Stream:
        """The same as `Database.stream`; each batch may take so long."""
        return self._database._stream(self._seconds, sql, batch_rows, params)
