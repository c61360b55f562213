"""The threads of a database end with it, and hold up nobody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.task import deferLater

from tests.database.databases import Open
from toolkit.database.database import Database


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
