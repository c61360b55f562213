"""What lines of text and of JSON have in common: each is one, of bounded length, at its time."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.logger import LogEvent, Logger, LogLevel

from tests.log.lines import HOSTILE, WHEN, after_message, as_json, event, failed, text
from toolkit.log.format import Render
from toolkit.log.jsonline import JsonFormat
from toolkit.log.secrets import Masks
from toolkit.log.textline import TextFormat


class Broken:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise SystemExit("no")


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


def test_keys_that_begin_with_log_are_not_shown() -> None:
    assert "log_" not in json.dumps(as_json(event("x", log_system="s", log_trace=[])))
    assert after_message("x", log_system="s") == "x"


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
