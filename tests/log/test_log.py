"""One log: levels, contexts, the standard library's logging, and never an exception."""

from __future__ import annotations

import contextvars
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogPublisher,
    globalLogPublisher,
)
from twisted.python import log as legacy
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.log.written import Written
from toolkit.errors import SettingsError, ToolkitError
from toolkit.log import Log, LogSettings, log_context
from toolkit.settings import Value, fields_of, resolve


@pytest.fixture
def written() -> Written:
    return Written()


def test_it_is_an_observer(written: Written) -> None:
    assert verifyObject(ILogObserver, written.log)


def test_importing_it_installs_no_reactor() -> None:
    code = "import sys, toolkit.log; sys.exit('twisted.internet.reactor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


# Settings


def test_every_setting_has_a_line_of_help() -> None:
    assert all(field.help for field in fields_of(LogSettings))
    assert LogSettings.__doc__ == "Where the log goes and how much of it."


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("level", "verbose", "expected one of debug, info, warn, error, critical"),
        ("levels", {"toolkit": "loud"}, "toolkit: expected one of debug, info"),
        ("format", "xml", "expected one of auto, text, json"),
        ("max_bytes", 0, "expected a whole number at least 1"),
        ("keep", -1, "at least 0"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(name: str, value: Any, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(LogSettings, "log", [{name: Value(value, f"site.toml: [log] {name}")}])
    assert str(caught.value).startswith(f"site.toml: [log] {name}: ")
    assert problem in str(caught.value)


def test_the_format_is_text_unless_json_is_asked_for() -> None:
    for settings in (LogSettings(), LogSettings(format="text")):
        lines = Written(settings)
        lines.logger().info("n is {n}", n=1)
        assert lines.stream.getvalue().endswith(" info     shop.cart: n is 1\n")


# Levels


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 5), ("info", 4), ("warn", 3), ("error", 2), ("critical", 1)]
)
def test_events_below_the_level_are_left_out(level: Any, count: int) -> None:
    lines = Written(LogSettings(format="json", level=level))
    for one in LogLevel.iterconstants():
        lines.logger().emit(one, "x")
    assert len(lines.messages) == count


def test_an_event_that_is_left_out_is_never_rendered() -> None:
    class Untouchable:
        def __str__(self) -> str:
            raise AssertionError("rendered")

        __repr__ = __str__

    lines = Written(LogSettings(format="json", level="warn"))
    lines.logger().info("{x}", x=Untouchable())
    assert lines.stream.getvalue() == ""
    lines.logger().warn("told")
    assert lines.messages == ["told"]


def test_an_event_without_a_level_counts_as_info() -> None:
    for level, count in (("info", 1), ("warn", 0)):
        lines = Written(LogSettings(format="json", level=level))  # type: ignore[arg-type] # a Level
        lines.log({"log_format": "x"})
        assert len(lines.messages) == count


def test_levels_and_format_can_be_changed_while_it_runs() -> None:
    lines = Written(LogSettings(format="text", level="error"))
    lines.logger().info("left out")
    lines.log.reconfigure(LogSettings(format="json", level="debug"))
    lines.logger().debug("told")
    assert lines.messages == ["told"]


def test_other_sizes_count_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    log = Log(LogSettings(file=path), io.StringIO())
    log.reconfigure(LogSettings(file=path, max_bytes=200, keep=1))
    for number in range(30):
        Logger("shop", observer=log).info("line {n}", n=number)
    log.close()
    assert {one.name for one in tmp_path.iterdir()} == {"log", "log.1"}


# Where it goes


def test_with_a_file_the_stream_gets_nothing_unless_it_should(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    for also, count in ((False, 0), (True, 1)):
        lines = Written(LogSettings(format="json", file=path, also_stdout=also))
        lines.logger().info("told")
        lines.log.close()
        assert len(lines.messages) == count
    assert (tmp_path / "log").read_text().count('"message":"told"') == 2


def test_on_a_terminal_the_stream_is_coloured_and_the_file_is_not(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    path = str(tmp_path / "log")
    stream = Terminal()
    log = Log(LogSettings(file=path, also_stdout=True), stream)
    Logger("shop", observer=log).warn("told")
    log.close()
    assert "\x1b[33mwarn" in stream.getvalue()
    assert (tmp_path / "log").read_text().endswith(" warn     shop: told\n")
    assert "\x1b" not in (tmp_path / "log").read_text()


def test_it_rotates_and_reopens_its_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(LogSettings(file=str(path), max_bytes=300, keep=2), io.StringIO())
    logger = Logger("shop", observer=log)
    for number in range(30):
        logger.info("line {n}", n=number)
    assert {one.name for one in tmp_path.iterdir()} == {"log", "log.1", "log.2"}
    path.rename(tmp_path / "moved")
    log.reopen()
    logger.info("after")
    log.close()
    assert path.read_text().endswith("shop: after\n")
    assert path.read_text().count("\n") == 1


def test_a_file_that_cannot_be_opened_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError, match=r"cannot write the log file .*: No such file") as caught:
        Log(LogSettings(file=str(tmp_path / "no" / "log")), io.StringIO())
    assert "\n" not in str(caught.value)


# Never an exception


class FullDisk(io.StringIO):
    """A stream on a disk that is full until it is not."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_full_disk_costs_lines_that_are_counted(format: Any) -> None:  # noqa: A002
    stream = FullDisk()
    logger = Logger("shop", observer=Log(LogSettings(format=format), stream))
    for _ in range(3):
        logger.info("gone")
    stream.full = False
    logger.info("back")
    told, back = stream.getvalue().splitlines()
    assert "3 log lines were lost: No space left on device" in told
    assert "toolkit.log" in told
    assert "back" in back


def test_a_device_that_is_full_never_raises() -> None:
    log = Log(LogSettings(file="/dev/full"), io.StringIO())
    Logger("shop", observer=LogPublisher(log)).info("gone")
    log.close()


def test_events_after_the_close_are_lost_without_a_word(tmp_path: Path) -> None:
    log = Log(LogSettings(file=str(tmp_path / "log")), io.StringIO())
    log.close()
    log.close()
    log.reopen()
    Logger("shop", observer=log).info("gone")
    assert (tmp_path / "log").read_text() == ""


def test_a_stream_that_was_closed_never_raises(written: Written) -> None:
    written.stream.close()
    written.logger().info("gone")
    written.log.close()


@pytest.mark.parametrize(
    "event",
    [
        {"log_namespace": []},
        {"log_level": {}},
        {"log_namespace": None, "log_level": "info", "log_time": "x", "log_format": 3},
        {1: 2, None: 3, ("a",): 4, "log_format": "{1}"},
        {"isError": 1},
        {"isError": 1, "log_namespace": "log_legacy", "failure": 3, "format": "%(", "message": ()},
        {"log_flattened": None, "log_format": "x {y}"},
        {"log_failure": 3, "log_format": "{log_failure.value}"},
    ],
)
def test_an_event_that_makes_no_sense_never_raises(written: Written, event: Any) -> None:
    written.log(event)
    written.logger().info("after")
    assert written.messages[-1] == "after"
    assert len(written.messages) == 2


def test_an_object_that_logs_when_it_is_shown_comes_to_an_end(written: Written) -> None:
    logger = written.logger()

    class Talking:
        def __str__(self) -> str:
            logger.info("shown {me}", me=self)
            return "me"

    logger.info("got {me}", me=Talking())
    assert "got me" in written.messages
    assert len(written.messages) < 50
    lost = "log lines were lost: logged while it was being logged"
    assert any(lost in message for message in written.messages)


# Contexts


def test_a_context_adds_its_fields_and_takes_them_away(written: Written) -> None:
    logger = written.logger()
    with log_context(request=7, user="ann"):
        logger.info("a")
        with log_context(user="bob", step=1):
            logger.info("b", step=2)
        logger.info("c")
    logger.info("d")
    a, b, c, d = written.events
    assert (a["request"], a["user"]) == (7, "ann")
    assert (b["request"], b["user"], b["step"]) == (7, "bob", 2)
    assert "step" not in c
    assert "request" not in d


def test_a_field_of_a_context_can_be_in_the_message_and_is_masked(written: Written) -> None:
    with log_context(user="ann", token="hunter2"):
        written.logger().info("{user} has {token}")
    assert written.messages == ["ann has ****"]
    assert "hunter2" not in written.stream.getvalue()


def test_an_error_takes_a_context_away(written: Written) -> None:
    with pytest.raises(KeyError), log_context(request=7):
        raise KeyError
    written.logger().info("a")
    assert "request" not in written.events[0]


@pytest_twisted.ensureDeferred
async def test_a_context_goes_with_a_coroutine_and_not_with_its_neighbour(
    written: Written, reactor: Any
) -> None:
    logger = written.logger()

    async def work(number: int) -> None:
        with log_context(job=number):
            await deferLater(reactor, 0)
            logger.info("coroutine", number=number)
            await old_style(number)
        logger.info("outside", number=number)

    @inlineCallbacks
    def old_style(number: int) -> Any:
        yield deferLater(reactor, 0)
        logger.info("generator", number=number)
        with log_context(inner=number):
            yield deferLater(reactor, 0)
            logger.info("inner", number=number)

    both = [ensureDeferred(work(number)) for number in (1, 2)]
    for one in both:
        await one
    assert len(written.events) == 8
    for event in written.events:
        assert event.get("job", event["number"]) == event["number"]
        assert ("job" in event) is (event["message"] != "outside")
        assert event.get("inner", event["number"]) == event["number"]
        assert ("inner" in event) is (event["message"] == "inner")


def test_a_context_that_is_left_in_another_one_does_no_harm(written: Written) -> None:
    context = log_context(a=1)
    contextvars.copy_context().run(context.__enter__)
    contextvars.copy_context().run(context.__exit__, None, None, None)
    written.logger().info("x")
    assert "a" not in written.events[0]


# The whole of Twisted's logging


def test_what_twisted_logs_the_old_way_comes_through(written: Written) -> None:
    publisher = legacy.LogPublisher()
    publisher._publishPublisher.addObserver(written.log)
    publisher.msg("hello", n=1)
    try:
        raise ValueError("bad")
    except ValueError:
        publisher.msg(failure=Failure(), why="while paying", isError=1)
    first, second = written.events
    assert (first["message"], first["n"]) == ("hello", 1)
    assert (second["level"], second["message"]) == ("critical", "while paying")


def test_a_deferred_that_fails_unseen_is_told(written: Written, logged: list[LogEvent]) -> None:
    globalLogPublisher.addObserver(written.log)
    try:
        failed: Deferred[None] = Deferred()
        failed.errback(ValueError("unseen"))
        del failed
    finally:
        globalLogPublisher.removeObserver(written.log)
    assert any("ValueError: unseen" in event.get("traceback", "") for event in written.events)


PROGRAM = """
import logging, sys
from twisted.logger import Logger, globalLogBeginner
from toolkit.log import Log, LogSettings
log = Log(LogSettings(format="json"), sys.stdout)
log.bridge_logging()
globalLogBeginner.beginLoggingTo([log])
print("printed\\x1b[2J")
Logger("shop").info("from {who}", who="twisted")
logging.getLogger("lib").warning("from logging")
import warnings
warnings.warn("old thing", DeprecationWarning)
for number in range(20000):
    Logger("shop").info("line {n}", n=number)
"""


def test_a_whole_process_writes_one_stream_of_json() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM],
        capture_output=True,
        timeout=60,
        check=True,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    messages = [event["message"] for event in events]
    assert messages[:3] == ["printed\x1b[2J", "from twisted", "from logging"]
    assert "old thing" in messages[3]
    assert len(events) == 20_004
    assert done.stderr == b""


def test_a_process_whose_reader_has_gone_goes_on_to_its_end() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM + "\nsys.exit(3)"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (3, b"")
