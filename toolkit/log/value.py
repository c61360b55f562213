"""One value of an event: masked, of bounded size, and made of what JSON knows."""

from __future__ import annotations

import datetime
import enum
import math
from collections.abc import Callable, Mapping
from typing import Any

from twisted.python.failure import Failure

from toolkit.log.secrets import Masks, is_secret
from toolkit.log.shown import COLLECTIONS, DEEPEST, Room, masked, name_of, shown
from toolkit.secret import MASK

LIMIT = 16 * 1024
"""The most bytes of UTF-8 that one field, message or traceback takes."""

TAIL = 3 * LIMIT // 4
"""How much of the end of a traceback is kept: the error, and where it was, stand there."""

SHORT = LIMIT // 6
"""Text of so many characters is within the limit, whatever they are."""

_MANY = (Mapping, *COLLECTIONS)
_DATES = (datetime.date, datetime.time)


def cut(text: str, tail: int = 0, length: int = 0) -> str:
    """Text of at most 16 KiB: what is too long loses its end, or its middle, and says so.

    Args:
        text: Any text.
        tail: How many bytes of its end are kept.
        length: How many characters it had, if it has lost some already.
    """
    if len(text) <= SHORT:
        return text
    if len(text) <= LIMIT and len(text.encode("utf-8", "backslashreplace")) <= LIMIT:
        return text
    head = text[:LIMIT].encode("utf-8", "backslashreplace")[: LIMIT - tail]
    end = text[-tail:].encode("utf-8", "backslashreplace")[-tail:] if tail else b""
    mark = f"…[cut: {length or len(text)} characters in all]"
    return head.decode("utf-8", "ignore") + mark + end.decode("utf-8", "ignore")


def scrubbed(value: Any) -> Any:
    """A plain value in which the halves of surrogate pairs are escaped, as UTF-8 needs it."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [scrubbed(one) for one in value]
    if isinstance(value, dict):
        return {scrubbed(key): scrubbed(one) for key, one in value.items()}
    return value


class Values:
    """Makes the values of events fit for a log.

    Args:
        masks: What must not be read.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def text(self, text: str, tail: int = 0, length: int = 0) -> str:
        """The text masked and cut.

        Args:
            text: Any text.
            tail: How many bytes of its end are kept when it is cut.
            length: How long it was, if it has lost some already.
        """
        if len(text) <= SHORT:
            return self._masks.text(text)
        if len(text) <= 8 * LIMIT:
            return cut(self._masks.text(text), tail)
        # Far more than is kept is not searched. At the seam a secret may be in two halves that
        # nothing recognises: so much is left out there.
        seam = max(1024, self._masks.longest)
        head = self._masks.text(text[: 4 * LIMIT])[:-seam]
        end = self._masks.text(text[-4 * LIMIT :])[seam:]
        return cut(f"{head}…{end}", tail, length or len(text))

    def plain(self, value: object) -> Any:
        """The value made of None, booleans, numbers, text, lists and dicts with text as keys.

        Args:
            value: Anything: bytes are read as UTF-8, an object is shown as text, and of what is
                large, deep or holds itself only the beginning is kept.
        """
        try:
            return self._plain(value, 0, Room(LIMIT))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - any code may run in there, as in shown()
            return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"

    def _plain(self, value: Any, deep: int, room: Room) -> Any:
        known = _CONVERTED.get(type(value))
        if known is not None:
            value = known(value)
        elif isinstance(value, _MANY):
            return self._within(value, deep, room)
        elif isinstance(value, bytes | bytearray | memoryview):
            value = self._decoded(value)
        elif isinstance(value, enum.Enum):
            return self._plain(value.value, deep, room)
        elif isinstance(value, str):
            value = str.__str__(value)
        elif isinstance(value, _DATES):
            value = value.isoformat()
        else:
            value = shown(value.value if isinstance(value, Failure) else masked(value, deep))
        if type(value) is str:
            value = self.text(value)
            room.left -= len(value)
        elif self._masks.pattern is not None and self._masks.text(str(value)) != str(value):
            value = MASK
        room.left -= 8
        return value

    def _decoded(self, value: bytes | bytearray | memoryview) -> str:
        if len(value) <= 16 * LIMIT:
            return str(value, "utf-8", "backslashreplace")
        # Of the 10 MB of a body the ends alone are read: `text` looks no further.
        ends = (
            str(end, "utf-8", "backslashreplace")
            for end in (value[: 8 * LIMIT], value[-8 * LIMIT :])
        )
        return self.text("".join(ends), length=len(value))

    def _within(self, value: Any, deep: int, room: Room) -> Any:
        if deep >= DEEPEST:
            return "…"
        kept: dict[str, Any] = {}
        members: list[Any] = []
        pairs = value.items() if isinstance(value, Mapping) else None
        for one in pairs if pairs is not None else value:
            if room.left <= 0:
                mark = f"…[cut: {len(value)} in all]"
                members.append(mark)
                kept["…"] = mark
                break
            if pairs is None:
                members.append(self._plain(one, deep + 1, room))
                continue
            name = name_of(one[0])
            secret = is_secret(name)
            name = self.text(name)
            room.left -= len(name)
            kept[name] = MASK if secret else self._plain(one[1], deep + 1, room)
        return members if pairs is None else kept


def _number(value: int) -> int | str:
    # Python refuses to print more than 4,300 digits.
    return value if value.bit_length() < 10_000 else f"<int of {value.bit_length()} bits>"


def _itself(value: Any) -> Any:
    return value


_CONVERTED: dict[type, Callable[[Any], Any]] = {
    str: _itself,
    bool: _itself,
    type(None): _itself,
    int: _number,
    float: lambda value: value if math.isfinite(value) else repr(value),
}
