"""A text stream such as `sys.stdout`, as a place for the lines of a log."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from io import UnsupportedOperation
from typing import TextIO

from toolkit.log.pipe import Pipe


class TextStream:
    """A text stream. A real file is written past its buffer, line by line.

    What is behind its number may change: a process that becomes a daemon lets go of its terminal.

    Args:
        stream: The stream; it is not closed.
    """

    trouble = ""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False
        self._known: tuple[int, int, int] | None = None
        self.pipe: Pipe | None = None
        """What it writes to, unless that is a regular file, or none at all."""

    def write(self, line: bytes) -> None:
        """Write a line, or let the pipe keep it.

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
        status = os.fstat(fd)
        known = (fd, status.st_dev, status.st_ino)
        if known != self._known:
            self._let_go()
            if not stat.S_ISREG(status.st_mode):
                self.pipe = Pipe(fd)
            self._known = known
        if self.pipe is None:
            self._append(fd, line)
        else:
            self.pipe.write(line)

    def _append(self, fd: int, line: bytes) -> None:
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

    def _let_go(self) -> None:
        pipe, self.pipe, self._known = self.pipe, None, None
        if pipe is not None:
            with suppress(OSError):
                pipe.drain()
            pipe.close()

    def reopen(self) -> None:
        """Nothing: whoever made the stream keeps it."""

    def close(self) -> None:
        """Let go of what was opened beside the stream, which stays open."""
        self._let_go()
