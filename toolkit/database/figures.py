"""The figures of a database, for metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Figures:
    """What a database has done since it was made, and what it does now.

    Attributes:
        waiting: Calls that wait, those to be tried again among them.
        running: Calls that run.
        connections: Threads with a connection.
        done: Calls that succeeded.
        failed: Calls that failed, in whatever way.
        retried: How often a call was tried again.
        expired: Calls that took longer than they may.
        cancelled: Calls whose Deferred was cancelled.
        refused: Calls refused because the queue was full.
        lost: Connections that were lost, or could not be opened.
        slow: Statements that took longer than `slow_seconds`.
        seconds: How long the calls that ended took in all, waiting included.
    """

    waiting: int = 0
    running: int = 0
    connections: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    expired: int = 0
    cancelled: int = 0
    refused: int = 0
    lost: int = 0
    slow: int = 0
    seconds: float = 0.0
