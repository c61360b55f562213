"""What one thread gives another gets, in order, and both end together."""

from __future__ import annotations

import threading

import pytest

from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.handover import Handover


def test_things_come_in_order_and_few_at_a_time() -> None:
    handover = Handover(5)
    given: list[int] = []

    def gives() -> None:
        for number in range(5):
            handover.give(number)
            given.append(number)
        given.append(handover.answered())

    thread = threading.Thread(target=gives)
    thread.start()
    for number in range(5):
        assert handover.take() == number
        assert len(given) <= number + 3
    handover.answer("done")
    thread.join(5)
    assert given == [0, 1, 2, 3, 4, "done"]


def test_the_first_error_ends_both() -> None:
    handover = Handover(5)
    first = ValueError("first")
    handover.end(first)
    handover.end(ValueError("second"))
    for call in (handover.take, handover.answered, lambda: handover.give(1)):
        with pytest.raises(CopyFailed):
            call()
    assert handover.error is first


def test_nobody_waits_for_ever() -> None:
    handover = Handover(0.01)
    with pytest.raises(CopyFailed):
        handover.take()
    assert "did nothing for 0.01 s" in str(handover.error)
