"""A secret can be read when it is asked for, and in no other way by accident."""

from __future__ import annotations

import copy
import json
import traceback
from typing import Any

import msgspec
import pytest

from toolkit.secret import Secret
from toolkit.settings import Settings

HUSH = "hush-4711"


class Account(Settings):
    """Holds one."""

    password: Secret | None = None


def test_it_is_revealed_to_who_asks() -> None:
    assert Secret(HUSH).reveal() == HUSH


@pytest.mark.parametrize("form", ["{}", "{!r}", "{!s}", "{!a}"])
def test_it_does_not_print(form: str) -> None:
    assert form.format(Secret(HUSH)) == "****"
    for holder in ([Secret(HUSH)], {"key": Secret(HUSH)}, Account(password=Secret(HUSH))):
        shown = form.format(holder)
        assert "****" in shown
        assert HUSH not in shown


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, msgspec.to_builtins])
def test_it_cannot_be_encoded_by_mistake(encode: Any) -> None:
    with pytest.raises(TypeError) as caught:
        encode({"password": Secret(HUSH)})
    assert HUSH not in "".join(traceback.format_exception(caught.value))


def test_it_has_no_fields_to_be_listed() -> None:
    with pytest.raises(TypeError):
        vars(Secret(HUSH))


def test_two_of_the_same_value_are_equal_and_no_text_is() -> None:
    assert Secret(HUSH) == copy.copy(Secret(HUSH))
    assert len({Secret(HUSH), Secret(HUSH), Secret("other")}) == 2
    assert Secret(HUSH) != Secret("other")
    assert Secret(HUSH) != HUSH
