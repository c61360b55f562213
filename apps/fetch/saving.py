"""Where bodies go: a folder, a file, or a pipe. A file is there whole, or not at all."""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import Protocol

from apps.fetch.naming import name_for
from apps.fetch.partial import Partial, write_failed
from toolkit.errors import ToolkitError, printable

STDOUT = "-"


class TargetRefused(ToolkitError):
    """A body could not be saved there: known before anything is asked."""

    code = "write-failed"


class Place(Protocol):
    """Where the body of one URL goes: first into a file, then where it belongs."""

    partial: Partial
    """The file; the Fetcher writes it."""

    name: str | None
    """What it can be opened by when it has been kept; None where it cannot."""

    def blocks(self) -> bool:
        """Whether `keep` cannot go on, as nobody reads at the other end yet."""

    def keep(self) -> Iterator[bool]:
        """Put it where it belongs, piece by piece: whether the next has to wait for a reader."""

    def drop(self) -> None:
        """Leave nothing of it; after `keep` there is nothing to drop."""


class Target(Protocol):
    """Gives each URL its Place."""

    def place(self, url: str) -> Place:
        """The place for the body of a URL.

        Args:
            url: As it was given.

        Raises:
            FetchError: `write-failed`, there can be none.
        """


class _Beside:
    """A file that is written beside, under a name nobody else uses, and renamed."""

    def __init__(self, path: str, name: str, serial: int) -> None:
        self.name: str | None = name
        self._path = path
        folder, last = os.path.split(path)
        # The process and a number: a URL given twice, or to two runs, is not written to one file.
        suffix = f".{os.getpid():x}-{serial:x}.part"
        kept = os.fsdecode(os.fsencode(last)[: 255 - len(suffix)])
        self.partial = Partial(os.path.join(folder, kept + suffix), name, path)

    def blocks(self) -> bool:
        return False

    def keep(self) -> Iterator[bool]:
        os.replace(self.partial.path, self._path)
        yield from ()

    def drop(self) -> None:
        self.partial.drop()


class _Through:
    """A pipe, a device or standard output: written in place, once the body is known to be good."""

    def __init__(self, path: str | None) -> None:
        self.name = path
        self._path = path
        self._descriptor = 1 if path is None else -1
        descriptor, spool = tempfile.mkstemp(prefix="fetch-")
        os.close(descriptor)
        self.partial = Partial(spool, spool)

    def blocks(self) -> bool:
        if self._descriptor < 0 and self._path is not None:
            try:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                # A FIFO that nobody has opened for reading (fifo(7)).
                if not stat.S_ISFIFO(os.stat(self._path).st_mode):
                    raise
                return True
        return False

    def keep(self) -> Iterator[bool]:
        with open(self.partial.path, "rb") as file:
            while block := file.read(65_536):
                left = memoryview(block)
                while left:
                    try:
                        left = left[os.write(self._descriptor, left) :]
                    except BlockingIOError:
                        yield True
                yield False
        self.drop()

    def drop(self) -> None:
        self.partial.drop()
        if self._descriptor > 1:
            os.close(self._descriptor)
            self._descriptor = -1


class Folder:
    """Each URL's body in a file of its own in one folder, named by `name_for`.

    Args:
        path: The folder.

    Raises:
        TargetRefused: It is not there, is none, or cannot be written to.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._serials = itertools.count()
        _check_folder(path, path)

    def place(self, url: str) -> Place:
        """The file for a URL.

        Args:
            url: As it was given.
        """
        name = os.path.join(self._path, name_for(url))
        return _Beside(name, name, next(self._serials))


class File:
    """One URL's body in a file, a FIFO or a device, or on standard output.

    A file is replaced whole, and its mode stays; a link to one stays a link. A FIFO and
    a device are written in place, and never replaced.

    Args:
        path: The file; `-` is standard output.

    Raises:
        TargetRefused: Its folder is not there, or it is a folder itself.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._serials = itertools.count()
        self._in_place = path == STDOUT
        if path == STDOUT:
            return
        self._real = os.path.realpath(path)
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        except (OSError, ValueError) as error:
            raise _refused(path, getattr(error, "strerror", None) or str(error)) from error
        if stat.S_ISDIR(mode):
            raise TargetRefused(
                f"cannot write {printable(path)}: it is a folder; name a file, or give it to -d"
            )
        self._in_place = not stat.S_ISREG(mode)
        if not self._in_place:
            _check_folder(os.path.dirname(self._real), path)

    def place(self, url: str) -> Place:
        """The place for the body, whatever the URL.

        Args:
            url: As it was given.

        Raises:
            FetchError: `write-failed`, no file can be made for what goes to a pipe.
        """
        if not self._in_place:
            return _Beside(self._real, self._path, next(self._serials))
        path = None if self._path == STDOUT else self._path
        try:
            return _Through(path)
        except OSError as error:
            raise write_failed(tempfile.gettempdir(), error) from error


def _check_folder(folder: str, named: str) -> None:
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise _refused(named, f"{printable(folder)} is no folder")
    except FileNotFoundError as error:
        raise _refused(named, f"there is no folder {printable(folder)}; make it first") from error
    except (OSError, ValueError) as error:
        raise _refused(named, getattr(error, "strerror", None) or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refused(named, f"the folder {printable(folder)} cannot be written to")


def _refused(path: str, why: str) -> TargetRefused:
    return TargetRefused(f"cannot write {printable(path)}: {why}")
