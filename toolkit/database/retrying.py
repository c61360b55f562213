"""Retrying: which job is tried again, and when. No I/O, no clock but what is given."""

from __future__ import annotations

from toolkit.database.errors import (
    Busy,
    Conflict,
    ConnectionLost,
    DatabaseError,
    Unavailable,
    UniqueViolation,
)
from toolkit.database.job import Job, Kind
from toolkit.database.settings import DatabaseSettings

LEAST_SECONDS = 0.01
MOST_SECONDS = 0.5


def delay_of(
    job: Job, error: DatabaseError, settings: DatabaseSettings, now: float, chance: float
) -> float | None:
    """How long to wait before a job is tried again, or None if it is not.

    Only where nothing of it can have been kept, which the error's class tells: OutcomeUnknown is
    never tried again. A lost connection is tried again `attempts` times in all; a lock that
    another holds for `busy_seconds`, and a server that cannot be reached for `connect_seconds`,
    counted from the call. The wait is drawn evenly from below a bound that doubles from 10 ms to
    half a second, so that those that failed together part.

    A deadlock or a conflict is tried again `conflicts` times, after 10 ms at most: whoever made
    it fail has been kept, and a lock of the server's is waited for meanwhile. One that conflicts
    again then waits for its turn (`toolkit.database.turns`).

    Args:
        job: What failed.
        error: How.
        settings: The bounds.
        now: On the reactor's clock.
        chance: From 0 up to 1.
    """
    if job.kind is Kind.PROBE or job.spent:
        return None
    age = now - job.since
    if isinstance(error, Unavailable):
        again = error.native != "SQLITE_CANTOPEN" and age < settings.connect_seconds
    elif isinstance(error, Conflict):
        again = job.conflicts <= settings.conflicts
    elif isinstance(error, ConnectionLost):
        again = job.attempts - job.conflicts < settings.attempts
    elif isinstance(error, Busy):
        again = job.attempts < settings.attempts and age < settings.busy_seconds
    elif isinstance(error, UniqueViolation):
        again = error.passing
    else:
        again = False
    doublings = 0 if isinstance(error, Conflict) else min(job.attempts, 20)
    delay = chance * min(MOST_SECONDS, LEAST_SECONDS * 2**doublings)
    return delay if again and now + delay < job.deadline else None
