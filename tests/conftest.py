"""What every test gets: a reactor, and the proof that it left nothing behind."""

from __future__ import annotations

import gc
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.logger import LogEvent
from twisted.plugin import IPlugin, getPlugins
from twisted.python.failure import Failure

from tests.processes import Program, Start, starter
from toolkit import testing


def pytest_sessionstart() -> None:
    """Have Twisted look through its plugins: the first to do so imports modules that warn."""
    with warnings.catch_warnings(action="ignore"):
        list(getPlugins(IPlugin))


def pytest_collection_finish() -> None:
    """Leave what has been imported by now out of the collection after each test: 2 ms, not 40."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def reactor() -> Any:
    """The real reactor, running."""
    from twisted.internet import reactor

    return reactor


@pytest.fixture
def logged(_clean: list[LogEvent]) -> list[LogEvent]:
    """Every event logged in the test so far; who asks for it may leave failures in it."""
    return _clean


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[list[LogEvent]]:
    """Fail the test that leaves a timer, a socket or an unhandled failure behind."""
    from twisted.internet import reactor

    with testing.logged() as events:
        yield events
        gc.collect()  # a failed Deferred is reported when it is collected
    left = _settle(reactor)
    for call in reactor.getDelayedCalls():
        call.cancel()
    for descriptor in reactor.removeAll() if left else ():
        # Else every test after this one would fail as well.
        descriptor.connectionLost(Failure(ConnectionAborted()))
    assert not left, "left behind: " + "; ".join(left)
    if "logged" not in request.fixturenames:
        failures = testing.failures_in(events)
        assert not failures, f"logged: {[_told(event) for event in failures]}"


def _settle(reactor: Any) -> list[str]:
    """Give sockets that are closing some turns of the reactor to be gone."""

    async def turns() -> list[str]:
        left: list[str] = []
        for _ in range(100):
            left = testing.leftovers(reactor)
            if not left:
                break
            turn: Deferred[None] = Deferred()
            reactor.callLater(0, turn.callback, None)
            await turn
        return left

    left = testing.leftovers(reactor)
    if not left:
        return []
    result: list[str] = pytest_twisted.blockon(Deferred.fromCoroutine(turns()))
    return result


def _told(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return failure.getTraceback() if failure is not None else str(event.get("log_format"))


@pytest.fixture
def start(reactor: Any, tmp_path: Path) -> Iterator[Start]:
    """Start real programs; those still running when the test is over are killed."""
    programs: list[Program] = []
    yield starter(reactor, tmp_path, programs)
    for program in programs:
        if program.status is None:
            program.signal(signal.SIGKILL)
            pytest_twisted.blockon(program.ended())


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[str]:
    """The URL of a PostgreSQL database of the tests' own."""
    from tests.database.databases import new_postgresql

    with new_postgresql() as url:
        yield url


@pytest.fixture
def postgresql(postgresql_database: str) -> str:
    """The URL of an empty PostgreSQL database."""
    from tests.database.databases import emptied

    return emptied(postgresql_database)
