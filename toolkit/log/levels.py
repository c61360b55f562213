"""Which events are logged: the least level of each namespace."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

from constantly import NamedConstant  # type: ignore[import-untyped]
from twisted.logger import LogLevel

Level = Literal["debug", "info", "warn", "error", "critical"]
"""The name of a level of twisted.logger."""

LEVELS: tuple[Level, ...] = ("debug", "info", "warn", "error", "critical")
"""The lowest first."""

NUMBERS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
"""The numbers that the standard library's `logging` has for them."""

_MOST = 10_000  # namespaces remembered: a program may make them up as it goes


class Unwanted(dict[Any, frozenset[NamedConstant | None]]):
    """For each namespace the levels that are not logged, worked out when it is first met.

    Args:
        level: The least level that is logged.
        levels: Other least levels, by a namespace's first parts; the longest that fits counts.
    """

    def __init__(self, level: Level, levels: Mapping[str, Level]) -> None:
        super().__init__()
        self._level = level
        self._levels = levels

    def __missing__(self, namespace: object) -> frozenset[NamedConstant | None]:
        prefix = str(namespace)
        while prefix and prefix not in self._levels:
            prefix = prefix.rpartition(".")[0]
        least = LEVELS.index(self._levels.get(prefix, self._level))
        below: set[NamedConstant | None] = {LogLevel.lookupByName(name) for name in LEVELS[:least]}
        if LogLevel.info in below:
            below.add(None)  # an event without a level
        if len(self) >= _MOST:
            self.clear()
        self[namespace] = frozenset(below)
        return frozenset(below)
