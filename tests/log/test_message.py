"""An event's message and traceback are made by Twisted's rules, and tell no secret."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LegacyLogObserverWrapper, LogEvent, extractField, formatEvent
from twisted.python import log as legacy
from twisted.python.failure import Failure

from tests.log.lines import as_json, event, failed, text
from toolkit.log.message import message_of, traceback_of, without_legacy
from toolkit.log.secrets import Masks
from toolkit.log.shape import shape_of
from toolkit.log.value import LIMIT, Values

VALUES = Values(Masks())


def message(text: Any, /, **fields: Any) -> str:
    event: LogEvent = {"log_format": text, **fields}
    return message_of(shape_of(event), event, VALUES)


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
