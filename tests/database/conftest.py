"""Each test of `opens` runs on a SQLite file, on SQLite in memory, and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.database.databases import Open, emptied, new_postgresql, opener, sqlite_url


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgresql")
        return found
    return "sqlite::memory:" if request.param == "memory" else sqlite_url(tmp_path)


@pytest.fixture(scope="session")
def postgresql_database_again() -> Iterator[str]:
    """The URL of another PostgreSQL database."""
    with new_postgresql() as url:
        yield url


@pytest.fixture
def postgresql_again(postgresql_database_again: str) -> str:
    """The URL of another empty PostgreSQL database."""
    return emptied(postgresql_database_again)


@pytest.fixture
def opens_at(reactor: Any) -> Iterator[Open]:
    """Opens databases by their URLs."""
    with opener(reactor) as start:
        yield start


@pytest.fixture
def opens(opens_at: Open, url: str) -> Open:
    """Opens the database of the fixture `url`."""
    return partial(opens_at, url)
