"""A file of lines that only grows, or is replaced whole, and that one run uses at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from toolkit.errors import ToolkitError, printable

MAX_LINE = 16 * 1024**2
_BLOCK = 65_536
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class JournalFailed(ToolkitError):
    """The journal cannot be used, or not be written."""

    code = "journal-failed"


class JournalFile:
    """Lines on a disk.

    A line is in the file whole or not at all, but for one case: the last may be torn where the
    process, or the machine, ended while it was written. Nothing is synced line by line: what has
    been written outlives the process, killed or not, and only a machine that loses its power can
    lose the last lines. `replace` and `close` sync.

    Args:
        path: Its name; it is made where there is none.

    Raises:
        JournalFailed: It cannot be opened, is no regular file, or another process uses it.
    """

    def __init__(self, path: str) -> None:
        self.name = printable(path)
        try:
            self._path = os.path.realpath(path)  # a link stays, and what it leads to is replaced
            self._descriptor = self._opened()
            self.size = os.fstat(self._descriptor).st_size
        except (OSError, ValueError) as error:
            raise self._failure("cannot use", error) from error
        with suppress(FileNotFoundError):
            os.unlink(self._beside)  # of a run that was killed while it wrote it

    @property
    def _beside(self) -> str:
        return self._path + ".new"

    def _opened(self) -> int:
        while True:
            descriptor = os.open(self._path, _FLAGS, 0o666)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise JournalFailed(f"the journal {self.name} is no regular file; name another")
                self._lock(descriptor)
                # Whoever held the lock may have put another file in its place meanwhile.
                if os.path.samestat(os.fstat(descriptor), os.stat(self._path)):
                    return descriptor
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalFailed(
                f"another process uses the journal {self.name}; wait for its end, or name another"
            ) from error

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Read it from its beginning; what follows the last line's end is given too.

        Returns:
            The offset of each line and the line, with its end if it has one.

        Raises:
            JournalFailed: It cannot be read, or a line is longer than 16 MiB.
        """
        offset = 0
        try:
            with open(self._path, "rb", buffering=1024**2) as file:
                while line := file.readline(MAX_LINE):
                    if len(line) == MAX_LINE and line[-1:] != b"\n":
                        raise JournalFailed(f"{self.name} is no journal: a line never ends")
                    yield offset, line
                    offset += len(line)
        except OSError as error:
            raise self._failure("cannot read", error) from error

    def line_at(self, offset: int) -> bytes:
        """One line, without its end.

        Args:
            offset: Where it begins.

        Raises:
            JournalFailed: It cannot be read.
        """
        line = b""
        try:
            while b"\n" not in line:
                block = os.pread(self._descriptor, _BLOCK, offset + len(line))
                if not block:
                    break
                line += block
        except OSError as error:
            raise self._failure("cannot read", error) from error
        return line.partition(b"\n")[0]

    def cut(self, offset: int) -> None:
        """Drop what stands from there on.

        Args:
            offset: The new size.

        Raises:
            JournalFailed: It cannot be written.
        """
        try:
            os.ftruncate(self._descriptor, offset)
        except OSError as error:
            raise self._failure("cannot write", error) from error
        self.size = offset

    def append(self, line: bytes) -> int:
        """Add a line, in one write.

        Args:
            line: With its end.

        Returns:
            The offset where it begins.

        Raises:
            JournalFailed: It cannot be written (a full disk); then nothing of it is left.
        """
        offset = self.size
        try:
            written = os.write(self._descriptor, line)
            while written < len(line):  # the disk is nearly full: the rest says how it is
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            with suppress(JournalFailed):  # else the next run drops it
                self.cut(offset)
            raise self._failure("cannot write", error) from error
        self.size += len(line)
        return offset

    def replace(self, lines: Iterable[bytes]) -> None:
        """Have only these lines in it. Whoever is killed on the way leaves it as it was, or new.

        Args:
            lines: With their ends; they may come from `lines()`.

        Raises:
            JournalFailed: The new one cannot be written; the old one stays.
        """
        beside = self._beside
        try:
            descriptor = os.open(beside, _FLAGS | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
            try:
                # Locked before it has the name, so that nobody comes in between.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.fchmod(descriptor, stat.S_IMODE(os.fstat(self._descriptor).st_mode))
                with open(descriptor, "wb", buffering=1024**2, closefd=False) as file:
                    file.writelines(lines)
                os.fsync(descriptor)
                os.rename(beside, self._path)
            except BaseException:
                os.close(descriptor)
                with suppress(OSError):
                    os.unlink(beside)
                raise
        except OSError as error:
            raise self._failure("cannot write anew", error) from error
        os.close(self._descriptor)
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._sync_folder()

    def _sync_folder(self) -> None:
        # The rename itself is on the disk when the folder is.
        with suppress(OSError):
            folder = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Have it on the disk, and let others use it."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            os.fsync(descriptor)
        os.close(descriptor)

    def _failure(self, what: str, error: Exception) -> JournalFailed:
        reason = getattr(error, "strerror", None) or error
        return JournalFailed(f"{what} the journal {self.name}: {reason}")
