"""What lines of text and of JSON have in common: times, levels, and what must not stand in them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timezone
from math import floor
from typing import Any

from twisted.logger import LogEvent, LogLevel

Render = Callable[[LogEvent], bytes]
"""Makes an event its line, or lines, in UTF-8 with the newline at the end."""

# What ends a line somewhere, drives a terminal, or shows text in another order than it has:
# C0, DEL, C1, line and paragraph separators, marks of direction, surrogates, tags.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

LEVEL_NAMES: dict[Any, str] = {level: level.name for level in LogLevel.iterconstants()}
"""The levels in words; an event that has none counts as info."""


def time_of(event: LogEvent) -> float:
    """An event's time, in seconds since 1970; what time it is, if it has none that makes sense."""
    when = event.get("log_time")
    return when if type(when) is float and 0 < when < 1e11 else time.time()


class Stamp:
    """The times of events: what is the same within a second is worked out once.

    Args:
        zone: Their zone; None is that of the machine.
        begin: The format of a time up to the second, for strftime.
    """

    def __init__(self, zone: timezone | None, begin: str) -> None:
        self._zone = zone
        self._begin = begin
        self._known = (-1, "", "")

    def parts(self, when: float) -> tuple[str, float, str]:
        """The time up to the second, the fraction of it, and the zone."""
        second, begin, zone = self._known
        when += 5e-7  # whoever cuts it off at the microsecond has it rounded
        if not 0 <= when - second < 1:
            second = floor(when)
            moment = datetime.fromtimestamp(second, UTC).astimezone(self._zone)
            begin, zone = moment.strftime(self._begin), moment.isoformat()[19:]
            self._known = (second, begin, zone)
        return begin, when - second, zone
