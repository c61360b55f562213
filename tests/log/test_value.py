"""One value: never more than 16 KiB, no half of a secret, and only what JSON knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as some

from toolkit.log.secrets import Masks
from toolkit.log.value import LIMIT, Values, cut, scrubbed

MARK = "…[cut: "


@pytest.fixture
def values() -> Values:
    return Values(Masks())


@given(some.integers(0, 3 * LIMIT), some.sampled_from(["x", "é", "€", "\U0001f600", "\ud800"]))
def test_text_is_kept_whole_or_cut_to_16_kib_with_a_mark(length: int, letter: str) -> None:
    text = letter * length
    size = len(text.encode("utf-8", "backslashreplace"))
    result = cut(text)
    if size <= LIMIT:
        assert result == text
    else:
        assert result.endswith(f"{MARK}{length} characters in all]")
        kept = result[: result.index(MARK)].encode("utf-8", "backslashreplace")
        assert LIMIT - 10 < len(kept) <= LIMIT


def test_the_tail_that_was_asked_for_is_kept() -> None:
    result = cut("a" * LIMIT + "€" * LIMIT + "the end", tail=1000)
    head, _, rest = result.partition(MARK)
    end = rest.partition("]")[2]
    assert head == "a" * (LIMIT - 1000)
    assert end.endswith("€the end")
    assert 990 < len(end.encode()) <= 1000


def test_far_too_long_text_says_how_long_it_was(values: Values) -> None:
    assert f"{MARK}10000000 characters in all]" in values.text("x" * 10_000_000)


@given(some.integers(0, 9 * LIMIT))
def test_a_hidden_value_is_not_half_shown_wherever_text_is_cut(before: int) -> None:
    masks = Masks()
    masks.hide("hunter2-correct-horse")
    text = Values(masks).text("." * before + "hunter2-correct-horse" + "." * LIMIT, tail=LIMIT // 2)
    assert "hunter" not in text
    assert "horse" not in text


def test_halves_of_surrogate_pairs_are_escaped_and_nothing_else() -> None:
    value = {"k\ud800": ["\udfff", "é\U0001f600", 1, None]}
    assert scrubbed(value) == {"k\\ud800": ["\\udfff", "é\U0001f600", 1, None]}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (memoryview(b"caf\xc3\xa9"), "café"),
        (bytearray(b"\xff"), "\\xff"),
        (float("-inf"), "-inf"),
        (True, True),
        ({"password": {"deep": 1}, b"n": (1,)}, {"password": "****", "n": [1]}),
        ([], []),
    ],
)
def test_a_value_is_made_of_what_json_knows(values: Values, value: object, plain: object) -> None:
    assert values.plain(value) == plain


def test_a_hidden_number_is_masked_and_another_is_a_number() -> None:
    masks = Masks()
    masks.hide("4711")
    assert Values(masks).plain([4711, 47110, 4, 4711.5, True]) == ["****", "****", 4, "****", True]


def test_of_a_large_collection_the_beginning_is_kept_and_its_size_told(values: Values) -> None:
    rows = values.plain(["x" * 1000] * 100)
    assert rows[-1] == f"{MARK}100 in all]"
    assert len(json.dumps(rows)) < 2 * LIMIT
    table = values.plain({f"k{number}": "x" * 1000 for number in range(100)})
    assert table["…"] == f"{MARK}100 in all]"


def test_a_collection_that_breaks_while_it_is_read_is_shown_all_the_same(values: Values) -> None:
    class Breaking(list[int]):
        def __iter__(self) -> Iterator[int]:
            raise SystemExit

    class Interrupting(list[int]):
        def __iter__(self) -> Iterator[int]:
            raise KeyboardInterrupt

    assert values.plain(Breaking()) == "<Breaking that cannot be shown: SystemExit>"
    with pytest.raises(KeyboardInterrupt):
        values.plain(Interrupting())


anything: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.integers() | some.floats() | some.text() | some.binary() | some.dates(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text() | some.binary(), inner),
    max_leaves=8,
)


@given(anything)
def test_any_value_can_be_encoded(value: Any) -> None:
    plain = scrubbed(Values(Masks()).plain(value))
    assert msgspec.json.decode(msgspec.json.encode(plain)) == plain
