"""Where lines go, without ever raising: those that cannot be written are counted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from io import UnsupportedOperation
from typing import Protocol, TextIO

from twisted.logger import LogEvent, LogLevel

_WAITING = 100


class Target(Protocol):
    """What takes lines: a RotatedFile or a TextStream."""

    trouble: str

    def write(self, line: bytes) -> None:
        """Take a line."""

    def reopen(self) -> None:
        """Go on in a new file."""

    def close(self) -> None:
        """Take no more lines."""


class TextStream:
    """A text stream such as `sys.stderr`. A real file is written past its buffer, line by line.

    Args:
        stream: The stream; it is not closed.
    """

    trouble = ""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False

    def write(self, line: bytes) -> None:
        """Write a line and flush it.

        Args:
            line: UTF-8 that ends with a newline.

        Raises:
            OSError: It cannot be written.
            ValueError: The stream is closed.
        """
        try:
            # Asked each time: the number of a file that was closed may be a connection's by now.
            fd = self._stream.fileno()
        except (AttributeError, UnsupportedOperation):
            self._stream.write(line.decode())
            self._stream.flush()
            return
        self._stream.flush()
        if self._torn:
            line = b"\n" + line
        sent = os.write(fd, line)
        try:
            while sent < len(line):
                sent += os.write(fd, line[sent:])
        except OSError:
            self._torn = True
            raise
        self._torn = False

    def reopen(self) -> None:
        """Nothing: whoever made the stream keeps it."""

    def close(self) -> None:
        """Nothing, as for `reopen`."""


class Output:
    """Writes lines to a target. One that cannot be written is counted, and told of later.

    Any thread may write. What is logged while a line is being written (by a signal's handler, or
    by what the garbage collector runs) is written after it.

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

    def write(self, line: bytes) -> None:
        """Write a line, or count it as lost."""
        with self._lock:
            if self._busy:
                self._wait(line)
                return
            self._busy = True
            try:
                self._put(line)
                if self._waiting or self._reopening:
                    self._catch_up()
            finally:
                self._busy = False

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
            self._target.reopen()
            self._tell_trouble()

    def close(self) -> None:
        """Say what was lost, if that can be said, and take no more lines."""
        with self._lock:
            if self.lost:
                self._try(b"")
            self._target.close()

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

    def _put(self, line: bytes) -> None:
        if not self._try(line):
            self.lost += 1
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
                "count": self.lost,
                "reason": reason,
            }
        )
