"""Many deadlines, one timer, and none that is early or forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from twisted.internet.task import Clock

from toolkit.http.deadlines import Deadlines


class Watch:
    """Deadlines of 10 s, and when each was late."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.late: list[tuple[str, float]] = []
        self.deadlines: Deadlines[str] = Deadlines(self.clock, 10, self.is_late)

    def is_late(self, name: str) -> None:
        self.late.append((name, self.clock.seconds()))

    def watch(self, name: str) -> None:
        self.deadlines.watch(name, self.clock.seconds())


def test_each_is_late_when_its_own_time_is_over() -> None:
    watch = Watch()
    for name in "abc":
        watch.watch(name)
        watch.clock.advance(3)
    for _ in range(20):
        watch.clock.advance(1)
    assert watch.late == [("a", 10), ("b", 13), ("c", 16)]
    assert not watch.clock.getDelayedCalls()
    assert len(watch.deadlines) == 0


def test_who_begins_anew_has_all_its_time_again() -> None:
    watch = Watch()
    watch.watch("a")
    watch.clock.advance(9)
    watch.watch("a")
    assert watch.deadlines.left("a") == 10
    watch.clock.advance(9)
    assert watch.late == []
    assert watch.deadlines.left("a") == 1
    watch.clock.advance(1)
    assert watch.late == [("a", 19)]


def test_what_is_forgotten_is_never_late() -> None:
    watch = Watch()
    for name in "ab":
        watch.watch(name)
    watch.deadlines.forget("a")
    watch.deadlines.forget("never watched")
    watch.clock.advance(10)
    assert [name for name, _ in watch.late] == ["b"]


def test_there_is_one_timer_however_many_there_are() -> None:
    watch = Watch()
    for number in range(1_000):
        watch.watch(str(number))
    assert len(watch.clock.getDelayedCalls()) == 1
    watch.clock.advance(10)
    assert len(watch.late) == 1_000


def test_a_clock_that_comes_late_finds_all_that_are() -> None:
    watch = Watch()
    for name in "ab":
        watch.watch(name)
        watch.clock.advance(1)
    watch.clock.advance(100)
    assert [name for name, _ in watch.late] == ["a", "b"]


def test_stopping_leaves_no_timer_and_who_watches_begins_anew() -> None:
    watch = Watch()
    watch.watch("a")
    watch.deadlines.stop()
    watch.deadlines.stop()
    assert not watch.clock.getDelayedCalls()
    watch.watch("b")
    watch.clock.advance(10)
    assert [name for name, _ in watch.late] == ["b"]


@pytest.mark.parametrize("act", ["watch", "forget", "stop"])
def test_what_is_done_about_one_that_is_late_is_heeded(act: str) -> None:
    watch = Watch()

    def late(name: str) -> None:
        Watch.is_late(watch, name)
        if name == "a":
            {"watch": watch.watch, "forget": watch.deadlines.forget}.get(act, _stops)("b")

    def _stops(_: str) -> None:
        watch.deadlines.stop()

    watch.deadlines._late = late
    for name in "ab":
        watch.watch(name)
    watch.clock.advance(10)
    assert [name for name, _ in watch.late] == ["a"]
    watch.clock.advance(10)
    assert [name for name, _ in watch.late] == (["a", "b"] if act == "watch" else ["a"])
    assert not watch.clock.getDelayedCalls()


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["watch", "forget", "pass"]), st.sampled_from("abcd"),
                  st.integers(1, 7))
    )
)  # fmt: skip
def test_none_is_early_and_none_is_missed(events: list[tuple[str, str, int]]) -> None:
    watch = Watch()
    since: dict[str, float] = {}
    expected: list[tuple[str, float]] = []

    def passes(seconds: int) -> None:
        for _ in range(seconds):
            watch.clock.advance(1)
            now = watch.clock.seconds()
            for name in [name for name, began in since.items() if began + 10 <= now]:
                expected.append((name, now))
                del since[name]

    for act, name, seconds in events:
        if act == "watch":
            since.pop(name, None)
            since[name] = watch.clock.seconds()
            watch.watch(name)
        elif act == "forget":
            since.pop(name, None)
            watch.deadlines.forget(name)
        else:
            passes(seconds)
    passes(11)
    assert watch.late == expected
    watch.clock.advance(11)
    assert not watch.clock.getDelayedCalls()
