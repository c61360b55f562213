"""The pace of a statement, by the times it ran."""

from __future__ import annotations

from hypothesis import given, strategies as st

from toolkit.database.pace import QUICK, TURN_SECONDS, Pace

TIMES = st.lists(st.floats(0, 1e6), min_size=1)


def test_what_never_ran_takes_a_whole_turn() -> None:
    assert Pace().share == 1


def test_what_is_quick_takes_its_share_of_a_turn() -> None:
    pace = Pace()
    pace.note(TURN_SECONDS / 10)
    assert pace.share == 0.1


def test_what_is_not_quick_takes_a_whole_turn() -> None:
    pace = Pace()
    pace.note(TURN_SECONDS * QUICK)
    assert pace.share == 1


def test_one_slow_time_is_the_process_being_busy_many_are_the_statement() -> None:
    pace = Pace()
    pace.note(0.0001)
    pace.note(1.0)
    assert pace.share < 1
    for _ in range(30):
        pace.note(1.0)
    assert pace.share == 1


@given(TIMES)
def test_it_is_never_more_than_the_last_time_and_never_less_than_the_shortest(
    times: list[float],
) -> None:
    pace = Pace()
    for seconds in times:
        pace.note(seconds)
    assert min(times) <= pace.seconds <= times[-1]
    assert 0 <= pace.share <= 1


def test_one_that_is_forgotten_is_quick_when_it_has_run_again() -> None:
    pace = Pace()
    pace.note(0.0001)
    pace.forget()
    assert pace.share == 1
    pace.note(0.0001)
    assert pace.share < 1


def test_one_that_failed_is_alone_for_long() -> None:
    pace = Pace()
    pace.note(0.0001)
    pace.fail()
    for _ in range(999):
        pace.note(0.0001)
    assert pace.share == 1
    pace.note(0.0001)
    assert pace.share < 1
