"""A line of text is for people: its columns, its quotes, its traceback on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as some
from twisted.logger import LogLevel

from tests.log.lines import HOSTILE, WHEN, after_message, event, failed, text
from toolkit.log.secrets import Masks
from toolkit.log.textline import TextFormat, one_line


def test_a_line_of_text_has_time_zone_level_namespace_message_and_fields() -> None:
    line = text(event("paid {sum}", sum=3, customer="Ann Lee", card=None))
    time, rest = line[:29], line[29:]
    assert datetime.fromisoformat(time) == datetime.fromtimestamp(WHEN, UTC)
    assert rest == ' info     shop.cart: paid 3 customer="Ann Lee" card=None'


def test_a_line_break_in_text_is_seen_as_one() -> None:
    assert after_message("a\nb\x1b\u2028", field="c\r\td") == r'a\nb\x1b\u2028 field="c\r\td"'


def test_text_shows_a_container_as_json_and_quotes_what_needs_it() -> None:
    assert after_message("x", rows=[1, {"a": b"b"}]) == 'x rows=[1,{"a":"b"}]'
    assert after_message("x", a="", b='say "no"', c="a=b", d="C:\\x", e="ok") == (
        r'x a="" b="say \"no\"" c="a=b" d="C:\\x" e=ok'
    )


def test_on_a_terminal_the_level_is_coloured_and_the_traceback_below() -> None:
    render = TextFormat(Masks(), terminal=True)
    error = ValueError("no\n2030-01-01 00:00:00.000+00:00 info forged: line\x1b[2J")
    lines = render(event("x\ny", log_level=LogLevel.error, log_failure=failed(error))).decode()
    first, *below = lines.removesuffix("\n").split("\n")
    assert "\x1b[31merror   \x1b[0m shop.cart: x\\ny" in first
    assert below[0] == "    | Traceback (most recent call last):"
    assert "    | 2030-01-01 00:00:00.000+00:00 info forged: line\\x1b[2J" in below
    assert all(line.startswith("    | ") and "\x1b" not in line for line in below)


@pytest.mark.parametrize(
    ("level", "colour"),
    [
        (LogLevel.debug, "2"),
        (LogLevel.info, "32"),
        (LogLevel.warn, "33"),
        (LogLevel.error, "31"),
        (LogLevel.critical, "1;31"),
    ],
)
def test_each_level_has_its_colour_and_the_same_width(level: Any, colour: str) -> None:
    line = TextFormat(Masks(), terminal=True)(event("x", log_level=level)).decode()
    assert f" \x1b[{colour}m{level.name:<8}\x1b[0m shop.cart: x\n" in line


def test_a_name_that_would_look_like_two_fields_is_one() -> None:
    assert after_message("x", **{'a b="c': 1, "d\x1b": 2}) == r"x a_b__c=1 d\x1b=2"


def test_a_secret_field_is_named_and_not_shown() -> None:
    assert after_message("x", token="hunter2", n=1) == "x n=1 token=****"


@given(some.text(some.characters(exclude_characters="\\")) | some.text(HOSTILE))
def test_what_one_line_escapes_is_escaped_as_in_python(line: str) -> None:
    shown = one_line(line)
    assert not any(one in shown for one in HOSTILE if not one.isalnum() and one != "[")
    assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == line
