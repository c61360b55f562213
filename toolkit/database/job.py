"""One call of a database: what is to be done, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from toolkit.database.errors import DatabaseError
from toolkit.database.reading import Reading

if TYPE_CHECKING:
    from toolkit.database.lane import Lane
    from toolkit.database.session import Session
    from toolkit.database.sql import Statement


class Step(Enum):
    """How far a job has come."""

    WAITING = 1
    RUNNING = 2
    COMMITTING = 3  # it can be neither interrupted nor undone
    DONE = 4


class Kind(Enum):
    """What a job is, for those who run it."""

    READ = 1
    WRITE = 2  # one statement
    ALONE = 3  # one statement that SQLite wants outside a transaction
    TRANSACTION = 4  # a function that runs statements, isolated from those of others
    SERIES = 5  # several statements in one transaction, each of which may see what others commit
    PROBE = 6  # whether the database answers: tried once


class Job:
    """One call: waiting, running in a thread, or done.

    Args:
        call: Given the session, does the work, in a thread, and returns its result. It may be
            called several times, each in a transaction of its own.
        kind: What it is.
        sql: The statement as it was written, or the function's name, for messages.
        since: When it was asked for, on the reactor's clock.
        seconds: How long it may take.
        result: Fires with what `call` returned.
        lane: Where it waits, and runs.

    Attributes:
        deadline: When it must be done, on the reactor's clock.
        step: How far it has come; changed under its lane's lock.
        doom: Why it shall not be completed; set under that lock, before its commit begins.
        attempts: How often it was begun.
        conflicts: How often of these the database chose it to fail.
        late: Whether its deadline has passed.
        commits_itself: Whether what it does is kept though nothing commits it.
        spent: Whether it has given something already, and so cannot be tried again.
        on_doom: Called when it is doomed, if it may be waiting for something but the database.
        on_stop: Called at the database's stop, if it runs then.
        reading: The call, where it is one statement that only reads.
        share: Which share of a thread's turn it is likely to take: 1 where it is not quick.
        is_quick: Whether it is.
        slow: The statements of it that took long: each with its seconds, its parameters' names,
            and how many were sent with it, of which each may be the slow one.
    """

    step = Step.WAITING
    doom: DatabaseError | None = None
    attempts = 0
    conflicts = 0
    share = 1.0
    is_quick = False
    late = False
    commits_itself = False
    spent = False
    on_doom: Callable[[], None] | None = None
    on_stop: Callable[[], None] | None = None
    slow: list[tuple[str, float, tuple[str, ...], int]] | None = None

    def __init__(
        self,
        call: Callable[[Session], Any],
        kind: Kind,
        sql: str,
        since: float,
        seconds: float,
        result: Deferred[Any],
        lane: Lane,
    ) -> None:
        self.call = call
        self.kind = kind
        self.sql = sql
        self.since = since
        self.seconds = seconds
        self.deadline = since + seconds
        self.result = result
        self.lane = lane
        self.reading = call if kind is Kind.READ and isinstance(call, Reading) else None
        if self.reading is not None:
            self.share = self.reading.statement.pace.share
            self.is_quick = self.share < 1

    def note_slow(self, statement: Statement, seconds: float, beside: int = 0) -> None:
        """Note that a statement took long.

        Args:
            statement: Which.
            seconds: How long.
            beside: How many were sent with it.
        """
        self.slow = [*(self.slow or ()), (statement.source, seconds, statement.names, beside)]
