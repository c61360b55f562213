"""One log for twisted.logger and the standard library's `logging`: text, or JSON lines.

    log = Log(LogSettings(format="json", file="site.log"), sys.stdout)
    globalLogBeginner.beginLoggingTo([log])
    log.bridge_logging()

One event is one line, whatever bytes it holds; what is named like a secret is masked; and a disk
that is full costs lines of the log, which are counted, but never an exception.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, Literal, TextIO

from constantly import NamedConstant  # type: ignore[import-untyped]
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from toolkit.log.file import RotatedFile
from toolkit.log.jsonline import JsonFormat
from toolkit.log.levels import LEVELS, Level, Unwanted
from toolkit.log.message import without_legacy
from toolkit.log.output import Output
from toolkit.log.secrets import Masks
from toolkit.log.stdlib import LoggingBridge, bridge_logging
from toolkit.log.stream import TextStream
from toolkit.log.textline import TextFormat
from toolkit.settings import Meta, Settings

_DEEPEST = 3  # an object that logs when it is shown would otherwise log itself for ever

_fields: ContextVar[Mapping[str, Any] | None] = ContextVar("log_fields", default=None)


class LogSettings(Settings):
    """Where the log goes and how much of it."""

    level: Annotated[Level, Meta(description="log events of this level and above")] = "info"
    format: Annotated[
        Literal["auto", "text", "json"],
        Meta(description="text for people or a JSON object a line; auto is text"),
    ] = "auto"
    file: Annotated[
        str | None, Meta(description="append to this file instead of standard output")
    ] = None
    also_stdout: Annotated[
        bool, Meta(description="with a file: write to standard output as well")
    ] = False
    max_bytes: Annotated[
        int,
        Meta(ge=1, description="bytes after which the file becomes FILE.1 and a new one begins"),
    ] = 100_000_000
    keep: Annotated[int, Meta(ge=0, le=10_000, description="how many old files are kept")] = 5
    levels: Annotated[
        dict[str, Level],
        Meta(description='other levels for parts of a program, such as "toolkit.http" = "debug"'),
    ] = {}


@contextlib.contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add fields to every event that is logged below, also after an `await` or a `yield`.

    It holds for the code inside the `with`, in coroutines and inlineCallbacks started there too,
    but not for callbacks added there that run later. A field of the event's own wins.

    Args:
        fields: Names and values.
    """
    outer = _fields.get()
    _fields.set({**(outer or {}), **fields})
    try:
        yield
    finally:
        _fields.set(outer)


def context_fields() -> Mapping[str, Any]:
    """The fields that `log_context` adds to an event that is logged here."""
    return _fields.get() or {}


class _Depth(threading.local):
    value = 0


@implementer(ILogObserver)
class Log:
    """An observer that renders events and writes them, and never raises.

    A line that cannot be written is counted; when writing works again, "N log lines were lost:
    reason" comes first. Any thread may log. An event with the field `log_more` says that another
    follows at once, with which it may be written.

    Args:
        settings: Where it goes and how much of it.
        stream: Where it goes without a file, and with `also_stdout` as well. Not closed.

    Raises:
        ToolkitError: The file cannot be opened (code `log-file`).
    """

    def __init__(self, settings: LogSettings, stream: TextIO) -> None:
        self._masks = Masks()
        self._terminal = _is_terminal(stream)
        self._target: RotatedFile | None = None
        self._file: Output | None = None
        self._stream: Output | None = None
        self._depth = _Depth()
        self._bridge: Callable[[], None] | None = None
        render = TextFormat(self._masks)
        if settings.file is not None:
            self._target = RotatedFile(settings.file, settings.max_bytes, settings.keep)
            self._file = Output(self._target, render)
        if settings.file is None or settings.also_stdout:
            self._stream = Output(TextStream(stream), render)
        self._outputs = tuple(one for one in (self._file, self._stream) if one is not None)
        self.reconfigure(settings)

    def reconfigure(self, settings: LogSettings) -> None:
        """Take other levels, another format and other sizes; where it goes stays what it is.

        Args:
            settings: Of these, all count but `file` and `also_stdout`.
        """
        json = settings.format == "json"
        plain = JsonFormat(self._masks) if json else TextFormat(self._masks)
        if self._file is not None and self._target is not None:
            self._file.render = plain
            self._target.max_bytes = settings.max_bytes
            self._target.keep = settings.keep
        if self._stream is not None:
            coloured = self._terminal and not json
            self._stream.render = TextFormat(self._masks, coloured) if coloured else plain
        # Into one place, as JSON: the usual case, which should cost little.
        only = plain if len(self._outputs) == 1 else None
        self._json = only if isinstance(only, JsonFormat) else None
        self._unwanted = Unwanted(settings.level, settings.levels)
        self._lowest = min([settings.level, *settings.levels.values()], key=LEVELS.index)
        if self._bridge is not None:
            self.bridge_logging()

    def hide(self, value: str) -> None:
        """Mask a value wherever it appears from now on.

        Args:
            value: A secret of at least 4 characters; a shorter one is not masked.
        """
        self._masks.hide(value)

    def wants(self, level: NamedConstant | None, namespace: str) -> bool:
        """Whether events of this level and namespace are logged."""
        return level not in self._unwanted[namespace]

    def __call__(self, event: LogEvent) -> None:
        """Log an event, if its level is wanted."""
        try:
            if event.get("log_level") in self._unwanted[event.get("log_namespace")]:
                return
            json = self._json
            if json is not None and "isError" not in event and not _fields.get():
                if "log_more" in event:
                    record = json.record(event)
                    if record is not None:
                        self._outputs[0].hold((record, event), json.together)
                        return
                else:
                    line = json.at_once(event)
                    if line is not None:
                        self._outputs[0].write(line)
                        return
            if self._depth.value >= _DEEPEST:
                self._lose("logged while it was being logged")
                return
            self._depth.value += 1
            try:
                self._log(event)
            finally:
                self._depth.value -= 1
        except Exception as error:  # noqa: BLE001 - a log never raises into the program
            self._lose(f"{type(error).__name__} while it was being rendered")

    def _log(self, event: LogEvent) -> None:
        fields = _fields.get()
        if fields:
            event = {**fields, **event}
        if "isError" in event:
            event = without_legacy(event)
        rendered, line = None, b""
        for output in self._outputs:
            if output.render is not rendered:
                rendered = output.render
                line = rendered(event)
            output.write(line)

    def _lose(self, reason: str) -> None:
        for output in self._outputs:
            output.lose(reason)

    def bridge_logging(self) -> Callable[[], None]:
        """Log what the standard library's `logging` is given, too, by the same levels.

        The root logger's level is set to the lowest that is wanted; its other handlers stay.

        Returns:
            A function that undoes it, as `close` does.
        """
        if self._bridge is not None:
            self._bridge()
        self._bridge = bridge_logging(LoggingBridge(self, self.wants), self._lowest)
        return self._unbridge

    def _unbridge(self) -> None:
        if self._bridge is not None:
            bridge, self._bridge = self._bridge, None
            bridge()

    def reopen(self) -> None:
        """Go on in a new file: for SIGHUP, after logrotate has moved the old one away."""
        for output in self._outputs:
            output.reopen()

    def close(self) -> None:
        """Close the file, say what was lost, and undo `bridge_logging`. The stream stays open."""
        self._unbridge()
        for output in self._outputs:
            output.close()


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, OSError, ValueError):
        return False
