"""A message that is made in a faster way says what `format` would."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as some

from toolkit.log.plain import plain_of

values = some.none() | some.booleans() | some.integers() | some.floats() | some.text()


@given(values, values, some.text().map(lambda text: text.replace("{", "{{").replace("}", "}}")))
def test_a_message_is_the_same_as_by_format(a: Any, b: Any, literal: str) -> None:
    event = {"a": a, "b": b, "log_text": "t"}
    for format, whole in (  # noqa: A001 - the name it has in twisted.logger
        (f"{literal}{{a}}% {{b}}{literal}{{a}}%s", ("a", "b", "a")),
        (f"%{literal}{{log_text}}", ("log_text",)),
        (f"{{a!r:>9}} {literal}", ("a",)),
        (f"%d {literal}", ()),
    ):
        plain = plain_of(format, whole, {"a": "a", "b": "b"})
        assert plain is not None
        assert plain.message(event) == format.format_map(event)
        assert plain.values(event) == (a, b) or (a != a or b != b)


def test_a_record_has_the_names_of_a_line() -> None:
    plain = plain_of("", (), {"time": "time_", "level": "level_"})
    assert plain is not None
    record = plain.record("noon", "info", "shop", "", *plain.values({"time": 1, "level": 2}))
    assert msgspec.json.decode(msgspec.json.encode(record)) == {
        "time": "noon",
        "level": "info",
        "namespace": "shop",
        "message": "",
        "time_": 1,
        "level_": 2,
    }


@pytest.mark.parametrize("name", ['"', "\\", "\n", "\ud800"])
def test_a_name_that_json_escapes_is_not_plain(name: str) -> None:
    assert plain_of("", (), {name: name}) is None


def test_a_message_of_what_is_no_field_is_not_plain() -> None:
    assert plain_of("{log_time}", ("log_time",), {"a": "a"}) is None
