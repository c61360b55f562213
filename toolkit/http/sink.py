"""Where a body goes that is not kept in memory: a file, written beside and renamed when whole."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import BinaryIO, Protocol

from toolkit.http.failures import FetchError, shown


class Sink(Protocol):
    """Takes the body of an answer below 400, decoded, piece by piece.

    What cannot be done raises FetchError `write-failed`. Each `begin` is followed by one `end` or
    one `drop`; after a `drop` there may be another `begin`, where the request is sent again.
    """

    def begin(self) -> None:
        """Make ready for a body."""
        ...

    def write(self, data: bytes) -> None:
        """Take a piece."""
        ...

    def end(self) -> None:
        """The body is whole."""
        ...

    def drop(self) -> None:
        """The body is not whole, and nothing of it is to be kept."""
        ...


def write_whole(file: BinaryIO, data: bytes) -> None:
    """Write all of a piece to a file without a buffer, which may take less of it at once.

    Args:
        file: Opened with `buffering=0`.
        data: The piece.

    Raises:
        OSError: It cannot be written.
    """
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


class Nowhere:
    """Takes a body that nobody wants: it is counted, and costs no memory."""

    def begin(self) -> None:
        """Begin; see `Sink`."""

    def write(self, data: bytes) -> None:
        """Drop it; see `Sink`."""

    def end(self) -> None:
        """It has been whole; see `Sink`."""

    def drop(self) -> None:
        """There is nothing; see `Sink`."""


NOWHERE = Nowhere()


class FirstBytes:
    """Keeps the beginning of a body.

    Args:
        limit: How many bytes of it.
    """

    def __init__(self, limit: int) -> None:
        self.data = b""
        self._limit = limit

    def begin(self) -> None:
        """Begin anew; see `Sink`."""
        self.data = b""

    def write(self, data: bytes) -> None:
        """Keep it, or its beginning; see `Sink`."""
        self.data += data[: self._limit - len(self.data)]

    def end(self) -> None:
        """It is all there; see `Sink`."""

    def drop(self) -> None:
        """Keep nothing; see `Sink`."""
        self.data = b""


class FileSink:
    """Writes a body to a file: beside it first, and renamed when it is whole.

    So nobody finds a part of it under its name, and what was there stays until then. Where the
    name is a symbolic link, what it leads to is written. A device or a FIFO is written in place;
    it is never replaced, and of what has failed a part has gone there.

    Args:
        path: The file's name. Its folder exists.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._partial = ""

    def begin(self) -> None:
        """Open the file; see `Sink`."""
        try:
            if self._is_written_in_place():
                # A FIFO that nobody reads must not hold up everything else.
                descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                os.set_blocking(descriptor, True)
            else:
                folder, name = os.path.split(os.path.realpath(self.path))
                # As long as a name may be: the end of a long one gives way.
                short = os.fsdecode(os.fsencode(name)[:200])
                self._partial = os.path.join(folder, f".{short}.{secrets.token_hex(6)}.part")
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(self._partial, flags, 0o666)
                with suppress(FileNotFoundError):  # whom it was shown to, and no others
                    os.fchmod(descriptor, stat.S_IMODE(os.stat(self.path).st_mode))
        except (OSError, ValueError) as error:
            self._partial = ""
            raise self._failed(error) from error
        self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115 - until end or drop

    def write(self, data: bytes) -> None:
        """Write a piece; see `Sink`."""
        assert self._file is not None
        try:
            write_whole(self._file, data)
        except OSError as error:
            raise self._failed(error) from error

    def end(self) -> None:
        """Close the file, and give it its name; see `Sink`."""
        file, self._file = self._file, None
        assert file is not None
        try:
            file.close()
            if self._partial:
                os.replace(self._partial, os.path.realpath(self.path))
                self._partial = ""
        except OSError as error:
            self._remove()
            raise self._failed(error) from error

    def drop(self) -> None:
        """Remove what was written; see `Sink`."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a disk that is full may say so only now
                file.close()
        self._remove()

    def _is_written_in_place(self) -> bool:
        try:
            return not stat.S_ISREG(os.stat(self.path).st_mode)
        except FileNotFoundError:
            return False

    def _remove(self) -> None:
        partial, self._partial = self._partial, ""
        if partial:
            with suppress(OSError):  # somebody has removed it, or its folder
                os.unlink(partial)

    def _failed(self, error: Exception) -> FetchError:
        reason = getattr(error, "strerror", None) or error
        return FetchError(f"cannot write {shown(self.path, 300)}: {reason}", "write-failed")
