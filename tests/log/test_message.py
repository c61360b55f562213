"""An event's message and traceback are made by Twisted's rules, and tell no secret."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure

from toolkit.log.message import message_of, traceback_of, without_legacy
from toolkit.log.secrets import Masks
from toolkit.log.shape import shape_of
from toolkit.log.value import LIMIT, Values

VALUES = Values(Masks())


def message(text: Any, /, **fields: Any) -> str:
    event: LogEvent = {"log_format": text, **fields}
    return message_of(shape_of(event), event, VALUES)


def failed(error: BaseException) -> Failure:
    try:
        raise error
    except type(error):
        return Failure()


class Counting:
    """Notes how often it is shown."""

    count = 0

    def __str__(self) -> str:
        self.count += 1
        return "counted"


@pytest.mark.parametrize("text", ["{n:05d} {{}}", "{row[0]} {row.__len__()}", "{f()!r:>4}", "{} "])
def test_it_is_the_message_that_twisted_makes(text: str) -> None:
    fields = {"n": 7, "row": [1, 2], "f": lambda: "x"}
    assert message(text, **fields) == formatEvent({"log_format": text, **fields})


def test_a_field_is_shown_once_for_each_time_it_is_named() -> None:
    counting = Counting()
    assert message("{value} {value!s}", value=counting) == "counted counted"
    assert counting.count == 2


def test_making_it_leaves_the_event_as_it_was() -> None:
    event: LogEvent = {"log_format": "{a[token]} {a} {b.real}", "a": {"token": 1}, "b": 2}
    before = {**event, "a": dict(event["a"])}
    assert message_of(shape_of(event), event, VALUES) == "**** {'token': '****'} 2"
    assert event == before


def test_a_message_that_cannot_be_made_is_told_without_its_secrets() -> None:
    told = message("{nothing}", password="hunter2", headers={"cookie": "hunter2"})
    assert told.startswith("Unable to format event")
    assert "hunter2" not in told


def test_an_interrupt_of_the_user_goes_on() -> None:
    class Interrupting:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        message("{value}", value=Interrupting())


def test_a_long_message_is_cut() -> None:
    assert len(message("{value}", value="x" * 10 * LIMIT).encode()) < LIMIT + 100


def test_without_a_failure_there_is_no_traceback() -> None:
    assert traceback_of({}, VALUES) == traceback_of({"log_failure": None}, VALUES) == ""


def test_a_traceback_ends_with_the_error_and_no_line_break() -> None:
    trace = traceback_of({"log_failure": failed(ValueError("bad"))}, VALUES)
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("ValueError: bad")


def test_an_error_whose_text_cannot_be_made_has_a_traceback_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise OSError

    assert "Broken" in traceback_of({"log_failure": failed(Broken())}, VALUES)


def test_an_event_that_went_through_the_old_log_loses_only_what_that_put_there() -> None:
    event: LogEvent = {
        "log_namespace": "shop", "log_format": "x", "log_time": 5.0, "log_system": "-",
        "log_legacy": object(), "isError": 0, "message": (), "time": 5.0, "system": "-",
        "format": "%(log_legacy)s", "sum": 3,
    }  # fmt: skip
    assert without_legacy(event) == {
        "log_namespace": "shop",
        "log_format": "x",
        "log_time": 5.0,
        "log_system": "-",
        "sum": 3,
    }
    mine: LogEvent = {**event, "message": "words", "time": 9.0, "system": "till", "format": "pdf"}
    kept = without_legacy(mine)
    assert [kept[key] for key in ("message", "time", "system", "format")] == [
        "words",
        9.0,
        "till",
        "pdf",
    ]
