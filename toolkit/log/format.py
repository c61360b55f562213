"""From an event to its line: text for people, or an object of JSON."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timezone
from math import floor, isfinite
from typing import Any

import msgspec
from twisted.logger import LogEvent, LogLevel

from toolkit.log.message import message_of, traceback_of
from toolkit.log.plain import KINDS
from toolkit.log.secrets import Masks
from toolkit.log.shape import Shape, shape_of
from toolkit.log.shown import shown
from toolkit.log.value import SHORT, Values, scrubbed
from toolkit.secret import MASK

Render = Callable[[LogEvent], bytes]
"""Makes an event its line, or lines, in UTF-8 with the newline at the end."""

Held = tuple[msgspec.Struct, LogEvent]
"""The record of an event of plain values, and the event."""

# What ends a line somewhere, drives a terminal, or shows text in another order than it has:
# C0, DEL, C1, line and paragraph separators, marks of direction, surrogates, tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BARE = re.compile(r"[^\s\"=\\]+")
_AS_THEY_ARE = frozenset({int, bool, type(None)})
_LEVELS = {level: level.name for level in LogLevel.iterconstants()}
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
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


class _Stamp:
    """The times of events: what is the same within a second is worked out once."""

    def __init__(self, zone: timezone | None, begin: str) -> None:
        self._zone = zone
        self._begin = begin
        self._known = (-1, "", "")

    def parts(self, event: LogEvent) -> tuple[str, float, str]:
        """The time up to the second, the fraction of it, and the zone."""
        when = event.get("log_time")
        if type(when) is not float or not 0 < when < 1e11:
            when = time.time()
        second, begin, zone = self._known
        fraction = when - second + 5e-7  # whoever cuts it off at the microsecond has it rounded
        if not 0 <= fraction < 1:
            second = floor(when + 5e-7)
            moment = datetime.fromtimestamp(second, UTC).astimezone(self._zone)
            begin, zone = moment.strftime(self._begin), moment.isoformat()[19:]
            self._known = (second, begin, zone)
            fraction = max(0.0, when - second + 5e-7)
        return begin, fraction, zone


def _is_finite(record: msgspec.Struct) -> bool:
    values = msgspec.structs.astuple(record)
    return all(isfinite(value) for value in values if type(value) is float)


class JsonFormat:
    """Renders an event as one JSON object (RFC 8259) on one line.

    Its keys are `time` (RFC 3339, in UTC), `level`, `namespace`, `message`, the event's own
    fields, and `traceback` if it has a failure. A field with one of those names gets a `_`.

    Args:
        masks: What must not be read.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._values = Values(masks)
        self._stamp = _Stamp(UTC, "%Y-%m-%dT%H:%M:%S.")
        self._encode = msgspec.json.Encoder().encode
        self._encode_lines = msgspec.json.Encoder().encode_lines

    def __call__(self, event: LogEvent) -> bytes:
        """The event's line."""
        line = self.at_once(event)
        return self._with_care(event) if line is None else line

    def at_once(self, event: LogEvent) -> bytes | None:
        """The line of an event of plain values, made without running any of the program's code.

        Returns:
            The line, or None if something in the event asks for more care.
        """
        record = self.record(event)
        return None if record is None else self._lines([record])

    def record(self, event: LogEvent) -> msgspec.Struct | None:
        """What an event of plain values says, from which lines are made `together`.

        Returns:
            The record, or None if something in the event asks for more care.
        """
        plain = shape_of(event).plain
        namespace = event.get("log_namespace")
        if plain is None or type(namespace) is not str:
            return None
        if type(event.get("log_text", "")) is not str:
            return None
        values = plain.values(event)
        if not KINDS.issuperset(map(type, values)):
            return None
        try:
            # Only now: what is not plain would run code of its own in there.
            message = plain.message(event)
        except (LookupError, TypeError, ValueError):
            return None  # a format that does not fit, a number of too many digits
        level = _LEVELS.get(event.get("log_level"), "info")
        return plain.record(self._time(event), level, namespace, message, *values)

    def together(self, held: Sequence[Held]) -> bytes:
        """The lines of events, and of the records that were made of them."""
        lines = self._lines([record for record, _ in held])
        return b"".join([self(event) for _, event in held]) if lines is None else lines

    def _lines(self, records: list[msgspec.Struct]) -> bytes | None:
        try:
            lines: bytes = self._encode_lines(records)
        except ValueError:  # half of a surrogate pair, a huge number
            return None
        if not lines.isascii() or 0x7F in lines or self._masks.touch(lines):
            return None
        # A float that is not finite has become null.
        if b":null" in lines and not all(map(_is_finite, records)):
            return None
        if len(lines) > SHORT and max(map(len, lines.split(b"\n"))) > SHORT:
            return None
        return lines

    def _time(self, event: LogEvent) -> str:
        second, fraction, _ = self._stamp.parts(event)
        return "%s%06dZ" % (second, fraction * 1e6)  # noqa: UP031 - twice as fast

    def _with_care(self, event: LogEvent) -> bytes:
        shape = shape_of(event)
        values = self._values
        namespace = event.get("log_namespace", "-")
        record: dict[str, Any] = {
            "time": self._time(event),
            "level": _LEVELS.get(event.get("log_level"), "info"),
            "namespace": namespace if type(namespace) is str else shown(namespace),
            "message": message_of(shape, event, values),
        }
        hidden = self._masks.pattern is not None
        for key, name in shape.fields:
            value = event[key]
            kind = type(value)
            if kind is str:
                if hidden or len(value) > SHORT or "://" in value or "?" in value:
                    value = values.text(value)
            elif hidden or (kind not in _AS_THEY_ARE and not (kind is float and isfinite(value))):
                value = values.plain(value)
            record[name] = value
        for name in shape.secrets:
            record[name] = MASK
        if hidden:
            record["namespace"] = values.text(record["namespace"])
        if "log_failure" in event:
            record["traceback"] = traceback_of(event, values)
        try:
            line = self._encode(record)
        except ValueError:  # half of a surrogate pair, or a number of a million digits
            line = self._encode(scrubbed({key: values.plain(one) for key, one in record.items()}))
        if line.isascii() and 0x7F not in line:
            return line + b"\n"
        text = line.decode()
        if not text.isprintable():
            text = _UNSAFE.sub(_json_escape, text)
        return text.encode() + b"\n"


class TextFormat:
    """Renders an event as one line for people, or on a terminal with its traceback below it.

    Args:
        masks: What must not be read.
        terminal: Whether to colour the level and put the traceback on lines of its own.
    """

    def __init__(self, masks: Masks, terminal: bool = False) -> None:
        self._values = Values(masks)
        self._terminal = terminal
        self._stamp = _Stamp(None, "%Y-%m-%d %H:%M:%S.")
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, event: LogEvent) -> bytes:
        """The event's line, or on a terminal its lines."""
        shape = shape_of(event)
        second, fraction, zone = self._stamp.parts(event)
        level = f"{_LEVELS.get(event.get('log_level'), 'info'):<8}"
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
