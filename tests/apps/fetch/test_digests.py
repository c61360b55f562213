"""Digests know each URL there has been, and cost little."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, strategies as st

from apps.fetch.digests import Digests

NUMBERS = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(st.text("ab\udcff", max_size=4), NUMBERS)))
def test_it_is_a_dict_of_numbers(pairs: list[tuple[str, int]]) -> None:
    known: dict[str, int] = {}
    digests = Digests()
    for text, number in pairs:
        assert digests.put(text, number) == (text not in known)
        known[text] = number
        assert len(digests) == len(known)
    assert {text: digests.get(text) for text in known} == known
    assert digests.get("c") is None
    assert "c" not in digests
    assert all(text in digests for text in known)


def test_a_hundred_thousand_urls_take_less_than_ten_megabytes() -> None:
    tracemalloc.start()
    try:
        digests = Digests()
        for number in range(100_000):
            digests.put(f"http://a.example/{number}", number)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 12_000_000  # of which 5 are there before the first
    assert digests.get("http://a.example/54321") == 54321
