"""From an event to an object of JSON on a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from math import isfinite
from typing import Any

import msgspec
from twisted.logger import LogEvent

from toolkit.log.format import LEVEL_NAMES, UNSAFE, Stamp, time_of
from toolkit.log.message import message_of, traceback_of
from toolkit.log.plain import KINDS
from toolkit.log.secrets import Masks
from toolkit.log.shape import shape_of
from toolkit.log.shown import shown
from toolkit.log.value import SHORT, Values, scrubbed
from toolkit.secret import MASK

Held = tuple[msgspec.Struct, LogEvent]
"""The record of an event of plain values, and the event."""

_AS_THEY_ARE = frozenset({int, bool, type(None)})


def _json_escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


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
        self._stamp = Stamp(UTC, "%Y-%m-%dT%H:%M:%S.")
        self._known: tuple[float, str] = (0.0, "")
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
        level = LEVEL_NAMES.get(event.get("log_level"), "info")
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
        when = event.get("log_time")
        known, text = self._known
        if type(when) is not float or when != known:
            when = time_of(event)
            second, fraction, _ = self._stamp.parts(when)
            text = "%s%06dZ" % (second, fraction * 1e6)  # noqa: UP031 - twice as fast
            self._known = (when, text)
        return text

    def _with_care(self, event: LogEvent) -> bytes:
        shape = shape_of(event)
        values = self._values
        namespace = event.get("log_namespace", "-")
        record: dict[str, Any] = {
            "time": self._time(event),
            "level": LEVEL_NAMES.get(event.get("log_level"), "info"),
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
            text = UNSAFE.sub(_json_escape, text)
        return text.encode() + b"\n"
