"""Databases for tests: SQLite files, SQLite in memory, and a real PostgreSQL."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_twisted
from psycopg.sql import SQL, Identifier
from twisted.internet.defer import Deferred

from toolkit.database.database import Database
from toolkit.database.settings import DatabaseSettings

SERVER = os.environ.get("TOOLKIT_TEST_POSTGRESQL_URL", "postgresql://127.0.0.1/postgres")
"""Where databases of the tests' own are made, and dropped again."""


def absent(reason: str) -> None:
    """Skip the test, or fail it where all that it needs has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def new_postgresql() -> Iterator[str]:
    """The URL of a new, empty database, which is dropped afterwards."""
    name = f"toolkit_test_{secrets.token_hex(6)}"
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        absent(f"no PostgreSQL at {SERVER}: {error}; TOOLKIT_TEST_POSTGRESQL_URL names another")
    with closing(server):
        server.execute(f"CREATE DATABASE {name}")
        before, _, after = SERVER.rpartition("/")
        yield f"{before}/{name}" + ("?" + after.partition("?")[2] if "?" in after else "")
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def emptied(url: str) -> str:
    """The same database, without what the last test left in it."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for (name,) in connection.execute(
            "SELECT nspname FROM pg_namespace "
            "WHERE left(nspname, 3) <> 'pg_' AND nspname <> 'information_schema'"
        ).fetchall():
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(name)))
        connection.execute("CREATE SCHEMA public")
    return url


Open = Callable[..., Deferred[Database]]
"""`await opens(**settings)`: a Database that has been started, and is stopped after the test."""


@contextmanager
def opener(reactor: Any) -> Iterator[Open]:
    """What opens databases for one test, given their URLs."""
    opened: list[Database] = []

    def opens(url: str, /, **settings: Any) -> Deferred[Database]:
        database = Database(reactor, url, DatabaseSettings(**settings))
        opened.append(database)
        return database.startService().addCallback(lambda _: database)

    yield opens
    for database in opened:
        pytest_twisted.blockon(database.stopService())


def sqlite_url(folder: Path) -> str:
    """A file in a folder."""
    return f"sqlite:{folder / 'test.db'}"
