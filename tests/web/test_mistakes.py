"""What is wrong with a record is told by its field, in words."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import Meta

from toolkit.web.mistakes import Mistakes

Word = Annotated[str, Meta(pattern="^[a-z]+$", description="small letters")]


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    word: Word = "a"
    words: list[Word] = []
    named: dict[Word, int] = {}
    perhaps: Word | None = None
    bare: Annotated[str, Meta(pattern="^x*$")] = ""
    sizes: Annotated[list[int], Meta(max_length=2)] = []
    trees: list[Tree] = []


def told(value: Any) -> str:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Tree)
    return Mistakes(Tree).told(caught.value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"word": "A"}, "word: expected small letters"),
        ({"words": ["a", "B"]}, "words[1]: expected small letters"),
        ({"named": {"A": 1}}, "named: a key: expected small letters"),
        ({"perhaps": "A"}, "perhaps: expected small letters"),
        ({"trees": [{"word": "A"}]}, "trees[0].word: expected small letters"),
        ({"bare": "y"}, "bare: it is not of the form that is allowed"),
        ({"sizes": [1, 2, 3]}, "sizes: expected array of length <= 2"),
        ({"wrod": "a"}, "wrod: unknown field; did you mean 'word'?"),
        ({"trees": [{"wrod": "a"}]}, "trees[0].wrod: unknown field"),
    ],
)
def test_a_mistake_is_told_by_its_field_in_words(value: Any, sentence: str) -> None:
    assert told(value) == sentence


def test_a_type_that_is_no_record_has_no_fields() -> None:
    mistakes = Mistakes(list[Word])
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(["A"], list[Word])
    assert mistakes.names == set()
    assert mistakes.told(caught.value) == "[0]: expected small letters"


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text() | st.lists(st.text())))
def test_no_sentence_holds_a_pattern_or_a_line_of_its_own(value: Any) -> None:
    try:
        msgspec.convert(value, Tree)
    except msgspec.ValidationError as error:
        sentence = Mistakes(Tree).told(error)
        assert "regex" not in sentence
        assert len(sentence) < 500
