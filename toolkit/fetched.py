"""What URLs came to when they were fetched, kept in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted.internet.defer import Deferred

from toolkit.concurrency import deferred

if TYPE_CHECKING:
    from toolkit.database.database import Database

STEPS = (
    """CREATE TABLE fetched (
        url TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        status INTEGER,
        bytes BIGINT NOT NULL,
        error TEXT NOT NULL
    )""",
    "CREATE INDEX fetched_by_time ON fetched (at)",
)
"""The table, for `Database.migrate`."""

_ADD = (
    "INSERT INTO fetched (url, at, seconds, status, bytes, error) "
    "VALUES ({url}, {at}, {seconds}, {status}, {bytes}, {error})"
)


class Fetched(NamedTuple):
    """What a URL came to when it was fetched.

    Args:
        url: The URL, without user and password.
        at: When, in seconds since the epoch.
        seconds: How long it took.
        status: The status code, None where there was no answer.
        bytes: The bytes of the body, decoded.
        error: The code of the error, "" where there was an answer.
    """

    url: str
    at: float
    seconds: float
    status: int | None
    bytes: int
    error: str

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or one of 400 or above."""
        return self.status is None or self.status >= 400


class FetchedTable:
    """The table `fetched`. Every call fails with a DatabaseError when the database does.

    Args:
        database: Where it is. It must be running when a call is made.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @deferred
    async def prepare(self) -> None:
        """Make the table, where it is missing."""
        await self._database.migrate(STEPS, "fetched")

    @deferred
    async def add(self, fetched: Fetched) -> None:
        """Keep a result.

        Args:
            fetched: The result.
        """
        await self._database.execute(_ADD, **fetched._asdict())

    def forget(self, before: float) -> Deferred[int]:
        """Drop old results.

        Args:
            before: In seconds since the epoch: what is older goes.

        Returns:
            A Deferred with how many it were.
        """
        return self._database.execute("DELETE FROM fetched WHERE at < {before}", before=before)
