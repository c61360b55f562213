"""Whatever is cancelled, fails or is late at whatever moment: every call is answered, truly."""

from __future__ import annotations

import random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import deferLater

from tests.database.databases import Open
from toolkit.database import errors
from toolkit.database.transaction import Transaction


class Chaos:
    """Calls of all kinds, a number each, at random; and what each came to."""

    def __init__(self, database: Any, reactor: Any, seed: int) -> None:
        self.database = database
        self.reactor = reactor
        self.chance = random.Random(seed)
        self.kept: set[int] = set()
        self.not_kept: set[int] = set()
        self.unknown: set[int] = set()

    def call(self, number: int) -> Deferred[Any]:
        made: Deferred[Any]
        calls = self.database
        if self.chance.random() < 0.3:
            calls = calls.with_deadline(self.chance.choice([0.0005, 0.005, 0.05]))
        sql = "INSERT INTO t VALUES ({x})"
        way = self.chance.randrange(4)
        if way == 0:
            made = calls.execute(sql, x=number)
        elif way == 1:
            made = calls.execute_many(sql, [{"x": number}])
        elif way == 2:
            made = calls.transaction(self._inserts, number, self.chance.random() < 0.3)
        else:
            made = calls.one(sql + " RETURNING x", x=number)
        made.addCallbacks(
            self._is_kept, self._is_not, callbackArgs=(number,), errbackArgs=(number,)
        )
        if self.chance.random() < 0.3:
            self.reactor.callLater(self.chance.random() * 0.05, made.cancel)
        return made

    @staticmethod
    def _inserts(transaction: Transaction, number: int, fails: bool) -> None:
        transaction.execute("INSERT INTO t VALUES ({x})", x=number)
        if fails:
            transaction.execute("INSERT INTO t VALUES ({x})", x=number)

    def _is_kept(self, _: object, number: int) -> None:
        self.kept.add(number)

    def _is_not(self, failure: Any, number: int) -> None:
        failure.trap(CancelledError, errors.DatabaseError)
        if failure.check(CancelledError, errors.OutcomeUnknown):
            self.unknown.add(number)
        else:
            failure.trap(errors.DeadlinePassed, errors.UniqueViolation, errors.QueueFull)
            self.not_kept.add(number)


@pytest.mark.parametrize("seed", range(2))
@pytest_twisted.ensureDeferred
async def test_every_call_is_answered_and_what_was_told_is_true(
    opens: Open, reactor: Any, seed: int
) -> None:
    database = await opens(connections=3, slow_seconds=30)
    await database.execute("CREATE TABLE t (x INTEGER UNIQUE)")
    chaos = Chaos(database, reactor, seed)
    calls = []
    for number in range(1500):
        calls.append(chaos.call(number))
        if chaos.chance.random() < 0.02:
            await deferLater(reactor, 0.005)
    await DeferredList(calls)
    found = {row["x"] for row in await database.query("SELECT x FROM t")}
    assert chaos.kept <= found
    assert not chaos.not_kept & found
    assert len(chaos.kept) + len(chaos.not_kept) + len(chaos.unknown) == 1500
    assert chaos.kept
    assert chaos.not_kept
    figures = database.figures()
    assert (figures.waiting, figures.running) == (0, 0)
    await deferLater(reactor, 0.06)
