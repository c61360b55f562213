"""A line of JSON holds the event whole and reads back, whichever of its ways it was made in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as some
from twisted.logger import LogEvent, LogLevel

from tests.log.lines import HOSTILE, as_json, event, failed
from toolkit.log.jsonline import JsonFormat
from toolkit.log.secrets import Masks


def test_a_line_of_json_has_time_level_namespace_message_and_all_fields() -> None:
    assert as_json(event("paid {sum}", sum=3, customer="Ann Lee", card=None)) == {
        "time": "2023-11-14T22:13:20.250000Z",
        "level": "info",
        "namespace": "shop.cart",
        "message": "paid 3",
        "sum": 3,
        "customer": "Ann Lee",
        "card": None,
    }


def test_a_field_named_like_a_key_of_the_line_gets_an_underscore() -> None:
    fields = {"time": 1, "level": 2, "namespace": 3, "message": 4, "traceback": 5, "level_": 6}
    read = as_json(event("x", **fields))
    assert read["level"] == "info"
    assert (read["time_"], read["namespace_"], read["message_"], read["traceback_"]) == (1, 3, 4, 5)
    assert {read["level_"], read["level__"]} == {2, 6}


def test_json_reads_back_what_was_logged_where_text_had_to_be_escaped() -> None:
    read = as_json(event("x", a="é\x85\u2028\U000e0041\x00\n\x7f", b="\ud800"))
    assert read["a"] == "é\x85\u2028\U000e0041\x00\n\x7f"
    assert read["b"] == r"\ud800"


def test_values_that_json_does_not_know_are_text() -> None:
    class Colour(Enum):
        RED = "red"

    read = as_json(
        event(
            "x",
            path=Path("/srv"),
            raw=b"caf\xc3\xa9 \xff",
            day=datetime(2024, 2, 29, tzinfo=UTC),
            address=ip_address("127.0.0.1"),
            sum=Decimal("1.10"),
            id=UUID(int=1),
            colour=Colour.RED,
            error=ValueError("bad"),
            failure=failed(KeyError("gone")),
            kind=dict,
            nan=float("nan"),
            big=2**80,
            huge=10**100_000,
            several={1},
            table={b"k": (1, 2), 3: None},
        )
    )
    assert read["path"] == "/srv"
    assert read["raw"] == r"café \xff"
    assert read["day"] == "2024-02-29T00:00:00+00:00"
    assert read["address"] == "127.0.0.1"
    assert read["sum"] == "1.10"
    assert read["id"] == "00000000-0000-0000-0000-000000000001"
    assert read["colour"] == "red"
    assert read["error"] == "ValueError: bad"
    assert read["failure"] == "KeyError: 'gone'"
    assert read["kind"] == "<class 'dict'>"
    assert read["nan"] == "nan"
    assert read["big"] == 2**80
    assert read["huge"] == "<int of 332193 bits>"
    assert read["several"] == [1]
    assert read["table"] == {"k": [1, 2], "3": None}


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    table: dict[str, Any] = {"ring": ring}
    table["self"] = table
    read = as_json(event("{ring} {table}", ring=ring, table=table))
    assert "…" in json.dumps(read["table"], ensure_ascii=False)
    assert len(json.dumps(read)) < 100_000


def test_a_value_that_is_very_deep_comes_to_an_end() -> None:
    deep: Any = "bottom"
    for _ in range(100_000):
        deep = [deep]
    assert as_json(event("x", deep=deep))["deep"] == [[[[[["…"]]]]]]
    assert as_json(event("{deep}", deep=deep))["deep"] == [[[[[["…"]]]]]]


texts = some.text(some.characters()) | some.text(HOSTILE)
plain = some.none() | some.booleans() | some.integers() | some.floats() | texts | some.sampled_from(
    ["http://a:b@c/", "/x?token=abc", "/x?item=1&y=2", "hunter2", "{b}", "null", "x" * 3000]
)  # fmt: skip
names = some.sampled_from(["a", "b", "path", "time", "token", "level_"]) | texts


@settings(max_examples=300, deadline=None)
@given(
    some.sampled_from(["plain", "{a} {b}", "{a!r:>5}", "{missing}", "?token={a}", "{a.real}"]),
    some.dictionaries(names, plain, max_size=5),
    some.booleans(),
)
def test_the_line_that_is_made_at_once_is_the_one_that_care_would_make(
    message: str, fields: dict[str, Any], hidden: bool
) -> None:
    masks = Masks()
    if hidden:
        masks.hide("hunter2")
        masks.hide('say "no"')
    render = JsonFormat(masks)
    given: LogEvent = {**fields, "log_format": message, "log_time": 1e9 + 0.25}
    given |= {"log_namespace": "shop", "log_level": LogLevel.warn}
    line = render.at_once(given)
    assert line is None or line == render._with_care(given)


@settings(max_examples=200, deadline=None)
@given(some.lists(some.dictionaries(names, plain, max_size=3), max_size=4), some.booleans())
def test_lines_that_are_made_together_are_those_that_each_event_has(
    many: list[dict[str, Any]], hidden: bool
) -> None:
    masks = Masks()
    if hidden:
        masks.hide("hunter2")
    render = JsonFormat(masks)
    same: LogEvent = {"log_format": "plain", "log_namespace": "shop", "log_time": 1e9 + 0.25}
    events: list[LogEvent] = [{**fields, **same} for fields in many]
    held = [(record, one) for one in events if (record := render.record(one)) is not None]
    assert render.together(held) == b"".join(render(one) for _, one in held)


def test_a_usual_event_is_made_at_once() -> None:
    given = event("{a}", a=1, b="/x?item=1", c=0.5)
    assert JsonFormat(Masks()).at_once(given) is not None


class Odd(str):
    """Text that may do anything when it is shown."""


@pytest.mark.parametrize(
    "fields",
    [
        {"a": "é"},
        {"a": "\x7f"},
        {"a": "\ud800"},
        {"a": float("inf")},
        {"a": "x" * 10_000},
        {"a": [1]},
        {"a": Odd("x")},
        {"log_namespace": Odd("shop")},
        {"log_text": Odd("x")},
        {"a": "to hunter2"},
    ],
)
def test_an_event_that_asks_for_care_is_not_made_at_once(fields: dict[str, Any]) -> None:
    masks = Masks()
    masks.hide("hunter2")
    render = JsonFormat(masks)
    given = event("x", **fields)
    assert render.at_once(given) is None
    assert json.loads(render(given))["message"] == "x"


def test_one_that_asks_for_care_does_not_cost_the_others_their_lines() -> None:
    render = JsonFormat(Masks())
    events = [event("before"), event("é"), event("after")]
    held = [(record, one) for one in events if (record := render.record(one)) is not None]
    lines = render.together(held).decode().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["before", "é", "after"]
