"""The threads of a database end with it, and hold up nobody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock

from tests.database.databases import Open
from toolkit.database.database import Database
from toolkit.database.threads import Threads


@pytest_twisted.ensureDeferred
async def test_threads_do_not_pile_up(opens_at: Open, tmp_path: Path, reactor: Any) -> None:
    before = threading.active_count()
    for _ in range(5):
        database: Database = await opens_at(f"sqlite:{tmp_path}/test.db")
        await database.query("SELECT 1")
        await database.stopService()
    for _ in range(100):
        if threading.active_count() <= before + 1:
            break
        await deferLater(reactor, 0.01)
    assert threading.active_count() <= before + 1


def threads(reactor: Any) -> Threads:
    return Threads(reactor, "sqlite3", 2, {"database": ":memory:"})


class Noting(MemoryReactorClock):
    """Notes which of its triggers were removed."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: list[object] = []

    def callWhenRunning(self, *_: Any, **__: Any) -> Any:
        return "start"

    def removeSystemEventTrigger(self, trigger: object) -> None:
        self.removed.append(trigger)


def test_they_leave_nothing_in_the_reactor_that_its_end_would_wait_for() -> None:
    memory: Any = Noting()
    one = threads(memory)
    one.start()
    one.start()
    assert one.running
    assert [phase for phase in memory.triggers.values() if "shutdown" in phase] == []
    one.end()
    assert memory.removed == ["start"]


@pytest_twisted.ensureDeferred
async def test_one_that_hangs_holds_up_neither_the_end_nor_the_process(reactor: Any) -> None:
    one = threads(reactor)
    hangs, begun = threading.Event(), Deferred[bool]()

    def work() -> None:
        reactor.callFromThread(begun.callback, threading.current_thread().daemon)
        hangs.wait(10)

    one.threadpool.callInThread(work)
    assert await begun  # a daemon
    began = reactor.seconds()
    one.end()
    assert reactor.seconds() - began < 0.5
    hangs.set()
