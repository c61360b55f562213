"""One has the turn; the others wait for it in order, and may leave."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred

from toolkit.database.job import Job, Kind
from toolkit.database.turns import Turns


def job(name: str) -> Job:
    nowhere = cast(Any, None)
    return Job(lambda _: None, Kind.TRANSACTION, name, 0.0, 30.0, Deferred(), nowhere)


def test_one_has_the_turn_and_the_others_wait_in_order() -> None:
    ran: list[Job] = []
    turns = Turns(ran.append)
    first, second, third = job("a"), job("b"), job("c")
    for one in (first, second, third):
        turns.add(one)
    assert (ran, len(turns.waiting)) == ([first], 2)
    assert [turns.has(one) for one in (first, second)] == [True, False]
    turns.leave(second)  # it has not got it
    assert ran == [first]
    turns.leave(first)
    assert (ran, len(turns.waiting)) == ([first, second], 1)


def test_once_closed_nobody_gets_it() -> None:
    ran: list[Job] = []
    turns = Turns(ran.append)
    first, second = job("a"), job("b")
    turns.add(first)
    turns.add(second)
    turns.close()
    turns.leave(first)
    assert ran == [first]
    assert turns.withdraw(second)


def test_one_that_is_withdrawn_is_passed_over() -> None:
    ran: list[Job] = []
    turns = Turns(ran.append)
    first, second, third = job("a"), job("b"), job("c")
    for one in (first, second, third):
        turns.add(one)
    assert [turns.withdraw(one) for one in (first, second)] == [False, True]
    turns.leave(first)
    assert ran == [first, third]
    turns.leave(third)
    assert len(turns.waiting) == 0
    turns.add(second)
    assert ran == [first, third, second]
