"""From an event to a line of text for people."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from twisted.logger import LogEvent

from toolkit.log.format import LEVEL_NAMES, UNSAFE, Stamp, time_of
from toolkit.log.message import message_of, traceback_of
from toolkit.log.secrets import Masks
from toolkit.log.shape import Shape, shape_of
from toolkit.log.shown import shown
from toolkit.log.value import Values, scrubbed
from toolkit.secret import MASK

_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BARE = re.compile(r"[^\s\"=\\]+")
_COLOURS = {"debug": "2", "info": "32", "warn": "33", "error": "31", "critical": "1;31"}


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if match[0] in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[match[0]]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def one_line(text: str) -> str:
    """Text on one line that does nothing to a terminal: what would is escaped as in Python."""
    return text if text.isprintable() else UNSAFE.sub(_escape, text)


class TextFormat:
    """Renders an event as one line for people, or on a terminal with its traceback below it.

    Args:
        masks: What must not be read.
        terminal: Whether to colour the level and put the traceback on lines of its own.
    """

    def __init__(self, masks: Masks, terminal: bool = False) -> None:
        self._values = Values(masks)
        self._terminal = terminal
        self._stamp = Stamp(None, "%Y-%m-%d %H:%M:%S.")
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, event: LogEvent) -> bytes:
        """The event's line, or on a terminal its lines."""
        shape = shape_of(event)
        second, fraction, zone = self._stamp.parts(time_of(event))
        level = f"{LEVEL_NAMES.get(event.get('log_level'), 'info'):<8}"
        if self._terminal:
            level = f"\x1b[{_COLOURS.get(level.rstrip(), '0')}m{level}\x1b[0m"
        namespace = one_line(self._values.text(shown(event.get("log_namespace", "-"))))
        message = one_line(message_of(shape, event, self._values))
        parts = [f"{second}{int(fraction * 1e3):03d}{zone} {level} {namespace}: {message}"]
        parts += self._fields(shape, event)
        below = ""
        if "log_failure" in event:
            trace = traceback_of(event, self._values)
            if self._terminal:
                below = "".join(f"    | {one_line(line)}\n" for line in trace.split("\n"))
            else:
                parts.append(f"traceback={self._quoted(trace)}")
        return f"{' '.join(parts)}\n{below}".encode("utf-8", "backslashreplace")

    def _fields(self, shape: Shape, event: LogEvent) -> list[str]:
        public = [
            f"{self._name(name)}={self._shown(self._values.plain(event[key]))}"
            for key, name in shape.unshown
        ]
        return public + [f"{self._name(name)}={MASK}" for name in shape.unshown_secrets]

    def _name(self, name: str) -> str:
        return name if name.isidentifier() else one_line(re.sub(r"[\s\"=]", "_", name))

    def _shown(self, value: Any) -> str:
        if isinstance(value, str):
            return self._quoted(value)
        if isinstance(value, dict | list):
            return one_line(self._encode(scrubbed(value)).decode())
        return str(value)

    def _quoted(self, text: str) -> str:
        if text.isprintable() and _BARE.fullmatch(text):
            return text
        return '"' + one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
