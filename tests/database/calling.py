"""Calls of a database: one that never ends, those that have to wait, and what one failed with."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import Deferred

from toolkit.database.calls import Calls
from toolkit.database.database import Database
from toolkit.database.transaction import Transaction

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
"""A statement that never ends by itself, in either dialect."""


PEOPLE = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT UNIQUE, age INTEGER CHECK (age > 0))"
)


class Gate:
    """Holds transactions up, in their threads, until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered: Deferred[None] = Deferred()

    def passes(self, transaction: Transaction, reactor: Any) -> str:
        reactor.callFromThread(self._enter)
        assert self._open.wait(10)
        return "through"

    def _enter(self) -> None:
        if not self.entered.called:
            self.entered.callback(None)

    def open(self) -> None:
        self._open.set()


@asynccontextmanager
async def held(database: Calls, reactor: Any) -> AsyncIterator[None]:
    """Hold a connection up meanwhile: where there is one, what is asked for has to wait."""
    gate = Gate()
    first = database.transaction(gate.passes, reactor)
    await gate.entered
    try:
        yield
    finally:
        gate.open()
    assert await first == "through"


async def with_people(database: Database) -> Database:
    """The database, with two rows in a table."""
    await database.execute(PEOPLE)
    rows = [{"id": 1, "name": "ann", "age": 31}, {"id": 2, "name": "ben", "age": 27}]
    await database.execute_many("INSERT INTO people VALUES ({id}, {name}, {age})", rows)
    return database


async def answers(database: Calls) -> bool:
    return await database.query("SELECT 1") == [(1,)]


async def failure(waited: Deferred[Any]) -> BaseException:
    """What a call failed with."""
    try:
        found = await waited
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        return error
    raise AssertionError(f"it did not fail, but gave {found!r}")
