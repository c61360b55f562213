"""A deadline is kept to the moment, however often it is moved."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.internet.task import Clock

from toolkit.web.deadline import Deadline


class Late:
    """Counts how often it is too late."""

    def __init__(self, soonest: float = 10) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        self.deadline = Deadline(self.clock, soonest, self._late)

    def _late(self) -> None:
        self.times.append(self.clock.seconds())


@pytest.fixture
def late() -> Late:
    return Late()


@pytest.mark.parametrize("seconds", [10, 25, 60])
def test_it_is_late_when_the_time_has_passed_once(late: Late, seconds: float) -> None:
    late.deadline.within(seconds)
    late.clock.pump([1] * 200)
    assert late.times == [seconds]
    assert late.clock.getDelayedCalls() == []


def test_the_time_can_be_moved_either_way(late: Late) -> None:
    late.deadline.within(60)
    late.clock.advance(5)
    late.deadline.within(10)
    late.clock.advance(9)
    assert late.times == []
    late.deadline.within(30)
    late.clock.pump([1] * 29)
    assert late.times == []
    late.clock.advance(1)
    assert late.times == [44]


def test_none_is_no_deadline(late: Late) -> None:
    late.deadline.within(60)
    late.deadline.within(None)
    late.clock.pump([1] * 200)
    assert late.times == []
    assert late.clock.getDelayedCalls() == []


def test_stopped_it_leaves_no_timer(late: Late) -> None:
    late.deadline.within(60)
    late.deadline.stop()
    assert late.clock.getDelayedCalls() == []
    late.deadline.stop()
    assert late.times == []


def test_many_moves_are_one_timer(late: Late) -> None:
    late.deadline.within(10)
    [timer] = late.clock.getDelayedCalls()
    for seconds in (60, None, 10, 30, None, 60, 10):
        late.deadline.within(seconds)
    assert late.clock.getDelayedCalls() == [timer]
    assert timer.getTime() == 10


MOVES = st.lists(st.tuples(st.integers(10, 60) | st.none(), st.integers(1, 80)))


@given(MOVES)
def test_whenever_it_is_moved_it_is_late_when_it_is_due_and_only_then(moves: Any) -> None:
    late = Late()
    wanted: list[float] = []
    for seconds, passed in moves:
        now = late.clock.seconds()
        late.deadline.within(seconds)
        late.clock.pump([1] * passed)
        if seconds is not None and seconds <= passed:
            wanted.append(now + seconds)
    assert late.times == wanted
