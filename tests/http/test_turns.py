"""Turns are given out in order, and never more than allowed."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from toolkit.http.turns import Turns
from toolkit.testing import is_waiting, result_of


def test_the_first_to_come_is_the_first_served() -> None:
    turns = Turns(2)
    taken = [turns.take() for _ in range(4)]
    assert [is_waiting(turn) for turn in taken] == [False, False, True, True]
    turns.give_back()
    assert [is_waiting(turn) for turn in taken] == [False, False, False, True]


def test_one_that_is_cancelled_leaves_the_queue() -> None:
    turns = Turns(1)
    first, second, third = turns.take(), turns.take(), turns.take()
    second.cancel()
    with pytest.raises(CancelledError):
        result_of(second)
    turns.give_back()
    assert not is_waiting(third)
    result_of(first)


def test_a_long_queue_that_ends_at_once_is_not_deep() -> None:
    turns = Turns(1)
    held = turns.take()
    done: list[int] = []

    def ends(_result: None, number: int) -> None:
        done.append(number)
        turns.give_back()

    for number in range(10_000):
        turns.take().addCallback(ends, number)
    turns.give_back()
    assert done == list(range(10_000))
    assert isinstance(held, Deferred)


def test_cancelling_ends_all_that_wait() -> None:
    turns = Turns(1)
    taken, waiting = turns.take(), turns.take()
    turns.cancel()
    with pytest.raises(CancelledError):
        result_of(waiting)
    assert result_of(taken) is None


def test_a_turn_that_is_free_is_taken_at_once() -> None:
    turns = Turns(2)
    assert [turns.take_at_once() for _ in range(3)] == [True, True, False]
    turns.give_back()
    assert turns.take_at_once()
    waiting = turns.take()
    turns.give_back()
    assert not is_waiting(waiting)
    assert not turns.take_at_once()


def test_who_takes_at_once_is_never_before_one_who_waits() -> None:
    turns = Turns(1)
    result_of(turns.take())
    taken: list[bool] = []
    first, second = turns.take(), turns.take()
    first.addCallback(lambda _: taken.append(turns.take_at_once()))
    turns.give_back()
    assert taken == [False]
    assert is_waiting(second)


def test_who_goes_on_is_before_all_who_have_not_begun() -> None:
    turns = Turns(1)
    result_of(turns.take())
    waiting, again = turns.take(), turns.take(first=True)
    turns.give_back()
    assert (is_waiting(waiting), is_waiting(again)) == (True, False)
    turns.give_back()
    assert not is_waiting(waiting)


def test_those_who_go_on_keep_their_order() -> None:
    turns = Turns(1)
    result_of(turns.take())
    fresh = turns.take()
    again = [turns.take(first=True) for _ in range(3)]
    for number in range(3):
        turns.give_back()
        assert [is_waiting(one) for one in again] == [later > number for later in range(3)]
    assert is_waiting(fresh)
