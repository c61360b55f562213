"""What URLs came to is kept for a while, in SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.database.databases import Open, opener, sqlite_url
from toolkit.database.database import Database
from toolkit.database.errors import DatabaseError
from toolkit.fetched import Fetched, FetchedTable

GOOD = Fetched("http://a/", 1_700_000_000.25, 0.125, 200, 3 * 2**40, "")
REFUSED = Fetched("http://b/", 1_700_000_001.5, 10.0, None, 0, "connect-refused")


@pytest.fixture
def opens(reactor: Any) -> Iterator[Open]:
    with opener(reactor) as start:
        yield start


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def database(request: pytest.FixtureRequest, opens: Open, tmp_path: Path) -> Database:
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql")
    else:
        url = sqlite_url(tmp_path) if request.param == "sqlite" else "sqlite::memory:"
    opened: Database = pytest_twisted.blockon(opens(url))
    return opened


async def kept(database: Database) -> list[Fetched]:
    return [Fetched(*row) for row in await database.query("SELECT * FROM fetched ORDER BY at")]


@pytest.mark.parametrize(
    ("status", "failed"), [(None, True), (200, False), (399, False), (400, True), (503, True)]
)
def test_no_answer_and_one_of_400_or_above_are_failures(status: int | None, failed: bool) -> None:
    assert GOOD._replace(status=status).failed is failed


@pytest_twisted.ensureDeferred
async def test_a_result_reads_back_as_it_was(database: Database) -> None:
    table = FetchedTable(database)
    await table.prepare()
    for one in (REFUSED, GOOD):
        await table.add(one)
    assert await kept(database) == [GOOD, REFUSED]


@pytest_twisted.ensureDeferred
async def test_a_table_that_is_there_is_left_as_it_is(database: Database) -> None:
    for _ in range(2):
        table = FetchedTable(database)
        await table.prepare()
        await table.add(GOOD)
    assert await kept(database) == [GOOD, GOOD]


@pytest_twisted.ensureDeferred
async def test_what_is_older_is_forgotten_and_counted(database: Database) -> None:
    table = FetchedTable(database)
    await table.prepare()
    for one in (GOOD, GOOD._replace(at=GOOD.at - 0.5), REFUSED):
        await table.add(one)
    assert await table.forget(GOOD.at) == 1
    assert await kept(database) == [GOOD, REFUSED]
    assert await table.forget(GOOD.at) == 0


@pytest_twisted.ensureDeferred
async def test_without_a_database_each_call_fails_with_its_error(database: Database) -> None:
    table = FetchedTable(database)
    await database.stopService()
    for call in (table.prepare, lambda: table.add(GOOD), lambda: table.forget(0.0)):
        with pytest.raises(DatabaseError):
            await call()
