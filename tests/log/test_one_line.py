"""One event is one line, whatever it contains, in text and JSON, by both loggers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings, strategies as some
from twisted.logger import LogLevel, LogPublisher
from twisted.python import log as legacy
from twisted.python.failure import Failure

from tests.log.written import Written
from toolkit.log import LogSettings

HOSTILE = "\r\n\x1b\x00\x85\x9b\u2028\u2029\ud800\udfff\u202e\x7f\x0b\x0c\x1c\x1e"


class Raising:
    """Its repr raises."""

    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    def __repr__(self) -> str:
        raise self._error(HOSTILE)


class Shouting:
    """Its repr ends lines."""

    def __repr__(self) -> str:
        return HOSTILE


def ring(first: Any) -> list[Any]:
    """A list that holds itself, and a table that holds it."""
    made: list[Any] = [first]
    made.append({"ring": made})
    return made


LARGE: tuple[Any, ...] = (10**5000, 2**70, float("nan"), "x" * 10**7, b"\xff" * 10**7)
text = some.text(some.characters()) | some.text(HOSTILE)
values: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | text | some.binary()
    | some.sampled_from([ValueError, RecursionError, SystemExit]).map(Raising)
    | some.builds(Shouting)
    | some.integers(0, 4).map(lambda which: LARGE[which]),
    lambda inner: (
        some.lists(inner, max_size=4) | some.tuples(inner) | inner.map(ring)
        | some.dictionaries(text | some.binary() | some.integers(), inner, max_size=4)
        | inner.map(lambda one: ValueError(one)) | inner.map(lambda one: Failure(ValueError(one)))
    ),
    max_leaves=6,
)  # fmt: skip


@contextmanager
def bridged(form: Any) -> Iterator[Written]:
    """A log that `logging` writes to, and nothing else."""
    lines = Written(LogSettings(format=form, level="debug"))
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    undo = lines.log.bridge_logging()
    try:
        yield lines
    finally:
        undo()
        root.handlers = before


def only_line(lines: Written, form: str) -> None:
    """There is one line, however lines are told, of bounded size; as JSON it is an object."""
    written = lines.stream.getvalue()
    lines.stream.seek(0)
    lines.stream.truncate()
    assert written.endswith("\n")
    assert written[:-1].splitlines() == [written[:-1]]
    assert not set(HOSTILE) & set(written[:-1])
    assert len(written) < 1_000_000
    if form == "json":
        assert {"time", "level", "namespace", "message"} <= set(json.loads(written))


@pytest.mark.parametrize("form", ["text", "json"])
def test_one_event_is_one_line(form: Any) -> None:
    with bridged(form) as lines:

        @settings(max_examples=60, deadline=None)
        @given(text, some.dictionaries(text, values, max_size=3), values)
        def look(message: str, fields: dict[str, Any], value: Any) -> None:
            event = {
                **fields, "value": value, "log_format": message + " {value}", "log_time": 1e9,
                "log_level": LogLevel.info, "log_namespace": message,
            }  # fmt: skip
            lines.log(event)
            only_line(lines, form)
            logging.getLogger("shop").info(message.replace("%", "%%") + "%s", value)
            only_line(lines, form)
            logging.getLogger("shop").warning(value, extra={"value": value})
            only_line(lines, form)

        look()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "value",
    [[b"x" * 10**7] * 1000, dict.fromkeys(range(999), ["x" * 10**6] * 9)],
    ids=["list", "table"],
)
def test_what_is_large_is_not_rendered_first(form: Any, value: Any) -> None:
    with bridged(form) as lines:
        lines.logger().info("{value}", value=value)
        logging.getLogger("shop").info("%s", value)
        lines.stream.truncate(0)
        began = time.process_time()
        lines.logger().info("{value}", value=value, again=value)
        logging.getLogger("shop").info("%s", value)
        # All of it would be 10 GB.
        assert time.process_time() - began < 3
        assert lines.stream.getvalue().count("…[cut: ") >= 2


def test_what_logging_is_told_has_its_secrets_masked() -> None:
    with bridged("json") as lines:
        logging.getLogger("shop").info("%s and %s", {"password": "hunter2"}, [{"token": "hunter2"}])
        logging.getLogger("shop").info({"password": "hunter2", "user": "ann"})
        assert "hunter2" not in lines.stream.getvalue()
        assert lines.messages[1] == "{'password': '****', 'user': 'ann'}"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("how", ["twisted", "logging", "old"])
def test_no_secret_is_told_in_a_message_a_field_or_a_traceback(form: Any, how: str) -> None:
    with bridged(form) as lines:
        lines.log.hide("hunter2")
        fields: Any = {
            "password": "s3cret-one",
            "seen": "hunter2",
            "url": "http://a:s3cret-two@db/",
        }
        try:
            raise ConnectionError("hunter2 at http://ann:s3cret-two@db/?token=s3cret-three")
        except ConnectionError as error:
            if how == "twisted":
                lines.logger().failure("{password} {seen} {url} {log_failure.value}", **fields)
            elif how == "logging":
                logging.getLogger("shop").exception(
                    "%(password)s %(seen)s %(url)s", fields, extra={**fields, "error": error}
                )
            else:
                published = LogPublisher(lines.log)
                old: Any = legacy.LogPublisher(publishPublisher=published)
                old.msg(failure=Failure(), why="hunter2", isError=1, **fields)  # as legacy.err
        written = lines.stream.getvalue()
    assert "ConnectionError: **** at http://****@db/?token=****" in written
    assert written.count("****") > 5
    for secret in ("hunter2", "s3cret"):
        assert secret not in written
