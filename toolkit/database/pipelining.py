"""Pipelining: several statements of one PostgreSQL connection, without a wait for each.

They are one transaction for the server: where one fails, none of those sent with it has been done.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from toolkit.database.sql import Statement

_MOST_PREPARED = 100  # as psycopg has it


class Pipelining:
    """Sends statements together (libpq's pipeline mode).

    A statement is prepared by being run alone first: psycopg would take one for prepared whose
    preparation was undone with a pipeline that failed, and from then on it would not be found.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._prepared: set[str] = set()

    def run(
        self, calls: Sequence[tuple[Statement, tuple[Any, ...]]]
    ) -> tuple[list[psycopg.Cursor[Any] | None], Exception | None]:
        """Run statements.

        Args:
            calls: Each statement, with its values.

        Returns:
            A cursor for each, with what it came to, or None for what has not been done, or, where
            the connection was lost, is not known to have been; and what was raised, if anything
            was.
        """
        done: list[psycopg.Cursor[Any] | None] = [None] * len(calls)
        together: list[int] = []
        try:
            for place, (statement, values) in enumerate(calls):
                if statement.text in self._prepared:
                    together.append(place)
                else:
                    cursor = self._connection.cursor()
                    done[place] = cursor.execute(statement.text, values, prepare=True)
                    self._remember(statement)
        except Exception as error:  # noqa: BLE001 - the caller's to tell: whatever it is
            return done, error
        if not together:
            return done, None
        sent, failed = self._send(calls[place] for place in together)
        for place, cursor in zip(together, sent, strict=False):
            done[place] = cursor
        return done, failed

    def _remember(self, statement: Statement) -> None:
        if len(self._prepared) >= _MOST_PREPARED:
            self._prepared.clear()
        self._prepared.add(statement.text)

    def _send(
        self, calls: Iterable[tuple[Statement, tuple[Any, ...]]]
    ) -> tuple[list[psycopg.Cursor[Any]], Exception | None]:
        connection = self._connection
        usual, connection.prepare_threshold = connection.prepare_threshold, sys.maxsize
        cursors: list[psycopg.Cursor[Any]] = []
        failed: Exception | None = None
        try:
            with connection.pipeline():
                try:
                    for statement, values in calls:
                        cursors.append(connection.cursor().execute(statement.text, values))
                # A value that cannot be sent, after which those before it are done; or one of
                # them has failed. Left by it, the pipeline would log its own, with values.
                except Exception as error:  # noqa: BLE001 - it is returned
                    failed = error
        except Exception as error:  # noqa: BLE001 - it is returned
            return [], failed or error
        finally:
            connection.prepare_threshold = usual
        # What the server has said while others were sent is not said again at the pipeline's end.
        return ([] if failed is not None and not _is_of_a_value(failed) else cursors), failed


def _is_of_a_value(error: Exception) -> bool:
    """Whether it was raised here, for what cannot be sent, and not by the server."""
    is_servers = isinstance(error, psycopg.Error) and error.sqlstate is not None
    return not is_servers and not isinstance(error, psycopg.OperationalError)
