"""A body on its way to where it belongs: in a file, with its checksum and its beginning."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from typing import BinaryIO

from toolkit.errors import printable
from toolkit.http.failures import FetchError
from toolkit.http.sink import write_whole

BEGINNING_BYTES = 262_144
"""How much is kept in memory too: a title is looked for in it."""


def write_failed(name: str | None, error: OSError) -> FetchError:
    """The error for a body that cannot be written.

    Args:
        name: Where to; None is standard output.
        error: What the system says.
    """
    where = "standard output" if name is None else printable(name)
    return FetchError(f"cannot write {where}: {error.strerror or error}", "write-failed")


class Partial:
    """Takes a body as it comes; a Sink. What it has written is there until `drop`, or renamed.

    Args:
        path: The file; it is made, or emptied.
        name: What it is going to be, for messages.
        replaces: The file it is going to be renamed to: if that is there, its mode is kept.

    Attributes:
        beginning: The first 256 KiB of the body.
        is_summed: Whether its checksum is wanted: it takes longer than all the rest.
    """

    def __init__(self, path: str, name: str, replaces: str | None = None) -> None:
        self.path = path
        self.beginning = b""
        self.is_summed = False
        self._name = name
        self._replaces = replaces
        self._file: BinaryIO | None = None
        self._sum = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what has been written, where `is_summed` said so before it was."""
        return self._sum.digest()

    def begin(self) -> None:
        """Make ready for a body; it may be another try."""
        self.beginning = b""
        self._sum = hashlib.sha256()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o666)
            self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115 - until end or drop
            if self._replaces is not None:
                self._keep_mode(self._replaces)
        except OSError as error:
            raise write_failed(self._name, error) from error

    def _keep_mode(self, path: str) -> None:
        assert self._file is not None
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISREG(mode):
            # From the beginning: what others could not read, they cannot read on its way either.
            os.fchmod(self._file.fileno(), mode & 0o777)

    def write(self, data: bytes) -> None:
        """Take a piece."""
        assert self._file is not None
        try:
            write_whole(self._file, data)
        except OSError as error:
            raise write_failed(self._name, error) from error
        if self.is_summed:
            self._sum.update(data)
        if len(self.beginning) < BEGINNING_BYTES:
            self.beginning += data[: BEGINNING_BYTES - len(self.beginning)]

    def end(self) -> None:
        """It is whole."""
        file, self._file = self._file, None
        assert file is not None
        try:
            file.close()
        except OSError as error:
            raise write_failed(self._name, error) from error

    def drop(self) -> None:
        """Leave nothing of it."""
        file, self._file = self._file, None
        with suppress(OSError):
            if file is not None:
                file.close()
        with suppress(OSError):
            os.unlink(self.path)
