"""A copy is there as a whole or not at all, whatever happens while it is made."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError

from tests.database.calling import failure
from tests.database.copying.sources import two_tables
from tests.database.databases import Open
from tests.processes import Start
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.copy import copy_database
from toolkit.database.database import Database
from toolkit.database.errors import DeadlinePassed

TABLES = {"postgresql": "SELECT relname FROM pg_class WHERE relname IN ('a', 'b')"}
BEGUN = "b: 2000 of 15000"
STILL_THERE = "SELECT name FROM sqlite_master WHERE name IN ('a', 'b')"


async def tables_in(database: Database) -> list[Any]:
    return await database.query(TABLES.get(database.dialect, STILL_THERE))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest_twisted.ensureDeferred
async def test_a_copy_that_was_killed_has_left_nothing_and_the_next_one_is_whole(
    kind: str, number: signal.Signals, start: Start, opens_at: Open, tmp_path: Path, postgresql: str
) -> None:
    url = postgresql if kind == "postgresql" else f"sqlite:{tmp_path / 'target.db'}"
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(source, 15_000)
    command = [
        "python",
        "-m",
        "tests.database.copying.copier",
        f"sqlite:{tmp_path / 'source.db'}?mode=ro",
    ]
    stops_at = BEGUN if number is signal.SIGKILL else "never"
    program = start(*command, url, stops_at, cwd=Path.cwd())
    # The first table is all there, and the second one begun.
    await program.line(BEGUN)
    program.signal(number)
    assert await program.ended() == (-9 if number is signal.SIGKILL else 128 + number)
    assert program.err == ""
    target = await opens_at(url)
    assert await tables_in(target) == []
    copy = await copy_database(source, target)
    assert [one.rows for one in copy.tables] == [15_000, 15_000]


@pytest_twisted.ensureDeferred
async def test_a_copy_that_is_cancelled_leaves_the_target_as_it_was(
    opens: Open, opens_at: Open, tmp_path: Path, reactor: Any
) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(source)
    target = await opens()
    await target.execute("CREATE TABLE b (x INTEGER)")
    await target.execute("INSERT INTO b VALUES (-1)")

    def progress(table: str, done: int, _total: int) -> None:
        if (table, done) == ("b", 20):
            reactor.callFromThread(copying.cancel)

    copying = copy_database(source, target, True, 10, progress)
    with pytest.raises(CancelledError):
        await copying
    assert await target.query("SELECT x FROM b") == [(-1,)]
    assert [tuple(row) for row in await tables_in(target)] == [("b",)]


@pytest_twisted.ensureDeferred
async def test_a_copy_that_takes_too_long_ends(opens: Open, opens_at: Open, tmp_path: Path) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(source)
    target = await opens()
    error = await failure(copy_database(source, target, batch_rows=1, deadline_seconds=0.2))
    assert isinstance(error, DeadlinePassed | CopyFailed), error
    assert "0.2 s" in str(error)
    assert await tables_in(target) == []


@pytest_twisted.ensureDeferred
async def test_a_target_that_somebody_holds_is_told(opens_at: Open, tmp_path: Path) -> None:
    source = await opens_at(f"sqlite:{tmp_path / 'source.db'}")
    await two_tables(source, 10)
    target = await opens_at(f"sqlite:{tmp_path / 'target.db'}", busy_seconds=0.1)
    with closing(sqlite3.connect(tmp_path / "target.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = await failure(copy_database(source, target))
    assert "locked" in str(error)
    assert len(str(error).splitlines()) == 1
    assert (await copy_database(source, target)).left_out == ()
