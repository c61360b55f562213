"""Who waits for another's work may go without disturbing it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from toolkit.testing import is_waiting, result_of
from toolkit.waiting import Waiting, apart, shielded


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


def test_what_is_shielded_ends_before_its_cancellation_takes_effect() -> None:
    written: Deferred[str] = Deferred()
    waiting = shielded(written)
    waiting.cancel()
    assert is_waiting(waiting)
    assert not written.called
    written.callback("written")
    with pytest.raises(CancelledError):
        result_of(waiting)


def test_what_is_shielded_gives_its_result_or_its_failure() -> None:
    async def writes() -> str:
        return "written"

    assert result_of(shielded(writes())) == "written"
    written: Deferred[str] = Deferred()
    waiting = shielded(written)
    waiting.cancel()
    written.errback(OSError("no room"))
    with pytest.raises(OSError, match="no room"):
        result_of(waiting)


def test_a_coroutine_that_is_cancelled_goes_on_to_the_end_of_its_shielded_part() -> None:
    steps: list[str] = []
    written: Deferred[None] = Deferred()

    async def work() -> None:
        try:
            await shielded(written)
            steps.append("after")
        finally:
            steps.append("end")

    working = Deferred.fromCoroutine(work())
    working.cancel()
    working.cancel()
    assert steps == []
    written.callback(None)
    assert steps == ["end"]
    with pytest.raises(CancelledError):
        result_of(working)


def test_what_follows_what_was_shielded_can_be_cancelled_as_ever() -> None:
    inner: Deferred[int] = Deferred()
    waiting = shielded(succeed(1)).addCallback(lambda _: inner)
    waiting.cancel()
    with pytest.raises(CancelledError):
        result_of(waiting)
