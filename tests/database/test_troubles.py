"""What a database refuses by its own state is logged once, and then once a minute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from toolkit.database import errors
from toolkit.database.troubles import QUIET_SECONDS, Troubles


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    """What is logged in the test."""
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


def test_the_first_is_told_and_the_others_are_counted(logged: list[LogEvent]) -> None:
    clock = Clock()
    troubles = Troubles(clock)
    for number in range(5):
        troubles.note(errors.DiskFull(f"no room for {number}"))
        clock.advance(1)
    clock.advance(QUIET_SECONDS)
    troubles.note(errors.DiskFull("no room still"))
    assert [formatEvent(event) for event in logged] == [
        "disk-full: no room for 0",
        "disk-full, 5 times since this was told last: no room still",
    ]


def test_each_kind_is_told_by_itself(logged: list[LogEvent]) -> None:
    troubles = Troubles(Clock())
    for kind in (errors.ReadOnly, errors.Busy, errors.ReadOnly, errors.DeadlinePassed):
        troubles.note(kind("so it is"))
    assert [formatEvent(event) for event in logged] == [
        "read-only: so it is",
        "database-busy: so it is",
        "deadline: so it is",
    ]


@pytest.mark.parametrize(
    "error",
    [
        errors.UniqueViolation("there already"),
        errors.StatementError("no such table"),
        errors.ConnectionLost("which the health tells"),
        ValueError("of the one who asked"),
    ],
)
def test_what_is_of_the_one_who_asked_or_told_elsewhere_is_not(
    logged: list[LogEvent], error: Exception
) -> None:
    Troubles(Clock()).note(error)
    assert logged == []
