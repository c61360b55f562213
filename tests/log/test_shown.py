"""Any object is text, whatever its own code does, and what it holds of secrets is masked."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from toolkit.log.shown import masked, name_of, shown


class Raising:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error


class Plain:
    def __repr__(self) -> str:
        return "plain()"


@dataclass
class Login:
    user: str
    password: str = "hunter2"
    inner: Any = field(default=None)


class Key(msgspec.Struct):
    api_key: str = "hunter2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (None, "None"),
        (Plain(), "plain()"),
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (Raising(KeyError("x")), "<Raising that cannot be shown: KeyError>"),
        (Raising(SystemExit()), "<Raising that cannot be shown: SystemExit>"),
        (Raising(RecursionError()), "<Raising that cannot be shown: RecursionError>"),
    ],
)
def test_an_object_is_text(value: object, text: str) -> None:
    assert shown(value) == text


def test_an_error_whose_own_text_cannot_be_made_is_shown_all_the_same() -> None:
    assert shown(ValueError(Raising(OSError()))) == "<ValueError that cannot be shown: OSError>"


def test_an_interrupt_of_the_user_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        shown(Raising(KeyboardInterrupt()))


@pytest.mark.parametrize(
    "value",
    [
        "x",
        7,
        b"x",
        None,
        [1, [2]],
        (1, "a"),
        {"user": "ann", "rows": [{"n": 1}]},
        {1, 2},
        deque([1]),
        Plain(),
        Login,
    ],
)
def test_a_value_without_secrets_is_itself(value: object) -> None:
    assert masked(value) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"token": 1, "a": 2}, "{'token': '****', 'a': 2}"),
        (OrderedDict({b"Cookie": 1}), "{b'Cookie': '****'}"),
        ([{"token": 1}, 2], "[{'token': '****'}, 2]"),
        (deque(({"token": 1},)), "deque([{'token': '****'}])"),
        (Login("ann"), "Login(user='ann', password=****, inner=None)"),
        (
            Login("ann", inner=[Key()]),
            "Login(user='ann', password=****, inner=[Key(api_key=****)])",
        ),
    ],
)
def test_a_secret_within_is_masked_in_a_copy(value: Any, text: str) -> None:
    before = repr(value)
    assert repr(masked(value)) == text
    assert repr(value) == before


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    ring: list[Any] = [{"token": "hunter2"}]
    ring.append(ring)
    assert masked(ring) is not ring


@pytest.mark.parametrize(
    ("key", "name"), [("a", "a"), (b"a\xff", "a\\xff"), (3, "3"), (None, "None")]
)
def test_a_key_is_text(key: object, name: str) -> None:
    assert name_of(key) == name
