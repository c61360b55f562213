"""A log's file: appended to line by line, rotated by size, reopened when it was moved away."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import time
from contextlib import suppress

from toolkit.errors import ToolkitError
from toolkit.log.pipe import Pipe

_MODE = 0o640
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY


class RotatedFile:
    """A file of whole lines. When the next one would not fit, it becomes `path.1`, and so on.

    Several processes may write to one: each line goes out in one write at the file's end, and
    one process at a time rotates, which the others notice. One that was deleted is made again,
    within a second. A pipe or a device is not rotated.

    Args:
        path: Where it is; made if it is not there, readable for owner and group.
        max_bytes: How large it may become; a longer line has a file for itself.
        keep: How many old ones are kept; with 0 what was written is deleted.

    Raises:
        ToolkitError: It cannot be opened (code `log-file`).
    """

    def __init__(self, path: str, max_bytes: int, keep: int) -> None:
        # twistd changes its directory when it becomes a daemon.
        self._path = os.path.abspath(path)
        self.max_bytes = max_bytes
        self.keep = keep
        self._size = 0
        self._torn = False
        self._stale = False
        self.trouble = ""
        """Why it could not be rotated or reopened, and is written to as it was; else empty."""
        self.pipe: Pipe | None = None
        """What it writes to, unless that is a regular file."""
        self._fd = -1
        self._look_at = 0.0
        try:
            self._take(self._open())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ToolkitError(
                f"cannot write the log file {self._path}: {reason}; "
                "name a file that can be appended to, in a folder that exists",
                "log-file",
            ) from error

    def _open(self) -> int:
        # Without O_NONBLOCK the opening of a named pipe waits until somebody reads it.
        try:
            return os.open(self._path, _FLAGS | os.O_NONBLOCK, _MODE)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(self._path).st_mode):
                raise
        # With it, one that nobody reads can be opened as its own reader only (fifo(7)).
        flags = _FLAGS & ~(os.O_WRONLY | os.O_CREAT) | os.O_RDWR
        return os.open(self._path, flags | os.O_NONBLOCK)

    def _take(self, fd: int) -> None:
        status = os.fstat(fd)
        same = self._fd >= 0 and os.path.samestat(status, os.fstat(self._fd))
        if not (self.pipe is not None and same):  # else it keeps what it keeps for its reader
            self._let_go()
            if not stat.S_ISREG(status.st_mode):
                self.pipe = Pipe(fd)
        old, self._fd = self._fd, fd
        self._size = status.st_size
        self._torn = False
        # What a symbolic link points to is rotated, never the link.
        self._real = os.path.realpath(self._path) if self.pipe is None else ""
        if old >= 0:
            os.close(old)

    def write(self, line: bytes) -> None:
        """Append a line; it is in the file when this returns.

        Args:
            line: Bytes that end with a newline.

        Raises:
            OSError: The line is not in the file, nor is a part of it.
        """
        if self._fd < 0:
            raise OSError("the log is closed")
        if self.pipe is not None:
            self.pipe.write(line)
            return
        now = time.monotonic()
        if now >= self._look_at:
            if self._stale:
                self.reopen()
            elif os.fstat(self._fd).st_nlink == 0:
                self._take(self._open())
            self._look_at = now + 1.0
        if self._size and self._size + len(line) > self.max_bytes:
            self._rotate()
        if self._torn:
            line = b"\n" + line
        sent = os.write(self._fd, line)
        try:
            while sent < len(line):
                sent += os.write(self._fd, line[sent:])
        except OSError:
            self._take_back(sent)
            raise
        self._torn = False
        # The place where a line written with O_APPEND ends counts what others have written.
        self._size = os.lseek(self._fd, 0, os.SEEK_CUR)

    def _take_back(self, sent: int) -> None:
        """Remove the part of a line that went out; where that cannot be, end it as a line."""
        self._torn = True
        try:
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if os.fstat(self._fd).st_size == end:
                os.ftruncate(self._fd, end - sent)
                self._torn = False
        except OSError as error:
            self.trouble = f"a line of {self._path} is torn: {error.strerror}"

    def reopen(self) -> None:
        """Go on in a new file, after the old one was moved away.

        If it cannot be, `trouble`, and it is tried again with a line, once a second until it can.
        """
        if self._fd < 0:
            return
        try:
            self._take(self._open())
            self.trouble, self._stale = "", False
        except OSError as error:
            self._stale = True
            self.trouble = (
                f"cannot reopen the log file {self._path}: {error.strerror}; "
                "the old one is written to until that works"
            )

    def close(self) -> None:
        """Close the file; each further line is an OSError."""
        if self._fd >= 0:
            self._let_go()
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _let_go(self) -> None:
        pipe, self.pipe = self.pipe, None
        if pipe is not None:
            with suppress(OSError):
                pipe.drain()
            pipe.close()

    def _rotate(self) -> None:
        try:
            if self._is_mine():
                if not self._lock():
                    return  # another process is rotating it: the next line will look again
                if self._is_mine():  # and none has just done so
                    self._shift()
            self._take(self._open())  # closing the old file gives up the lock
            self.trouble = ""
        except OSError as error:
            self.trouble = f"cannot rotate the log file {self._path}: {error.strerror}"
            # Not again for each line.
            self._size -= max(1, self.max_bytes // 10)
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _is_mine(self) -> bool:
        """Whether the file of that name is still the one that is open."""
        try:
            return os.path.samestat(os.stat(self._real), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _shift(self) -> None:
        for number in itertools.count(self.keep + 1):
            try:  # there are more if `keep` was larger once
                os.unlink(f"{self._real}.{number}")
            except FileNotFoundError:
                break
        if self.keep == 0:
            os.unlink(self._real)
            return
        free = 1
        while free < self.keep and os.path.lexists(f"{self._real}.{free}"):
            free += 1
        for number in range(free, 1, -1):
            os.replace(f"{self._real}.{number - 1}", f"{self._real}.{number}")
        os.replace(self._real, f"{self._real}.1")
