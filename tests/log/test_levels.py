"""The least level of a namespace: the longest name that fits decides."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from twisted.logger import LogLevel

from toolkit.log.levels import LEVELS, NUMBERS, Level, Unwanted


def least(unwanted: Unwanted, namespace: Any) -> str:
    """The least level that is logged there."""
    return next(name for name in LEVELS if LogLevel.lookupByName(name) not in unwanted[namespace])


def test_the_levels_are_twisteds_and_loggings_in_their_order() -> None:
    assert {level.name for level in LogLevel.iterconstants()} == set(LEVELS)
    assert [NUMBERS[name] for name in LEVELS] == sorted(NUMBERS.values())
    assert [logging.getLevelName(NUMBERS[name]) for name in LEVELS] == [
        "DEBUG",
        "INFO",
        "WARNING",
        "ERROR",
        "CRITICAL",
    ]


@pytest.mark.parametrize(
    ("namespace", "level"),
    [
        ("shop", "error"),
        ("shop.cart", "debug"),
        ("shop.cart.x.y", "debug"),
        ("shop.cart.noisy.y", "critical"),
        ("shop.carts", "error"),
        ("shops", "warn"),
        ("sho", "warn"),
        ("", "warn"),
        (".", "warn"),
        (None, "warn"),
    ],
)
def test_the_longest_namespace_decides_and_only_whole_parts_count(
    namespace: object, level: str
) -> None:
    levels: dict[str, Level] = {
        "shop": "error",
        "shop.cart": "debug",
        "shop.cart.noisy": "critical",
    }
    assert least(Unwanted("warn", levels), namespace) == level


@pytest.mark.parametrize("level", LEVELS)
def test_an_event_without_a_level_counts_as_info(level: Level) -> None:
    unwanted = Unwanted(level, {})["x"]
    assert (None in unwanted) is (LogLevel.info in unwanted)


def test_a_program_that_makes_up_namespaces_does_not_fill_the_memory() -> None:
    unwanted = Unwanted("warn", {"n7": "debug"})
    for number in range(25_000):
        assert LogLevel.info in unwanted[f"x{number}"]
    assert len(unwanted) <= 10_000
    assert least(unwanted, "n7") == "debug"
