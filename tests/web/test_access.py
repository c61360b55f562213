"""The access log: the events of one turn are logged together, none too late."""

from __future__ import annotations

import time
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from tests.log.written import Written
from toolkit.log import log_context
from toolkit.web.access import AccessLog


class Request:
    """As much of a request as is logged."""

    sentLength = 5
    client = None

    def __init__(self) -> None:
        self.began = time.monotonic()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(clock: Clock) -> AccessLog:
    log = AccessLog(clock)
    log.start()
    return log


def add(access: AccessLog, path: bytes) -> None:
    access.add(Request(), b"GET", path, 200)


def paths(logged: list[LogEvent]) -> list[Any]:
    return [event["path"] for event in logged if event["log_namespace"] == "toolkit.web.access"]


def test_the_requests_of_a_turn_are_logged_when_it_ends(
    access: AccessLog, clock: Clock, logged: list[LogEvent]
) -> None:
    before = time.time()
    add(access, b"/a")
    add(access, b"/b")
    after = time.time()
    assert paths(logged) == []
    clock.advance(0)
    assert paths(logged) == ["/a", "/b"]
    assert before <= logged[-1]["log_time"] <= after
    add(access, b"/c")
    clock.advance(0)
    assert paths(logged) == ["/a", "/b", "/c"]
    assert clock.getDelayedCalls() == []


def test_no_more_than_a_thousand_wait(access: AccessLog, logged: list[LogEvent]) -> None:
    for _ in range(1001):
        add(access, b"/")
    assert len(paths(logged)) == 1000
    access.stop()


def test_the_context_of_the_last_one_is_not_that_of_the_others(
    access: AccessLog, logged: list[LogEvent]
) -> None:
    from twisted.logger import globalLogPublisher

    written = Written()
    globalLogPublisher.addObserver(written.log)
    try:
        for _ in range(999):
            add(access, b"/")
        with log_context(request=7):
            add(access, b"/")
    finally:
        globalLogPublisher.removeObserver(written.log)
    assert [event.get("request") for event in written.events] == [None] * 999 + [7]


def test_when_nothing_is_listened_to_any_more_each_is_logged_at_once(
    access: AccessLog, clock: Clock, logged: list[LogEvent]
) -> None:
    add(access, b"/a")
    access.stop()
    assert paths(logged) == ["/a"]
    add(access, b"/b")
    assert paths(logged) == ["/a", "/b"]
    clock.advance(0)
    assert paths(logged) == ["/a", "/b"]


def test_a_request_has_the_context_it_was_answered_in(
    access: AccessLog, clock: Clock, logged: list[LogEvent]
) -> None:
    from twisted.logger import globalLogPublisher

    written = Written()
    globalLogPublisher.addObserver(written.log)
    try:
        with log_context(request=7):
            add(access, b"/reset?token=abc")
        add(access, b"/")
        clock.advance(0)
    finally:
        globalLogPublisher.removeObserver(written.log)
    first, second = written.events
    assert (first["request"], first["path"]) == (7, "/reset?token=****")
    assert first["message"] == "GET /reset?token=**** 200"
    assert "request" not in second
