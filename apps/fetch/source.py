"""Where the URLs come from: the command line, then a file or a pipe, read as room comes free."""

from __future__ import annotations

import codecs
import os
import stat
from collections import deque
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

READ_BYTES = 16_384
MAX_LINE = 65_537
"""One more than a URL may have: enough to see that a line is none."""


def _size_of(descriptor: int) -> int:
    """The bytes of a file, 0 for a pipe."""
    status = os.fstat(descriptor)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


@implementer(IReadDescriptor)
class Source:
    """Gives URLs one by one: those named, then the lines of a file.

    Of the file no more than one read is held; it is read again when that is used up, and the
    reactor tells when something is there, so that a slow pipe holds up nothing else. Blank
    lines, lines that begin with # and a byte order mark at the beginning are skipped.

    Args:
        reactor: The reactor.
        urls: The URLs that were named.
        descriptor: An open file, pipe or terminal with one URL a line, or None.
    """

    def __init__(self, reactor: Any, urls: list[str], descriptor: int | None) -> None:
        self._reactor = reactor
        self._ready = deque(urls)
        self._descriptor = descriptor
        self._partial = b""
        self._is_first = True  # no line of the file has been taken yet
        self._skipping = False  # inside a line that is too long
        self._waiting: deque[Deferred[str | None]] = deque()
        self._failure: Failure | None = None
        # Of a file how much has been read, else how many URLs have been given.
        self._counts_bytes = descriptor is not None
        self._given = 0
        self._whole = len(urls) if descriptor is None else _size_of(descriptor)

    @property
    def exhausted(self) -> bool:
        """Whether there is none left and none to come."""
        return not self._ready and self._descriptor is None and self._failure is None

    @property
    def held(self) -> int:
        """How many have been read and not been asked for yet."""
        return len(self._ready)

    @property
    def reading(self) -> bool:
        """Whether the file has more to give."""
        return self._descriptor is not None

    @property
    def share(self) -> float | None:
        """How much of the URLs has been given, from 0 to 1; None where nobody knows."""
        return None if not self._whole else min(1.0, self._given / self._whole)

    def pop(self) -> str | None:
        """One URL, if there is one without waiting."""
        if not self._ready:
            return None
        if not self._counts_bytes:
            self._given += 1
        return self._ready.popleft()

    def next(self) -> Deferred[str | None]:
        """Ask for one URL.

        Returns:
            A Deferred with it, or None when there are no more. It fails with OSError where the
            file cannot be read.
        """
        url = self.pop()
        if url is not None:
            return succeed(url)
        if self._failure is not None:
            failed: Deferred[str | None] = Deferred()
            failed.errback(self._failure)
            return failed
        if self._descriptor is None:
            return succeed(None)
        waiting: Deferred[str | None] = Deferred(self._forget)
        self._waiting.append(waiting)
        self._reactor.addReader(self)
        return waiting

    def _forget(self, waiting: Deferred[str | None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    @property
    def error(self) -> BaseException | None:
        """Why the file could not be read, if it could not."""
        return None if self._failure is None else self._failure.value

    def close(self) -> None:
        """Read no more."""
        self._reactor.removeReader(self)
        self._descriptor = None

    # IReadDescriptor

    def fileno(self) -> int:
        """The file's descriptor."""
        return -1 if self._descriptor is None else self._descriptor

    def logPrefix(self) -> str:
        """How the reactor names it."""
        return "Source"

    def doRead(self) -> None:
        """Take what is there."""
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:  # whoever shares the pipe with us made it so
            return
        except OSError as error:
            self._failure = Failure(error)
            data = b""
        self._given += len(data)
        if data:
            self._take(data)
        else:
            self.close()
            self._add(self._partial)
        self._hand_out()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor lost the file, or stops: there is nothing more to read."""
        self._descriptor = None
        self._hand_out()

    def _take(self, data: bytes) -> None:
        first, *rest = data.split(b"\n")
        if not self._skipping:
            self._partial += first
        for line in rest:
            if not self._skipping:
                self._add(self._partial)
            self._skipping = False
            self._partial = line
        if len(self._partial) > MAX_LINE:
            self._add(self._partial[:MAX_LINE])
            self._partial = b""
            self._skipping = True

    def _add(self, line: bytes) -> None:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(codecs.BOM_UTF8)
        text = line.strip().decode("utf-8", "surrogateescape")
        if text and not text.startswith("#"):
            self._ready.append(text)

    def _hand_out(self) -> None:
        while self._waiting and self._ready:
            self._waiting.popleft().callback(self._ready.popleft())
        if not self._waiting:
            self._reactor.removeReader(self)
        elif self._descriptor is None:
            while self._waiting:  # one that fails may cancel the others
                asked = self._waiting.popleft()
                asked.callback(None if self._failure is None else self._failure)
