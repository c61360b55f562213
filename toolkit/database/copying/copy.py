"""Copying one database to another, of either kind: tables, rows, and the proof that all came.

Each of the two has a transaction in a thread of its own. What is copied is read as it was at one
moment; what is written is there as a whole when all has been compared, or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from twisted.python.failure import Failure

from toolkit.concurrency import deferred
from toolkit.database.copying.copied import Copied, Copy, CopyFailed, Progress
from toolkit.database.copying.filling import Filling
from toolkit.database.copying.giving import give
from toolkit.database.copying.handover import Handover
from toolkit.database.database import Database
from toolkit.database.errors import Closed, DeadlinePassed, OutcomeUnknown
from toolkit.database.transaction import Transaction

__all__ = ["Copied", "Copy", "CopyFailed", "Progress", "copy_database"]

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE_SECONDS = 86_400.0


@deferred
async def copy_database(
    source: Database,
    target: Database,
    replace: bool = False,
    batch_rows: int = 1000,
    progress: Progress | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Copy:
    """Copy all tables of a database into another, and compare.

    A table that is not in the target is made there, with its keys, foreign keys, checks, defaults
    and indexes; what of these the target does not understand, such as an expression, a trigger or
    a view, is left out, and told. A table that is there, with the same columns, is filled, if it
    is empty, and otherwise kept as it is.

    Which migrations were applied (`Database.migrate`) is copied too, unless something was left
    out: then the target is not what those steps make.

    Args:
        source: Read from, as it is when this begins. Where that is SQLite, and not opened with
            `?mode=ro`, others cannot write to it meanwhile.
        target: Written to, in one transaction: others see all of it at the end, or nothing.
        replace: Whether rows that are in the target's tables of the same names may be deleted.
        batch_rows: How many rows are read and written at a time, at least 1.
        progress: Told after each batch, in a thread.
        deadline_seconds: How long all of it may take.

    Returns:
        A Deferred with what was copied, and what was left out. It fails with CopyFailed where
        something would be overwritten, where a value or a name cannot be kept, and where the
        rows of both differ afterwards. Then, and when it is cancelled, the target is as it was.
    """
    if batch_rows < 1:
        raise ValueError(f"a batch is at least 1 row, not {batch_rows}")
    if source.dialect == target.dialect and await _place(source) == await _place(target):
        raise CopyFailed(f"the source and the target are one database: {target.url}")
    handover = Handover(deadline_seconds)

    def fill(transaction: Transaction) -> Copy:
        return Filling(transaction, target.url, handover, replace, progress, batch_rows).run()

    source_part = source.with_deadline(deadline_seconds).transaction(
        _once(handover, give), handover, target.dialect, batch_rows
    )
    target_part = target.with_deadline(deadline_seconds).transaction(_once(handover, fill))
    failures: list[BaseException] = []

    def failed(failure: Failure) -> None:
        error = failure.value
        assert error is not None
        handover.end(error)
        failures.append(error)

    source_part.addErrback(failed)
    target_part.addErrback(failed)
    try:
        await source_part
        copy = await target_part
    except BaseException as error:
        handover.end(error)
        source_part.cancel()
        target_part.cancel()
        raise
    if copy is None:
        raise _cause(handover, failures)
    return copy


def _once(
    handover: Handover, function: Callable[Concatenate[Transaction, P], T]
) -> Callable[Concatenate[Transaction, P], T]:
    """A part of a copy, which is not begun again: the other part has gone on."""
    begun = False

    def run(transaction: Transaction, /, *args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal begun
        if begun:
            raise CopyFailed("a transaction of the copy was lost, and nothing copied: try again")
        begun = True
        try:
            return function(transaction, *args, **kwargs)
        except BaseException as error:
            handover.end(error)  # at once: the other part waits
            raise

    run.__qualname__ = "a copy"  # in messages
    return run


def _cause(handover: Handover, failures: list[BaseException]) -> BaseException:
    """Of the errors of both parts that which came first, or says why a part was interrupted."""
    for failure in failures:
        if isinstance(failure, DeadlinePassed | OutcomeUnknown | Closed):
            return failure
    return handover.error or failures[0]


async def _place(database: Database) -> object:
    """What tells a database from another one, however it was named."""
    if database.dialect == "sqlite":
        path = (await database.query("PRAGMA database_list"))[0]["file"]
        if not path:  # in memory: each is one of its own
            return database
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return await database.one(
        "SELECT current_database(), current_schema(), pg_postmaster_start_time()::text"
    )
