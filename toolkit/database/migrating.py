"""Migrating: numbered steps, each applied once, by one process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from toolkit.database.errors import MigrationError
from toolkit.database.session import Session
from toolkit.database.sql import compiled, ends_transaction

TABLE = "toolkit_migrations"
"""Where it is kept which steps were applied."""

_LOCK = 0x746F6F6C6B6974  # PostgreSQL's advisory lock: one number for all who migrate by this

_STEPS = f"SELECT number, checksum FROM {TABLE} WHERE name = {{name}} ORDER BY number"
_NOTE = f"INSERT INTO {TABLE} (name, number, checksum) VALUES ({{name}}, {{number}}, {{checksum}})"


def numbered(steps: Sequence[str] | Mapping[int, str]) -> dict[int, str]:
    """The steps by number, in order.

    Args:
        steps: SQL by number, or in order, counted from 1.

    Raises:
        MigrationError: One has no number from 1 on, or no text, or ends the transaction.
    """
    given = steps if isinstance(steps, Mapping) else dict(enumerate(steps, start=1))
    for number, sql in given.items():
        if not isinstance(number, int) or number < 1:
            raise MigrationError(f"a step's number is 1 or more, not {number!r}")
        if not isinstance(sql, str) or not sql.strip():
            raise MigrationError(f"step {number} must be SQL, not {sql!r:.50}")
        if ends_transaction(sql):
            raise MigrationError(
                f"step {number} begins or ends a transaction: all steps run in one of migrate()'s"
            )
    return dict(sorted(given.items()))


def migrate(session: Session, steps: dict[int, str], name: str = "") -> list[int]:
    """Apply the steps that were not applied before, in the transaction that is open.

    Args:
        session: The connection. SQLite's transaction holds the lock that others wait for.
        steps: By number, in order.
        name: Whose steps they are: those of each name are counted apart.

    Returns:
        The numbers of those that were applied.

    Raises:
        MigrationError: One that was applied has changed, or is missing, or a new one comes before
            it.
    """
    sign = "?" if session.dialect == "sqlite" else "$"
    if session.dialect == "postgresql":
        session.command("SET LOCAL lock_timeout = 0")  # another's steps may take long
        session.command(f"SELECT pg_advisory_xact_lock({_LOCK})")
    session.script(
        f"CREATE TABLE IF NOT EXISTS {TABLE} (name VARCHAR(100) NOT NULL, number INTEGER NOT NULL, "
        "checksum TEXT NOT NULL, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "
        "PRIMARY KEY (name, number))"
    )
    rows = session.query(compiled(_STEPS, sign), (name,))
    applied = {row["number"]: row["checksum"] for row in rows}
    whose = f" of {name}" if name else ""
    sums = {number: hashlib.sha256(sql.encode()).hexdigest() for number, sql in steps.items()}
    last = max(applied, default=0)
    for number, checksum in applied.items():
        if number not in sums:
            raise MigrationError(
                f"step {number}{whose} was applied to this database, and is missing from the steps "
                "given: is the program older than its database?"
            )
        if sums[number] != checksum:
            raise MigrationError(
                f"step {number}{whose} has changed since it was applied: put it back, and make the "
                f"change a new step {max(*sums, last) + 1}"
            )
    new = [number for number in steps if number not in applied]
    if new and new[0] < last:
        raise MigrationError(
            f"step {new[0]}{whose} is new, and step {last} was applied before: number it {last + 1}"
        )
    note = compiled(_NOTE, sign)
    for number in new:
        session.script(steps[number])
        session.execute(note, (name, number, sums[number]))
    if new and session.dialect == "postgresql":
        session.spoiled = True  # a step may have SET something: the next job has a new connection
    return new
