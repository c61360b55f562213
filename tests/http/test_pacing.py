"""An origin is asked so many at once and so often; its rest is its own."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from toolkit.http.failures import FetchError
from toolkit.http.pacing import Pacing
from toolkit.testing import is_waiting, result_of


class Client:
    """Sends requests as Pacing lets it, and notes when each began."""

    def __init__(self, clock: Clock, pacing: Pacing) -> None:
        self.clock = clock
        self.pacing = pacing
        self.began: list[tuple[str, int, float]] = []
        self.active: Counter[str] = Counter()
        self.turns: list[Deferred[None]] = []

    def asks(self, origin: str, seconds: float | None = None) -> Deferred[None]:
        """Ask; the answer takes so long, or for ever."""
        number = len(self.turns)

        def begins(_: None) -> None:
            self.began.append((origin, number, self.clock.seconds()))
            self.active[origin] += 1
            if seconds is not None:
                self.clock.callLater(seconds, self.ends, origin)

        turn = self.pacing.take(origin)
        self.turns.append(turn)
        turn.addCallbacks(begins, lambda failure: failure.trap(CancelledError))
        return turn

    def ends(self, origin: str) -> None:
        self.active[origin] -= 1
        self.pacing.give_back(origin)


def paced(per_host: int, rate: float | None = None, max_waiting: int = 100) -> Client:
    clock = Clock()
    return Client(clock, Pacing(clock, per_host, rate, max_waiting))


def test_each_origin_has_its_own_number_at_once() -> None:
    client = paced(per_host=2)
    turns = [client.asks(origin) for origin in "aaabbb"]
    assert [is_waiting(turn) for turn in turns] == [False, False, True, False, False, True]
    client.ends("b")
    assert [is_waiting(turn) for turn in turns] == [False, False, True, False, False, False]


def test_beginnings_are_evenly_spaced() -> None:
    client = paced(per_host=100, rate=4)
    for _ in range(5):
        client.asks("a", 0.01)
    client.asks("b")
    client.clock.pump([0.0625] * 40)
    times = [when for origin, _, when in client.began if origin == "a"]
    assert times == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert client.began[1] == ("b", 5, 0)


def test_what_was_not_used_is_not_saved_up() -> None:
    client = paced(per_host=100, rate=1)
    client.asks("a", 0.1)
    client.clock.advance(60)
    for _ in range(3):
        client.asks("a", 0.1)
    assert len(client.began) == 2
    client.clock.advance(1)
    assert len(client.began) == 3


def test_a_clock_that_comes_late_is_not_made_up_for() -> None:
    client = paced(per_host=100, rate=10)
    for _ in range(5):
        client.asks("a", 0.01)
    client.clock.advance(10)
    assert len(client.began) == 2


def test_a_rest_is_shared_by_one_origin_and_none_other() -> None:
    client = paced(per_host=2)
    client.asks("a", 1)
    client.pacing.cool_down("a", 10)
    waits = [client.asks("a", 1) for _ in range(3)]
    assert not is_waiting(client.asks("b", 1))
    client.clock.pump([1] * 9)
    assert all(is_waiting(turn) for turn in waits)
    client.clock.advance(1)
    assert [is_waiting(turn) for turn in waits] == [False, False, True]
    client.clock.pump([1, 1])
    assert client.began[-1] == ("a", 3, 11)


def test_the_longest_rest_counts() -> None:
    client = paced(per_host=2)
    for seconds in (5, 10, 1):
        client.pacing.cool_down("a", seconds)
    waits = client.asks("a", 1)
    client.clock.advance(9.9)
    assert is_waiting(waits)
    client.pacing.cool_down("a", 5)  # while it waits already
    client.clock.advance(4.9)
    assert is_waiting(waits)
    client.clock.advance(0.2)
    assert not is_waiting(waits)
    client.clock.advance(1)


def test_a_rest_that_begins_while_turns_are_handed_out_stops_them() -> None:
    client = paced(per_host=3)
    client.pacing.cool_down("a", 1)
    first = client.pacing.take("a")
    first.addCallback(lambda _: client.pacing.cool_down("a", 5))
    second = client.pacing.take("a")
    client.clock.advance(1)
    assert not is_waiting(first)
    assert is_waiting(second)
    client.clock.advance(5)
    assert not is_waiting(second)


def test_one_that_is_cancelled_leaves_the_queue_and_no_timer() -> None:
    client = paced(per_host=1, rate=1)
    first = client.asks("a", 0.1)
    second, third = client.asks("a"), client.asks("a", 0.1)
    second.cancel()
    client.clock.advance(0.1)
    client.clock.advance(0.9)
    assert [number for _, number, _ in client.began] == [0, 2]
    client.clock.advance(0.1)
    client.asks("a").cancel()
    assert client.clock.getDelayedCalls() == []
    assert result_of(first) is result_of(third) is None


def test_cancelling_ends_all_that_wait() -> None:
    client = paced(per_host=1)
    turns = [client.asks(origin) for origin in "aaabb"]
    client.pacing.cancel()
    assert not any(is_waiting(turn) for turn in turns)
    assert len(client.began) == 2


def test_one_more_than_may_wait_fails() -> None:
    client = paced(per_host=1, max_waiting=2)
    for origin in "aab":
        client.asks(origin)
    waits = client.asks("a")
    with pytest.raises(FetchError) as caught:
        result_of(client.pacing.take("c"))
    assert caught.value.code == "queue-full"
    waits.cancel()
    assert not is_waiting(client.asks("c"))


def test_what_was_not_taken_cannot_be_given_back() -> None:
    client = paced(per_host=1)
    with pytest.raises(ValueError, match="no request to 'a' is in progress"):
        client.pacing.give_back("a")


@pytest.mark.parametrize(("per_host", "rate"), [(0, None), (1, 0.0), (1, -1.0), (1, float("nan"))])
def test_limits_are_positive(per_host: int, rate: float | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        Pacing(Clock(), per_host, rate)


def test_a_long_queue_that_ends_at_once_is_not_deep() -> None:
    clock = Clock()
    pacing = Pacing(clock, 1)
    result_of(pacing.take("a"))
    done: list[int] = []

    def ends(_: None, number: int) -> None:
        done.append(number)
        pacing.give_back("a")

    for number in range(5_000):
        pacing.take("a").addCallback(ends, number)
    pacing.give_back("a")
    assert done == list(range(5_000))


def test_an_origin_with_nothing_going_on_is_forgotten() -> None:
    pacing = Pacing(Clock(), 1)
    for number in range(5_000):
        result_of(pacing.take(number))
        pacing.give_back(number)
        assert len(pacing) == 0


def test_what_must_be_remembered_is_until_it_is_over() -> None:
    clock = Clock()
    pacing = Pacing(clock, 1, rate=10)  # 100 ms are to pass before an origin is asked again
    most = 0
    for number in range(5_000):
        result_of(pacing.take(number))
        if number % 10 == 0:
            pacing.cool_down(number, 1)
        pacing.give_back(number)
        most = max(most, len(pacing))
        clock.advance(0.001)
    assert 150 <= most <= 250  # a tenth of the last 1,000, and the last 100
    clock.advance(1)
    for _ in range(most):  # whoever comes next sweeps
        result_of(pacing.take("next"))
        pacing.give_back("next")
        clock.advance(0.1)
    clock.advance(0.1)
    result_of(pacing.take("last"))
    assert len(pacing) == 1


def test_a_rest_outlives_all_that_asked_for_it() -> None:
    client = paced(per_host=1)
    client.asks("a", 1)
    client.pacing.cool_down("a", 60)
    client.clock.advance(1)
    for number in range(50):
        client.asks(f"other {number}", 0.5)
        client.clock.advance(1)
    waits = client.asks("a", 1)
    client.clock.advance(8.9)
    assert is_waiting(waits)
    client.clock.advance(0.2)
    assert not is_waiting(waits)
    client.clock.advance(1)
    assert not is_waiting(client.asks("whoever comes next"))
    assert len(client.pacing) == 1


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("ab"), st.integers(1, 12)),
        st.tuples(st.just("rest"), st.sampled_from("ab"), st.integers(1, 20)),
        st.tuples(st.just("cancel"), st.just(""), st.integers(0, 50)),
        st.tuples(st.just("pass"), st.just(""), st.integers(1, 8)),
    ),
    max_size=60,
)


@given(acts=ACTS, per_host=st.integers(1, 3), rate=st.sampled_from([None, 1.0, 3.0]))
def test_the_promises_hold_whatever_happens(
    acts: list[tuple[str, str, int]], per_host: int, rate: float | None
) -> None:
    client = paced(per_host, rate)
    rests: dict[str, list[tuple[float, float]]] = {"a": [], "b": []}
    cancelled: set[int] = set()
    for act, origin, number in acts:
        if act == "ask":
            client.asks(origin, number / 4)
        elif act == "rest":
            now = client.clock.seconds()
            rests[origin].append((now, now + number / 4))
            client.pacing.cool_down(origin, number / 4)
        elif act == "cancel" and number < len(client.turns):
            if is_waiting(client.turns[number]):
                cancelled.add(number)
            client.turns[number].cancel()
        elif act == "pass":
            client.clock.pump([0.125] * number)
        assert max(client.active.values(), default=0) <= per_host
    client.clock.pump([0.125] * (8 * 8 * len(client.turns) + 50))  # each has had its turn
    assert len(client.began) + len(cancelled) == len(client.turns)
    for origin in "ab":
        numbers = [number for host, number, _ in client.began if host == origin]
        times = [when for host, _, when in client.began if host == origin]
        assert numbers == sorted(numbers)
        if rate is not None:
            gaps = [later - earlier for earlier, later in pairwise(times)]
            assert min(gaps, default=1.0) >= 1 / rate
        for begin, end in rests[origin]:
            # What began at the moment it was told had begun before.
            assert not [when for when in times if begin < when < end]
    client.asks("a", 0.1)  # whoever comes next sweeps
    client.asks("a", 0.1)
    client.clock.pump([0.125] * 20)
    assert len(client.pacing) <= 1
    assert client.clock.getDelayedCalls() == []


def test_what_is_free_is_taken_at_once() -> None:
    pacing = Pacing(Clock(), 2)
    assert [pacing.take_at_once(origin) for origin in "aaab"] == [True, True, False, True]
    pacing.give_back("a")
    assert pacing.take_at_once("a")
    waiting = pacing.take("a")
    pacing.give_back("a")
    assert not is_waiting(waiting)
    for origin in "aab":
        pacing.give_back(origin)
    assert len(pacing) == 0


def test_who_takes_at_once_is_never_before_one_who_waits() -> None:
    pacing = Pacing(Clock(), 1)
    result_of(pacing.take("a"))
    taken: list[bool] = []
    first, second = pacing.take("a"), pacing.take("a")
    first.addCallback(lambda _: taken.append(pacing.take_at_once("a")))
    pacing.give_back("a")
    assert taken == [False]
    assert is_waiting(second)


@pytest.mark.parametrize("rest", ["rate", "rests"])
def test_nothing_is_taken_at_once_that_must_be_paced(rest: str) -> None:
    pacing = Pacing(Clock(), 2, rate=1 if rest == "rate" else None)
    if rest == "rests":
        pacing.cool_down("a", 5)
    assert not pacing.take_at_once("a")
    assert not pacing._shares


def test_who_goes_on_is_before_all_who_have_not_begun() -> None:
    pacing = Pacing(Clock(), 1)
    result_of(pacing.take("a"))
    waiting, again, third = pacing.take("a"), pacing.take("a", True), pacing.take("a", True)
    pacing.give_back("a")
    assert [is_waiting(one) for one in (waiting, again, third)] == [True, False, True]
    third.cancel()
    assert is_waiting(waiting)
    third.addErrback(lambda failure: failure.trap(CancelledError))
    third = pacing.take("a", True)
    pacing.give_back("a")
    assert [is_waiting(one) for one in (waiting, third)] == [True, False]
