"""What is worked out once for each place that logs: its fields, its format, its secrets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as some
from twisted.logger import LogEvent

from toolkit.log.shape import OWN_KEYS, shape_of


def event(message: Any, /, **fields: Any) -> LogEvent:
    return {"log_format": message, "log_level": None, **fields}


def test_events_of_one_place_have_one_shape_whatever_their_values() -> None:
    assert shape_of(event("n is {n}", n=1)) is shape_of(event("n is {n}", n="two"))
    assert shape_of(event("n is {n}", n=1)) is not shape_of(event("n is {n}", n=1, m=2))


def test_a_long_format_is_not_kept_in_memory() -> None:
    given = event("x" * 1000 + "{token}", token=1)
    assert shape_of(given) == shape_of(given)
    assert shape_of(given) is not shape_of(given)


def test_fields_are_all_but_the_logs_own_and_secrets_and_unshown_those_not_in_the_message() -> None:
    shape = shape_of(event("{a} {b.c}", a=1, b=2, d=3, token=4, log_system="s"))
    assert shape.fields == (("a", "a"), ("b", "b"), ("d", "d"))
    assert shape.unshown == (("d", "d"),)
    assert (shape.secrets, shape.unshown_secrets) == (("token",), ("token",))


def test_a_secret_that_the_message_names_is_masked_in_it() -> None:
    shape = shape_of(event("with {token!r:>9} {request.password}", token=4, request=5))
    assert shape.format == "with **** ****"
    assert (shape.secrets, shape.unshown_secrets) == (("token",), ())
    assert (shape.whole, shape.paths) == ((), ())


def test_a_name_of_the_line_gets_an_underscore_and_stays_alone() -> None:
    names = [name for _, name in shape_of(event("x", level=1, level_=2, message=3)).fields]
    assert names == ["level_", "level__", "message_"]


def test_a_path_is_looked_up_and_has_a_name_anew() -> None:
    shape = shape_of(event("{{{n:03d}}} {a.b[0]!r:>4} {call()}", n=1, a=2, call=3))
    assert shape.format == "{{{n:03d}}} {log_path0!r:>4} {log_path1}"
    assert shape.whole == ("n",)
    (_, first, steps), (_, second, calls) = shape.paths

    class Holder:
        b = ("found",)

    value: Any = Holder()
    for step in steps:
        value = step(value)
    assert (first, value) == ("a", "found")
    assert (second, calls[0](lambda: 7)) == ("call", 7)


@pytest.mark.parametrize("message", ["{unclosed", "}", "{} {0}", "{n:{width}}", b"bytes", 7])
def test_what_only_twisted_can_tell_has_no_format(message: Any) -> None:
    assert shape_of(event(message, n=1, width=2)).format is None


def test_an_event_that_was_flattened_has_none_either() -> None:
    assert shape_of(event("{n}", n=1, log_flattened={})).format is None
    assert shape_of({}).format == ""


@given(some.text(), some.lists(some.text() | some.sampled_from(OWN_KEYS), unique=True))
def test_any_event_has_a_shape_with_a_name_of_its_own_for_each_field(
    message: str, keys: list[str]
) -> None:
    shape = shape_of({**dict.fromkeys(keys, 1), "log_format": message})
    names = [name for _, name in shape.fields] + list(shape.secrets)
    assert len(set(names)) == len(names) == sum(not key.startswith("log_") for key in keys)
    assert not set(names) & set(OWN_KEYS)
