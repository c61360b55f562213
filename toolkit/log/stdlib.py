"""The standard library's `logging`, into the log."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from constantly import NamedConstant  # type: ignore[import-untyped]
from twisted.logger import LogEvent, LogLevel
from twisted.logger._stdlib import StringifiableFromEvent
from twisted.python.failure import Failure

from toolkit.log.levels import LEVELS, NUMBERS, Level
from toolkit.log.secrets import is_secret
from toolkit.log.shown import masked, shown
from toolkit.secret import MASK

_MOST = 1000  # sets of fields remembered: a program may make them up as it goes

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})


@functools.lru_cache(maxsize=128)
def level_of(number: int) -> NamedConstant:
    """The level of twisted.logger for a number of `logging`'s.

    Args:
        number: Such as `logging.WARNING`, or one between two that have names.
    """
    name = next((one for one in reversed(LEVELS) if number >= NUMBERS[one]), LEVELS[0])
    return LogLevel.lookupByName(name)


class LoggingBridge(logging.Handler):
    """A handler of `logging` that gives each record to an observer of twisted.logger.

    What twisted.logger's own STDLibLogObserver has put there is left out: the observer has it
    already.

    Args:
        observer: Given the events.
        wanted: Told a level and a name, whether the observer wants such events at all.
    """

    def __init__(
        self, observer: Callable[[LogEvent], None], wanted: Callable[[NamedConstant, str], bool]
    ) -> None:
        super().__init__()
        self._observer = observer
        self._wanted = wanted

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record, without the handler's lock: an observer has one of its own."""
        passed = not self.filters or bool(self.filter(record))
        if passed:
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Give the record to the observer."""
        level = level_of(record.levelno)
        if isinstance(record.msg, StringifiableFromEvent) or not self._wanted(level, record.name):
            return
        values = vars(record)
        event: LogEvent = {key: values[key] for key in _fields_among(tuple(values))}
        if record.stack_info:
            event.setdefault("stack", record.stack_info)
        event["log_level"] = level
        event["log_namespace"] = record.name
        event["log_time"] = record.created
        event["log_format"] = "{log_text}"
        event["log_text"] = _message(record)
        if record.exc_info and record.exc_info[1] is not None:
            kind, value, trace = record.exc_info
            event["log_failure"] = Failure(value, kind, trace)
        elif record.exc_text and not record.exc_info:
            event["log_failure"] = record.exc_text
        self._observer(event)


@functools.lru_cache(maxsize=_MOST)
def _fields_among(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those attributes of a record that its program has added."""
    return tuple(name for name in names if name not in _STANDARD)


def _message(record: logging.LogRecord) -> str:
    arguments: Any = record.args
    try:
        if isinstance(arguments, dict):
            named = {
                key: MASK if is_secret(str(key)) else masked(one) for key, one in arguments.items()
            }
            return str(record.msg) % named
        message = record.msg
        text = message if type(message) is str else str(masked(message))
        if not arguments:
            return text
        return text % tuple(
            [one if type(one) in _AS_THEY_ARE else masked(one) for one in arguments]
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - as for a message of twisted.logger
        return f"{shown(record.msg)} {shown(arguments)} (cannot be formatted: {shown(error)})"


def bridge_logging(bridge: LoggingBridge, least: Level) -> Callable[[], None]:
    """Put a bridge on the root logger, from which every logger's records come to it.

    Args:
        bridge: The bridge.
        least: The lowest level that is wanted; `logging` makes no records below it.

    Returns:
        A function that takes the bridge off again, and sets the root's level to what it was.
    """
    root = logging.getLogger()
    before = root.level

    def undo() -> None:
        if bridge in root.handlers:
            root.removeHandler(bridge)
            root.setLevel(before)
            bridge.close()

    root.addHandler(bridge)
    root.setLevel(NUMBERS[least])
    return undo
