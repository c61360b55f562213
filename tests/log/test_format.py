"""A line of the log is one line, says what the event says, and reads back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from twisted.logger import (
    LegacyLogObserverWrapper,
    LogEvent,
    Logger,
    LogLevel,
    extractField,
    formatEvent,
)
from twisted.python import log as legacy
from twisted.python.failure import Failure

from toolkit.log.format import Render
from toolkit.log.jsonline import JsonFormat
from toolkit.log.message import without_legacy
from toolkit.log.secrets import Masks
from toolkit.log.textline import TextFormat

WHEN = 1_700_000_000.25
HOSTILE = "a\r\nb\x1b[2J\x00\x85\x9b1m\u2028c\u2029\ud800\u202e\x7f\x0b\x0c\x1c\x1e"


def event(message: Any = None, /, **fields: Any) -> LogEvent:
    """An event as Logger makes it."""
    return {
        **fields,
        "log_format": message,
        "log_level": fields.get("log_level", LogLevel.info),
        "log_namespace": fields.get("log_namespace", "shop.cart"),
        "log_time": WHEN,
        "log_logger": None,
        "log_source": None,
    }


def failed(error: BaseException) -> Failure:
    """A Failure of an error that was raised."""
    try:
        raise error
    except type(error):
        return Failure()


def text(given: LogEvent) -> str:
    """The event's line of text, without its newline."""
    line = TextFormat(Masks())(given).decode()
    assert line.endswith("\n")
    return line[:-1]


def after_message(message: str, /, **fields: Any) -> str:
    """The line of text from the message on."""
    return text(event(message, **fields)).partition("shop.cart: ")[2]


def as_json(given: LogEvent) -> dict[str, Any]:
    """The event's line of JSON, read back; it is one line, however lines are told."""
    line = JsonFormat(Masks())(given).decode()
    assert line.endswith("\n")
    assert line[:-1].splitlines() == [line[:-1]]
    read: dict[str, Any] = json.loads(line)
    return read


class Broken:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise SystemExit("no")


def test_a_line_of_text_has_time_zone_level_namespace_message_and_fields() -> None:
    line = text(event("paid {sum}", sum=3, customer="Ann Lee", card=None))
    time, rest = line[:29], line[29:]
    assert datetime.fromisoformat(time) == datetime.fromtimestamp(WHEN, UTC)
    assert rest == ' info     shop.cart: paid 3 customer="Ann Lee" card=None'


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


@pytest.mark.parametrize("moment", [WHEN + 0.123456, WHEN + 0.7499999, 1.5, WHEN + 1])
def test_the_time_is_right_to_the_microsecond(moment: float) -> None:
    render = JsonFormat(Masks())
    render(event("the second before"))
    line = json.loads(render({**event("x"), "log_time": moment}))
    exact = datetime.fromtimestamp(moment, UTC)
    assert abs((datetime.fromisoformat(line["time"]) - exact).total_seconds()) <= 1e-6


@pytest.mark.parametrize("moment", [None, "noon", float("nan"), float("inf"), 1e300, -5.0])
def test_an_event_whose_time_is_none_has_the_time_it_is(moment: Any) -> None:
    line = as_json({**event("x"), "log_time": moment})
    assert abs(datetime.fromisoformat(line["time"]).timestamp() - datetime.now().timestamp()) < 60


def test_every_level_is_a_plain_word() -> None:
    levels = [as_json(event("x", log_level=level))["level"] for level in LogLevel.iterconstants()]
    assert levels == ["debug", "info", "warn", "error", "critical"]


def test_an_event_with_nothing_in_it_is_a_line_all_the_same() -> None:
    read = as_json({})
    assert (read["level"], read["namespace"], read["message"]) == ("info", "-", "")
    assert text({}).endswith(" info     -: ")


def test_a_field_named_like_a_key_of_the_line_gets_an_underscore() -> None:
    fields = {"time": 1, "level": 2, "namespace": 3, "message": 4, "traceback": 5, "level_": 6}
    read = as_json(event("x", **fields))
    assert read["level"] == "info"
    assert (read["time_"], read["namespace_"], read["message_"], read["traceback_"]) == (1, 3, 4, 5)
    assert {read["level_"], read["level__"]} == {2, 6}


def test_keys_that_begin_with_log_are_not_shown() -> None:
    assert "log_" not in json.dumps(as_json(event("x", log_system="s", log_trace=[])))
    assert after_message("x", log_system="s") == "x"


class Page:
    """Something to look into."""

    status = 404
    headers: tuple[str, ...] = ("a", "b")

    def title(self) -> str:
        return "Gone"


@pytest.mark.parametrize(
    "message",
    [
        "plain",
        "{{}} {n} {{n}}",
        "{n:05d}|{f:.2f}|{word!r:>12}|{word!s}|{word!a}",
        "{page.status} {page.headers[1]} {page.title()} {page.title.__name__}",
        "{call()} {call().real} {table[key]} {rows[0]}",
        "{n:{width}}",
        "{raw} {rows} {table} {none}",
        "{missing} {n}",
        "{page.nothing}",
        "{} {0}",
        "{unclosed",
        "{n:no such}",
        b"bytes {n}",
        17,
        None,
        "{log_namespace} {log_level.name}",
        "x" * 1500 + "{n}",
    ],
)
def test_the_message_is_the_one_that_twisted_makes(message: Any) -> None:
    given = event(
        message,
        n=7,
        f=1.005,
        width=9,
        word="wörd\t'",
        page=Page(),
        call=lambda: 12,
        table={"key": "value"},
        rows=[1, "two"],
        raw=b"\x00raw",
        none=None,
    )
    assert as_json(given)["message"] == formatEvent(given)


def test_an_event_that_another_observer_has_flattened_keeps_its_message() -> None:
    given = event("{page.title()}", page=Page())
    extractField("page.title()", given)
    given["page"] = None
    assert as_json(given)["message"] == "Gone"


def test_a_field_that_cannot_be_shown_does_not_cost_the_others() -> None:
    read = as_json(event("{broken} {n}", broken=Broken(), n=1, name="Ann"))
    assert read["name"] == "Ann"
    assert read["broken"] == "<Broken that cannot be shown: SystemExit>"
    assert "SystemExit" in read["message"]
    assert "broken=" in after_message("x", broken=Broken())


@pytest.mark.parametrize(
    "value", [HOSTILE, [HOSTILE], {HOSTILE: 1}, HOSTILE.encode("utf-8", "ignore")]
)
def test_no_byte_of_an_event_ends_its_line_or_reaches_the_terminal(value: Any) -> None:
    given = event("got {value}" + HOSTILE, value=value, other=value, log_namespace=f"a{HOSTILE}")
    given[f"k{HOSTILE}"] = value
    given["log_failure"] = failed(ValueError(HOSTILE))
    for render in (TextFormat(Masks()), JsonFormat(Masks())):
        line = render(given).decode()
        assert line.endswith("\n")
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff]", line[:-1])


def test_a_line_break_in_text_is_seen_as_one() -> None:
    assert after_message("a\nb\x1b\u2028", field="c\r\td") == r'a\nb\x1b\u2028 field="c\r\td"'


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


def test_text_shows_a_container_as_json_and_quotes_what_needs_it() -> None:
    assert after_message("x", rows=[1, {"a": b"b"}]) == 'x rows=[1,{"a":"b"}]'
    assert after_message("x", a="", b='say "no"', c="a=b", d="C:\\x", e="ok") == (
        r'x a="" b="say \"no\"" c="a=b" d="C:\\x" e=ok'
    )


@pytest.mark.parametrize("render", [TextFormat(Masks()), JsonFormat(Masks())])
@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, "€" * 10_000_000, b"y" * 10_000_000, ["z" * 100] * 100_000, "\x1b" * 16_000],
    ids=["text", "wide", "bytes", "list", "escapes"],
)
def test_ten_megabytes_are_cut_and_marked(render: Render, value: Any) -> None:
    line = render(event("got {value}", value=value, again=value)).decode()
    assert len(line.encode()) < 300_000
    assert ("…[cut: " in line) is (len(value) > 16_384)
    if isinstance(render, JsonFormat):
        assert len(json.loads(line)["message"].encode()) <= 16 * 1024 + 60


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


def test_a_traceback_is_text_with_its_causes() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        given = event("broken", log_failure=Failure())
    trace = as_json(given)["traceback"]
    assert trace.startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'first'" in trace
    assert trace.endswith("\nValueError: second")
    line = text(given)
    assert r'traceback="Traceback (most recent call last):\n  File \"' in line
    assert line.endswith(r'\nValueError: second"')


def test_the_traceback_of_a_failure_that_was_cleaned_is_there() -> None:
    failure = failed(ValueError("cleaned"))
    failure.cleanFailure()
    assert "in failed" in as_json(event("x", log_failure=failure))["traceback"]
    bare = as_json(event("x", log_failure=Failure(ValueError("never raised"))))
    assert bare["traceback"] == "ValueError: never raised"


@pytest.mark.parametrize("failure", [ValueError("bare"), "words", None])
def test_what_is_no_failure_is_shown_all_the_same(failure: Any) -> None:
    read = as_json(event("x", log_failure=failure))
    assert read["message"] == "x"
    assert str(failure or "") in read["traceback"]


def test_the_end_of_a_long_traceback_is_kept() -> None:
    trace = as_json(event("x", log_failure=failed(ValueError("y" * 100_000 + " the end"))))
    assert trace["traceback"].startswith("Traceback")
    assert "…[cut: " in trace["traceback"]
    assert trace["traceback"].endswith(" the end")


def test_on_a_terminal_the_level_is_coloured_and_the_traceback_below() -> None:
    render = TextFormat(Masks(), terminal=True)
    error = ValueError("no\n2030-01-01 00:00:00.000+00:00 info forged: line\x1b[2J")
    lines = render(event("x\ny", log_level=LogLevel.error, log_failure=failed(error))).decode()
    first, *below = lines.removesuffix("\n").split("\n")
    assert "\x1b[31merror   \x1b[0m shop.cart: x\\ny" in first
    assert below[0] == "    | Traceback (most recent call last):"
    assert "    | 2030-01-01 00:00:00.000+00:00 info forged: line\\x1b[2J" in below
    assert all(line.startswith("    | ") and "\x1b" not in line for line in below)


def old(*message: Any, **fields: Any) -> LogEvent:
    """An event as twisted.python.log publishes it."""
    published: list[LogEvent] = []
    publisher = legacy.LogPublisher()
    publisher._publishPublisher.addObserver(published.append)
    publisher.msg(*message, **fields)
    return without_legacy(published[0])


def test_an_event_of_the_old_log_has_its_message_and_its_own_fields() -> None:
    read = as_json(old("hello", "world", shop=3, system="HTTPChannel,0,127.0.0.1"))
    assert (read["level"], read["message"]) == ("info", "hello world")
    assert (read["shop"], read["system"]) == (3, "HTTPChannel,0,127.0.0.1")
    assert set(read) == {"time", "level", "namespace", "message", "shop", "system"}
    assert as_json(old(format="%(n)d items", n=4))["message"] == "4 items"


def test_a_failure_of_the_old_log_has_its_reason_and_traceback() -> None:
    read = as_json(old(failure=failed(ValueError("bad")), why="while paying", isError=1))
    assert (read["level"], read["message"]) == ("critical", "while paying")
    assert read["traceback"].endswith("ValueError: bad")
    assert set(read) == {"time", "level", "namespace", "message", "traceback"}


def test_an_event_that_an_old_observer_has_seen_first_is_as_it_was() -> None:
    given = event("paid {sum}", sum=3, log_failure=failed(ValueError("bad")))
    mine = event("paid {sum}", sum=3, format="pdf", system="till", message="words", time=5)
    for one in (given, mine):
        before = as_json(dict(one))
        LegacyLogObserverWrapper(lambda _: None)(one)  # type: ignore[arg-type]
        assert "isError" in one
        assert as_json(without_legacy(one)) == before


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp"]))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters()) | st.integers() | st.binary(), inner)
        | st.tuples(inner)
        | st.sets(st.text())
    ),
    max_leaves=10,
)


@given(
    st.text(st.characters()),
    st.dictionaries(st.text(st.characters()), anything, max_size=5),
    st.none() | anything,
)
def test_any_event_is_one_line_and_json_reads_back(
    message: str, fields: dict[str, Any], failure: Any
) -> None:
    given = {**fields, **event(message)}
    if failure is not None:
        given["log_failure"] = failure
    line = text(given)
    assert line.splitlines() == [line]
    read = as_json(given)
    assert set(read) >= {"time", "level", "namespace", "message"}
    for name, value in fields.items():
        if type(value) is str and name.isidentifier() and name.islower() and len(name) < 4:
            assert read[name] == value.encode("utf-8", "backslashreplace").decode()


def test_a_logger_of_twisted_gives_such_events() -> None:
    events: list[LogEvent] = []
    Logger("shop", observer=events.append).warn("n is {n}", n=1)  # type: ignore[arg-type]
    assert as_json(events[0])["message"] == "n is 1"
