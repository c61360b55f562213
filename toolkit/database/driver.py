"""What differs between the databases: lanes, threads, sessions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from toolkit.database.job import Job, Kind
from toolkit.database.lane import Lane
from toolkit.database.settings import DatabaseSettings, Place
from toolkit.database.threads import Threads
from toolkit.errors import MissingExtra

Done = Callable[[Job, Any, BaseException | None], None]


class Lanes:
    """The lanes of one database: which jobs wait together, and for how many threads.

    A stream has a connection to itself while it lasts, so streams have a lane of their own: the
    calls do not wait for them.

    Args:
        reactor: The reactor.
        place: Which database.
        settings: How it is used.
        done: Called with what each job came to.
    """

    def __init__(self, reactor: Any, place: Place, settings: DatabaseSettings, done: Done) -> None:
        make = _postgresql if place.driver == "postgresql" else _sqlite
        self.writing, self.reading, self.streaming = make(reactor, place, settings, done)

    def all(self) -> list[Lane]:
        """Each lane once."""
        found = dict.fromkeys((self.reading, self.streaming, self.writing))
        return [lane for lane in found if lane is not None]

    def of(self, kind: Kind) -> Lane:
        """The lane of calls of this kind."""
        return self.reading if kind is Kind.READ else self.writing


def check(place: Place) -> None:
    """See whether the driver is installed.

    Raises:
        MissingExtra: It is psycopg, and not there.
    """
    if place.driver == "postgresql":
        try:
            import_module("psycopg")
        except ImportError as error:
            raise MissingExtra(
                "a postgresql:// database needs psycopg: "
                "pip install 'twisted-app-toolkit[postgresql]'"
            ) from error


def sign_of(place: Place) -> str:
    """What a numbered placeholder begins with."""
    return "$" if place.driver == "postgresql" else "?"


def _sqlite(
    reactor: Any, place: Place, settings: DatabaseSettings, done: Done
) -> tuple[Lane, Lane, Lane | None]:
    from toolkit.database import sqlite, sqlite_opening, writing

    def opened(threads: Threads) -> sqlite.SQLiteSession:
        try:
            return sqlite.SQLiteSession(threads.connect(), place, settings)
        except sqlite.ERRORS as error:
            raise sqlite.error_of(error, place) from None

    def lane(size: int, reads: bool) -> Lane:
        threads = Threads(
            reactor, "sqlite3", size, sqlite_opening.arguments(place, settings, reads)
        )
        return Lane(reactor, threads, size, opened, writing.read_or_write, done)

    writer = lane(1, False)
    if place.target == ":memory:":  # it is the connection's own: there is just one
        return writer, writer, None
    return writer, lane(settings.connections, True), lane(settings.max_streams, True)


def _postgresql(
    reactor: Any, place: Place, settings: DatabaseSettings, done: Done
) -> tuple[Lane, Lane, Lane | None]:
    from toolkit.database import postgresql, serving

    def opened(threads: Threads) -> postgresql.PostgreSQLSession:
        try:
            return postgresql.PostgreSQLSession(threads.connect(), settings)
        except postgresql.ERRORS as error:
            raise postgresql.unavailable(error, place) from None

    def lane(size: int) -> Lane:
        threads = Threads(reactor, "psycopg", size, postgresql.arguments(place, settings))
        return Lane(reactor, threads, size, opened, serving.serve, done)

    lane_of_calls = lane(settings.connections)
    return lane_of_calls, lane_of_calls, lane(settings.max_streams)
