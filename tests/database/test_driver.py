"""Which jobs wait together, for how many threads, is the driver's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from toolkit.database.driver import Lanes, sign_of
from toolkit.database.job import Kind
from toolkit.database.settings import DatabaseSettings, Place

SETTINGS = DatabaseSettings(connections=3, max_streams=2)


@pytest.fixture
def made() -> Iterator[list[Lanes]]:
    """The lanes of a test, which are ended after it."""
    lanes: list[Lanes] = []
    yield lanes
    for one in lanes:
        for lane in one.all():
            lane.end(lambda _: None)


def lanes(made: list[Lanes], place: Place) -> Lanes:
    made.append(Lanes(MemoryReactorClock(), place, SETTINGS, lambda *_: None))
    return made[-1]


def sizes(found: Lanes) -> list[Any]:
    return [lane.threads.max for lane in found.all()]


def test_a_file_has_one_thread_that_writes_and_others_that_read_and_stream(
    made: list[Lanes],
) -> None:
    found = lanes(made, Place("sqlite", "a.db"))
    assert sizes(found) == [3, 2, 1]
    for kind in Kind:
        lane = found.reading if kind is Kind.READ else found.writing
        assert found.of(kind) is lane


def test_of_a_database_in_memory_there_is_one_connection(made: list[Lanes]) -> None:
    found = lanes(made, Place("sqlite", ":memory:"))
    assert found.streaming is None
    assert sizes(found) == [1]
    assert found.of(Kind.READ) is found.of(Kind.WRITE)


def test_postgresql_has_connections_for_all_and_others_for_streams(made: list[Lanes]) -> None:
    found = lanes(made, Place("postgresql", "postgresql://127.0.0.1/postgres"))
    assert sizes(found) == [3, 2]
    assert found.of(Kind.READ) is found.of(Kind.WRITE)
    assert found.streaming is not found.reading


def test_each_has_its_sign_of_a_parameter() -> None:
    assert [sign_of(Place("sqlite", "a.db")), sign_of(Place("postgresql", ""))] == ["?", "$"]
