"""Where lines go, without ever raising: those that cannot be written are counted."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import LogEvent, LogLevel

from toolkit.log.pipe import LinesLost, Pipe

_WAITING = 100
_TOGETHER = 500  # lines of events that follow each other at once
_AGAIN_SECONDS = 1.0  # from one attempt to say what was lost to the next
_LAST_SECONDS = 0.5  # that a slow reader is given at the end for what is kept for it


class Target(Protocol):
    """What takes lines: a RotatedFile or a TextStream."""

    trouble: str
    pipe: Pipe | None
    """What it writes to, unless that is a regular file."""

    def write(self, line: bytes) -> None:
        """Take a line."""

    def reopen(self) -> None:
        """Go on in a new file."""

    def close(self) -> None:
        """Take no more lines."""


class Output:
    """Writes lines to a target. One that cannot be written is counted, and told of later.

    Any thread may write. What is logged while a line is being written (by a signal's handler, or
    by what the garbage collector runs) is written after it. What a target's pipe keeps for a slow
    reader is written by a thread, which runs while there is some, or lines are lost that were not
    told of yet.

    Args:
        target: Where lines go.
        render: Makes an event its line.
    """

    def __init__(self, target: Target, render: Callable[[LogEvent], bytes]) -> None:
        self.render = render
        self.lost = 0
        self._target = target
        self._reason = ""
        self._told = ""
        self._lock = threading.RLock()
        self._busy = False
        self._reopening = False
        self._waiting: list[bytes] = []
        self._held: list[object] = []  # more follow at once
        self._together: Callable[[list[Any]], bytes] = lambda _: b""
        self._draining: threading.Thread | None = None
        self._closed = threading.Event()

    def write(self, line: bytes) -> None:
        """Write a line, or count it as lost.

        Args:
            line: The line.
        """
        with self._lock:
            if self._busy:
                self._wait(line)
                return
            self._busy = True
            try:
                if self._held:
                    self._put_held(line)
                else:
                    self._put(line)
                if self._waiting or self._reopening:
                    self._catch_up()
                pipe = self._target.pipe
                if self.lost or (pipe is not None and pipe.waiting):
                    self._have_drained()
            finally:
                self._busy = False

    def hold(self, one: object, together: Callable[[list[Any]], bytes]) -> None:
        """Keep what becomes a line until the next one is written, which follows at once.

        Args:
            one: What becomes a line.
            together: Makes what was kept its lines.
        """
        with self._lock:
            if self._busy or self._target.pipe is not None or len(self._held) >= _TOGETHER:
                self.write(together([one]))
                return
            self._held.append(one)
            self._together = together

    def lose(self, reason: str) -> None:
        """Count a line that could not even be made.

        Args:
            reason: Why.
        """
        with self._lock:
            self.lost += 1
            self._reason = reason

    def reopen(self) -> None:
        """Go on in a new file, once the line in progress is written."""
        with self._lock:
            if self._busy:
                self._reopening = True
                return
            self._put_held()
            self._target.reopen()
            self._tell_trouble()

    def close(self) -> None:
        """Say what was lost, if that can be said, and take no more lines."""
        with self._lock:
            self._put_held()
            if self.lost:
                self._try(b"")
            self._finish()
            self._closed.set()
            self._target.close()

    def _is_kept(self) -> bool:
        pipe = self._target.pipe
        return pipe is not None and pipe.waiting

    def _have_drained(self) -> None:
        """Have a thread write what is kept, and say what was lost as soon as that can be said."""
        if self._closed.is_set():
            return
        if self._draining is None:
            atexit.register(self._finish)
        # One that was running when the process forked is not alive in the child.
        if self._draining is None or not self._draining.is_alive():
            self._draining = threading.Thread(target=self._drain, name="log", daemon=True)
            self._draining.start()

    def _drain(self) -> None:
        while True:
            pipe = self._target.pipe
            if pipe is not None and pipe.waiting:
                pipe.wait(_AGAIN_SECONDS)
            else:
                self._closed.wait(_AGAIN_SECONDS)
            with self._lock:
                if self._closed.is_set() or not self._drained():
                    # Under the lock: who keeps more from now on begins another thread.
                    self._draining = None
                    atexit.unregister(self._finish)
                    return

    def _drained(self) -> bool:
        """Write what can be written of what is owed; whether there is more."""
        busy, self._busy = self._busy, True
        try:
            pipe = self._target.pipe
            if pipe is not None and pipe.waiting:
                pipe.drain()
            if self.lost and not self._is_kept():
                self._try(b"")
            if self._waiting or self._reopening:
                self._catch_up()
        except LinesLost as error:
            self._count(error)
        finally:
            self._busy = busy
        return self.lost > 0 or self._is_kept()

    def _finish(self) -> None:
        """Give the reader a moment for what is kept."""
        end = time.monotonic() + _LAST_SECONDS
        while (pipe := self._target.pipe) is not None and pipe.waiting:
            left = end - time.monotonic()
            if left <= 0:
                return
            pipe.wait(left)
            with self._lock:
                self._drained()

    def _count(self, error: LinesLost) -> None:
        self.lost += error.count
        self._reason = error.strerror or str(error)

    def _wait(self, line: bytes) -> None:
        if len(self._waiting) < _WAITING:
            self._waiting.append(line)
        else:
            self.lose("logged while a line was being written")

    def _catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._put(line)
        # A target that logs whatever it is given would never come to an end.
        for _ in self._waiting:
            self.lose("logged while a line was being written")
        self._waiting.clear()
        if self._reopening:
            self._reopening = False
            self._target.reopen()
            self._tell_trouble()

    def _put_held(self, last: bytes = b"") -> None:
        held, self._held = self._held, []
        if held:
            self._put(self._together(held) + last, len(held) + bool(last))

    def _put(self, line: bytes, count: int = 1) -> None:
        if not self._try(line):
            self.lost += count
        elif self._target.trouble != self._told:
            self._tell_trouble()

    def _try(self, line: bytes) -> bool:
        try:
            if self.lost:
                lost = self._notice("{count} log lines were lost: {reason}", self._reason)
                self._target.write(lost)
                self.lost = 0
            if line:
                self._target.write(line)
        except LinesLost as error:
            self._count(error)
            return False
        except Exception as error:  # noqa: BLE001 - a stream may be anything, and raise anything
            self._reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return False
        return True

    def _tell_trouble(self) -> None:
        self._told = self._target.trouble
        if self._told:
            self._try(self._notice("{reason}", self._told))

    def _notice(self, message: str, reason: str) -> bytes:
        return self.render(
            {
                "log_format": message,
                "log_level": LogLevel.warn,
                "log_namespace": "toolkit.log",
                "log_time": time.time(),
                **({"count": self.lost} if self.lost else {}),
                "reason": reason,
            }
        )
