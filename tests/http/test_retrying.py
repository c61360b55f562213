"""What is tried again is what may be, as often as it may be, when it may be."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from random import Random
from time import asctime, gmtime, strftime

import pytest
from hypothesis import given, strategies as st

from toolkit.http.failures import FetchError
from toolkit.http.retrying import Retrying, seconds_wanted

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110


def retrying(
    retries: int = 2, random: Callable[[], float] = lambda: 0.5, now: float = NOW
) -> Retrying:
    return Retrying(random, lambda: now, retries)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
def test_what_may_be_sent_twice_is(method: bytes) -> None:
    assert retrying().after_answer(method, 503, [], 1) == 0.25
    assert retrying().after_failure(method, FetchError("", "disconnected"), 1) == 0.25


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"CONNECT", b"get", b"", b"MOVE"])
def test_what_may_not_be_sent_twice_is_not(method: bytes) -> None:
    assert retrying().after_answer(method, 503, [b"1"], 1) is None
    assert retrying().after_failure(method, FetchError("", "disconnected"), 1) is None


def test_only_those_answers_that_tell_of_trouble_that_passes_are_tried_again() -> None:
    tried = {
        status
        for status in range(100, 1000)
        if retrying().after_answer(b"GET", status, [b"0"], 1) is not None
    }
    assert tried == {429, 502, 503, 504}


def test_only_those_failures_that_may_pass_are_tried_again() -> None:
    codes = (FetchError.__doc__ or "").split("stable: ")[1].partition(".")[0].replace("\n", " ")
    known = {code.strip() for code in codes.split(",")}
    tried = {
        code
        for code in known
        if retrying().after_failure(b"GET", FetchError("", code), 1) is not None
    }
    assert tried == {
        "connect-refused",
        "connect-unreachable",
        "connect-timeout",
        "disconnected",
        "truncated",
    }
    assert {"decode-failed", "deadline", "tls-untrusted", "cancelled"} <= known


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_each_is_tried_again_so_many_times(retries: int) -> None:
    tries = 1
    decides = retrying(retries)
    while decides.after_answer(b"GET", 502, [], tries) is not None:
        tries += 1
    assert tries == retries + 1


def test_fewer_than_no_retries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        retrying(-1)


@given(tries=st.integers(1, 5_000), drawn=st.floats(0, 1, exclude_max=True))
def test_the_wait_is_drawn_from_all_of_a_bound_that_doubles(tries: int, drawn: float) -> None:
    bound = min(30.0, 0.5 * 2 ** min(tries - 1, 20))
    decides = retrying(5_000, lambda: drawn)
    assert decides.after_answer(b"GET", 503, [], tries) == drawn * bound
    assert decides.after_failure(b"GET", FetchError("", "truncated"), tries) == drawn * bound


def test_the_bound_goes_from_half_a_second_to_thirty() -> None:
    decides = retrying(9, lambda: 1.0)
    waits = [decides.after_answer(b"GET", 503, [], tries) for tries in range(1, 10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        ([b"0"], 0.25),
        ([b"1"], 1.0),
        ([b" 7\t"], 7.0),
        ([b"007"], 7.0),
        ([b"60"], 60.0),
        ([b"61"], None),
        ([b"9" * 5_000], None),
        ([b"1", b"5", b"soon"], 5.0),
        ([b"Sun, 06 Nov 1994 08:49:47 GMT"], 10.0),
        ([b"Sunday, 06-Nov-94 08:49:47 GMT"], 10.0),
        ([b"Sun Nov  6 08:49:47 1994"], 10.0),
        ([b"Sun, 06 Nov 1994 08:50:37 GMT"], 60.0),
        ([b"Sun, 06 Nov 1994 08:50:38 GMT"], None),
        ([b"Sun, 06 Nov 1994 08:49:60 GMT"], 23.0),  # a leap second
        ([b"Sun, 06 Nov 1994 08:49:37 GMT"], 0.25),
        ([b"Sat, 06 Nov 1993 08:49:37 GMT"], 0.25),
        ([b"Sunday, 06-Nov-60 08:49:37 GMT"], 0.25),  # in 66 years, so 34 years ago
        ([b"Sunday, 06-Nov-30 08:49:37 GMT"], None),
    ],
)
def test_retry_after_is_obeyed_up_to_a_minute(values: list[bytes], wait: float | None) -> None:
    assert retrying().after_answer(b"GET", 429, values, 1) == wait


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-1",
        b"+1",
        b"1.5",
        b"1e3",
        b"1 s",
        b"\xb2",
        b"\xd9\xa1",
        b"soon",
        b"Sun, 31 Feb 1994 08:49:47 GMT",
        b"Sun, 06 Nov 1994 25:49:47 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 06 Nov 1994 08:49:47 CET",
        b"Sun, 06 Nov 1994 08:49:47 +0100",
        b"Sun, 06 Foo 1994 08:49:47 GMT",
        b"Sun, 00 Nov 0000 08:49:47 GMT",
        b"1994-11-06T08:49:47Z",
    ],
)
def test_what_is_no_retry_after_is_as_none(value: bytes) -> None:
    assert seconds_wanted([value], NOW) is None
    assert retrying().after_answer(b"GET", 429, [value], 1) == 0.25


@given(now=st.integers(0, 4_000_000_000), ahead=st.integers(0, 1_000_000))
def test_every_date_is_understood_in_every_form(now: int, ahead: int) -> None:
    then = gmtime(now + ahead)
    for date in (
        formatdate(now + ahead, usegmt=True),
        strftime("%A, %d-%b-%y %H:%M:%S GMT", then),
        asctime(then),
    ):
        assert seconds_wanted([date.encode()], now) == ahead


@given(value=st.binary(max_size=40))
def test_nothing_that_a_server_sends_raises(value: bytes) -> None:
    wanted = seconds_wanted([value], NOW)
    assert wanted is None or wanted >= 0


def test_a_run_in_which_all_fails_is_tried_again_ten_times_and_for_each_tenth_request() -> None:
    decides = retrying()
    tried = 0
    for _ in range(1_000):
        decides.begin()
        for tries in (1, 2):
            tried += decides.after_failure(b"GET", FetchError("", "truncated"), tries) is not None
    assert tried == 10 + 100
    assert decides.held_back == 2_000 - tried


def test_what_is_final_anyway_costs_the_run_nothing() -> None:
    decides = retrying()
    for _ in range(100):
        decides.after_answer(b"GET", 429, [b"3600"], 1)
        decides.after_answer(b"GET", 200, [], 1)
        decides.after_answer(b"POST", 503, [], 1)
        decides.after_answer(b"GET", 503, [], 3)
        decides.after_failure(b"GET", FetchError("", "deadline"), 1)
    assert decides.held_back == 0
    assert [decides.after_answer(b"GET", 503, [], 1) for _ in range(11)] == [0.25] * 10 + [None]


def test_those_that_failed_together_do_not_come_back_together() -> None:
    decides = retrying(random=Random(6).random)
    waits = [decides.after_answer(b"GET", 503, [], 1) for _ in range(10)]
    assert len({round(wait, 3) for wait in waits if wait is not None}) == 10


@pytest.mark.parametrize(("left", "wait"), [(0.26, 0.25), (0.25, None), (0.1, None), (0.0, None)])
def test_a_wait_that_takes_all_the_time_there_is_is_not_begun(
    left: float, wait: float | None
) -> None:
    decides = retrying()
    error = FetchError("", "truncated")
    assert decides.after_answer(b"GET", 503, [], 1, left) == wait
    assert decides.after_failure(b"GET", error, 1, left) == wait


def test_a_wait_for_which_there_is_no_time_costs_the_run_nothing() -> None:
    decides = retrying()
    for _ in range(100):
        decides.after_answer(b"GET", 503, [b"20"], 1, 19.0)
    assert decides.after_answer(b"GET", 503, [b"20"], 1, 21.0) == 20
