"""From an event of twisted.logger to its message and its traceback."""

from __future__ import annotations

import traceback

from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure
from twisted.python.log import textFromEventDict

from toolkit.log.secrets import is_secret
from toolkit.log.shape import Shape
from toolkit.log.shown import SCALARS, masked, shown
from toolkit.log.value import LIMIT, TAIL, Values
from toolkit.secret import MASK


def message_of(shape: Shape, event: LogEvent, values: Values) -> str:
    """The message of an event, by the rules of `twisted.logger.formatEvent`.

    Args:
        shape: The event's shape.
        event: The event.
        values: What masks and cuts.

    Returns:
        The message, masked and cut, but with whatever control characters it holds.
    """
    if shape.format is None:
        return values.text(formatEvent(_safe(event)))
    try:
        filled = event
        for key in shape.whole:
            value = event[key]
            if type(value) not in SCALARS or (type(value) is bytes and len(value) > LIMIT):
                filled = {**event, **{key: masked(event[key]) for key in shape.whole}}
                break
        if shape.paths:
            filled = dict(filled)
            for key, first, steps in shape.paths:
                value = event[first]
                for step in steps:
                    value = step(value)
                filled[key] = masked(value)
        return values.text(shape.format.format_map(filled))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - formatting runs any code; Twisted says what went wrong
        return values.text(formatEvent(_safe(event)))


def _safe(event: LogEvent) -> LogEvent:
    """The event without its secrets, for the text that shows all of an event."""
    safe: LogEvent = {}
    for key, value in event.items():
        try:
            safe[key] = MASK if is_secret(str(key)) else masked(value)
        except Exception:  # noqa: BLE001 - whatever it holds, it cannot be looked through
            safe[key] = value
    flattened = event.get("log_flattened")
    if isinstance(flattened, dict):
        safe["log_flattened"] = {
            key: MASK if is_secret(str(key)) else value for key, value in flattened.items()
        }
    return safe


def traceback_of(event: LogEvent, values: Values) -> str:
    """The traceback of an event's `log_failure`, with its causes; empty if there is none."""
    failure = event.get("log_failure")
    if failure is None:
        return ""
    try:
        if isinstance(failure, Failure):
            trace = failure.getTracebackObject()
            lines = traceback.format_exception(failure.type, failure.value, trace)
        elif isinstance(failure, BaseException):
            lines = traceback.format_exception(failure)
        else:
            lines = [shown(failure)]
        text = "".join(lines)
    except Exception:  # noqa: BLE001 - an exception's own code runs in there
        text = shown(failure)
    return values.text(text, TAIL).rstrip("\n")


def without_legacy(event: LogEvent) -> LogEvent:
    """An event that has been, or was made for, twisted.python.log, with its own fields alone.

    Args:
        event: An event with the key `isError`, by which those are known.
    """
    old = dict(event)
    is_old = old.get("log_namespace") == "log_legacy"
    system = old.get("log_system") or "-"
    new = {
        key: value
        for key, value in old.items()
        if not (
            key in ("isError", "log_legacy")
            or (key == "message" and isinstance(value, tuple))
            or (key == "time" and (is_old or value == old.get("log_time")))
            or (key == "system" and (value == "-" or (value == system and not is_old)))
            or (key == "format" and (is_old or value == "%(log_legacy)s"))
            or (key in ("failure", "why") and (is_old or "log_failure" in old))
            or (key == "logLevel" and is_old)
        )
    }
    if not is_old or new.get("log_format") != "{log_text}":
        return new
    if isinstance(old.get("failure"), Failure):
        new["log_failure"] = old["failure"]
        new["log_text"] = old.get("why") or "Unhandled Error"
    elif any(is_secret(str(key)) for key in new):
        # The text has been made already, of all the fields: make it again.
        new["log_text"] = textFromEventDict(_safe(old)) or ""
    return new
