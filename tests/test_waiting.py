"""Who waits for another's work may go without disturbing it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from toolkit.testing import is_waiting, result_of
from toolkit.waiting import Waiting, apart


def test_a_wait_apart_can_be_cancelled_alone() -> None:
    waited: Deferred[int] = Deferred()
    result = apart(waited)
    result.cancel()
    with pytest.raises(CancelledError):
        result_of(result)
    assert is_waiting(waited)
    waited.errback(OSError("nobody hears it"))


def test_a_wait_apart_has_the_result_and_the_failure() -> None:
    assert result_of(apart(succeed(42))) == 42
    with pytest.raises(OSError, match="no"):
        result_of(apart(fail(OSError("no"))))


def test_those_who_wait_are_told_once_and_one_may_go() -> None:
    waiting, gone = Waiting(), list[str]()
    one, two = waiting.add(), waiting.add(lambda _: gone.append("two"))
    two.cancel()
    with pytest.raises(CancelledError):
        result_of(two)
    assert is_waiting(one)
    one.addCallback(lambda _: waiting.add())  # for the next time
    waiting.tell()
    assert gone == ["two"]
    assert is_waiting(one)
    waiting.tell()
    assert result_of(one) is None
