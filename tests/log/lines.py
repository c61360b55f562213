"""Events as Logger makes them, and the lines that they become."""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import LogEvent, LogLevel
from twisted.python.failure import Failure

from toolkit.log.jsonline import JsonFormat
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
