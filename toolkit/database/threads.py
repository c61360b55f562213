"""The threads of a database and their connections: adbapi's, without what holds up the reactor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.enterprise.adbapi import ConnectionPool


class Threads(ConnectionPool):
    """adbapi's pool of threads, each with a connection, that never holds up the reactor.

    Its threads are daemons: one that hangs in a system call does not hold the process. And it
    leaves no trigger in the reactor, where adbapi joins all threads at shutdown.
    """

    def __init__(self, reactor: Any, module: str, size: int, arguments: dict[str, Any]) -> None:
        super().__init__(module, cp_reactor=reactor, cp_min=0, cp_max=size, **arguments)
        self.threadpool.threadFactory = _daemon  # type: ignore[assignment] # a class, as declared

    def start(self) -> None:
        """Start the threads, when the reactor runs."""
        if not self.running:
            self.running = True
            self.threadpool.start()

    def end(self) -> None:
        """End the threads without waiting for them; they have closed their connections."""
        if self.startID is not None:
            self._reactor.removeSystemEventTrigger(self.startID)
            self.startID = None
        # It joins them, and one may hang.
        threading.Thread(target=self.threadpool.stop, daemon=True).start()


def _daemon(target: Callable[[], None], name: str) -> threading.Thread:
    return threading.Thread(target=target, name=name, daemon=True)
