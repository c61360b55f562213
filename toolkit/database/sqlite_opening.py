"""SQLite: how a connection is opened, so that it is durable and shared with other processes."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any

from toolkit.database.settings import DatabaseSettings, Place

_STEP_SECONDS = 0.05
"""SQLite's own wait for a lock cannot be interrupted: it waits so long, and then is asked again."""


def arguments(place: Place, settings: DatabaseSettings, reads: bool) -> dict[str, Any]:
    """What adbapi's pool is given, to open a connection in each of its threads.

    Args:
        place: Which file.
        settings: How it is used.
        reads: Whether the connections only read.
    """
    is_memory = place.target == ":memory:"
    path = os.path.abspath(place.target)
    target = ":memory:" if is_memory else f"file:{_escaped(path)}"

    def prepare(connection: sqlite3.Connection) -> None:
        try:
            _prepare(connection, place, settings, reads)
        except BaseException:
            connection.close()
            raise

    return {
        "database": target + ("?mode=ro" if place.read_only else ""),
        "uri": not is_memory,
        "isolation_level": None,
        "check_same_thread": False,  # interrupt() and close() come from the reactor's
        "cached_statements": 256,
        "timeout": _STEP_SECONDS,
        "cp_openfun": prepare,
    }


def _escaped(path: str) -> str:
    for character in "%?#":  # https://sqlite.org/uri.html
        path = path.replace(character, f"%{ord(character):02x}")
    return path


def _prepare(
    connection: sqlite3.Connection, place: Place, settings: DatabaseSettings, reads: bool
) -> None:
    deadline = time.monotonic() + settings.busy_seconds
    for command in (
        "PRAGMA foreign_keys = ON",
        f"PRAGMA synchronous = {settings.synchronous}",
        # The first statement that looks into the file: one that is no database is told here.
        "SELECT count(*) FROM sqlite_master",
        # A reader's file is in WAL already: the writer opens it first.
        "PRAGMA query_only = ON" if reads else "PRAGMA journal_mode = WAL",
    ):
        while True:
            try:
                connection.execute(command)
                break
            except sqlite3.OperationalError as error:
                code = error.sqlite_errorcode & 0xFF
                if code == sqlite3.SQLITE_READONLY and "journal" in command:
                    break  # it can be read as it is
                # Where others open it too, WAL is refused at once, without a wait.
                if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_STEP_SECONDS / 10)
