"""A handover between two threads: one gives, another takes, and the end of one is the other's."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from toolkit.database.copying.copied import CopyFailed


class Handover:
    """Things that one thread gives to another, in order, a few of them at a time.

    Args:
        seconds: How long either waits for the other.
        most: How many things wait at most.
    """

    def __init__(self, seconds: float, most: int = 2) -> None:
        self._seconds = seconds
        self._most = most
        self._things: deque[Any] = deque()
        self._answers: deque[Any] = deque()
        self._changed = threading.Condition()
        self.error: BaseException | None = None

    def give(self, thing: Any) -> None:
        """Give something; waits while too many things wait.

        Args:
            thing: Anything.

        Raises:
            CopyFailed: It was ended, or nothing was taken in time.
        """
        with self._changed:
            self._wait(lambda: len(self._things) < self._most)
            self._things.append(thing)
            self._changed.notify_all()

    def take(self) -> Any:
        """Take what was given; waits until something is.

        Raises:
            CopyFailed: It was ended, or nothing came in time.
        """
        with self._changed:
            self._wait(lambda: bool(self._things))
            self._changed.notify_all()
            return self._things.popleft()

    def answer(self, thing: Any) -> None:
        """Give something back to who gives.

        Args:
            thing: Anything.
        """
        with self._changed:
            self._answers.append(thing)
            self._changed.notify_all()

    def answered(self) -> Any:
        """Wait for what was given back.

        Raises:
            CopyFailed: It was ended, or nothing came in time.
        """
        with self._changed:
            self._wait(lambda: bool(self._answers))
            return self._answers.popleft()

    def end(self, error: BaseException) -> None:
        """Let both fail from now on; the first error is the one that counts.

        Args:
            error: Why.
        """
        with self._changed:
            if self.error is None:
                self.error = error
            self._changed.notify_all()

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._seconds
        while self.error is None and not is_ready():
            if not self._changed.wait(deadline - time.monotonic()):
                self.error = CopyFailed(f"one of the databases did nothing for {self._seconds:g} s")
        if self.error is not None:
            raise CopyFailed("the other database's part of the copy has failed")
