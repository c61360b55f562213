"""What the standard library's `logging` is given comes into the log, once and by its levels."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher, STDLibLogObserver

from tests.log.written import Written
from toolkit.log import LogSettings
from toolkit.log.stdlib import LoggingBridge, level_of


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def bridged(written: Written) -> Iterator[Written]:
    """A log that gets the standard library's logging, too."""
    undo = written.log.bridge_logging()
    yield written
    undo()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep pytest's own handlers from showing what a test logs."""
    root = logging.getLogger()
    others = [one for one in root.handlers if not isinstance(one, LoggingBridge)]
    for one in others:
        root.removeHandler(one)
    try:
        yield
    finally:
        for one in others:
            root.addHandler(one)


def test_a_record_of_logging_becomes_an_event(bridged: Written) -> None:
    logging.getLogger("their.library").warning("%d of %s", 3, "them", extra={"size": 5})
    (event,) = bridged.events
    assert (event["level"], event["namespace"]) == ("warn", "their.library")
    assert (event["message"], event["size"]) == ("3 of them", 5)
    assert set(event) == {"time", "level", "namespace", "message", "size"}


@pytest.mark.parametrize(
    ("number", "level"),
    [(20, "info"), (25, "info"), (30, "warn"), (40, "error"), (50, "critical"), (99, "critical")],
)
def test_a_number_is_the_level_below_it(bridged: Written, number: int, level: str) -> None:
    logging.getLogger("x").log(number, "m")
    assert bridged.events[0]["level"] == level


def test_an_exception_of_logging_has_its_traceback(bridged: Written) -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("x").exception("while paying")
    assert bridged.messages == ["while paying"]
    assert bridged.events[0]["traceback"].endswith("ValueError: bad")
    logging.getLogger("x").error("no exception", exc_info=True)
    assert "traceback" not in bridged.events[1]
    logging.getLogger("x").error("a stack", stack_info=True)
    assert bridged.events[2]["stack"].startswith("Stack (most recent call last)")


def test_a_message_of_logging_with_braces_is_not_a_format(bridged: Written) -> None:
    logging.getLogger("x").info("{password} %s", "{0}")
    assert bridged.messages == ["{password} {0}"]


def test_secrets_of_logging_are_masked(bridged: Written) -> None:
    logger = logging.getLogger("x")
    logger.info("%(user)s with %(password)s", {"user": "ann", "password": "hunter2"})
    logger.info("x", extra={"api_key": "hunter2"})
    assert bridged.messages == ["ann with ****", "x"]
    assert "hunter2" not in bridged.stream.getvalue()


def test_a_record_that_cannot_be_formatted_is_told_and_raises_nothing(bridged: Written) -> None:
    class Broken:
        def __str__(self) -> str:
            raise SystemExit

    with alone():
        logging.getLogger("x").info("%d", "three")
        logging.getLogger("x").info("%s", Broken())
        logging.getLogger("x").info(Broken())
    assert len(bridged.messages) == 3
    assert all("cannot be formatted" in message for message in bridged.messages)
    assert "three" in bridged.messages[0]


def test_fields_of_logging_cannot_pose_as_the_events_own(bridged: Written) -> None:
    extra = {"log_level": LogLevel.debug, "log_text": "forged", "level": "forged", "time": 0}
    logging.getLogger("x").error("true", extra=extra)
    (event,) = bridged.events
    assert (event["level"], event["message"]) == ("error", "true")
    assert (event["level_"], event["time_"]) == ("forged", 0)


def test_logging_makes_no_record_that_is_not_wanted() -> None:
    root = logging.getLogger()
    before = root.level
    levels: Any = {"their": "debug"}
    lines = Written(LogSettings(format="json", level="error", levels=levels))
    undo = lines.log.bridge_logging()
    logging.getLogger("their.x").debug("told")
    logging.getLogger("other").debug("left out")
    lines.log.reconfigure(LogSettings(format="json", level="error"))
    assert not logging.getLogger("their.x").isEnabledFor(logging.DEBUG)
    undo()
    undo()
    assert root.level == before
    logging.getLogger("their.x").error("after")
    assert lines.messages == ["told"]


def test_closing_the_log_takes_it_off_logging(written: Written) -> None:
    before = list(logging.getLogger().handlers)
    written.log.bridge_logging()
    written.log.bridge_logging()
    assert len(logging.getLogger().handlers) == len(before) + 1
    written.log.close()
    assert logging.getLogger().handlers == before


def test_events_that_twisted_sends_to_logging_do_not_come_round_again(bridged: Written) -> None:
    publisher = LogPublisher(bridged.log, STDLibLogObserver("twisted"))
    Logger("shop", observer=publisher).info("once")
    assert bridged.messages == ["once"]


def test_two_threads_that_log_in_both_ways_do_not_wait_for_each_other(bridged: Written) -> None:
    class Talking:
        def __str__(self) -> str:
            logging.getLogger("inner").info("from inside")
            return "me"

    def both_ways(log: Callable[..., None]) -> None:
        for _ in range(200):
            log("%s {me}", me=Talking()) if log is twisted else log("%s", Talking())

    twisted = bridged.logger().info
    threads = [
        threading.Thread(target=both_ways, args=(log,), daemon=True)
        for log in (twisted, logging.getLogger("outer").info)
    ]
    with alone():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert bridged.messages.count("%s me") == bridged.messages.count("me") == 200
    assert bridged.messages.count("from inside") >= 400


@pytest.mark.parametrize("number", [-1, 0, 1, 9, 10, 19])
def test_a_number_below_info_is_debug(number: int) -> None:
    assert level_of(number) is LogLevel.debug
