"""Where lines are printed: whole, in order, at the end of the turn that they were made in."""

from __future__ import annotations

import os
import select
import stat
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from apps.fetch.lines import Line
from apps.fetch.result import Result

FULL_BYTES = 65_536
"""How much waits for a slow reader before nothing more is asked."""


@implementer(IWriteDescriptor)
class Output:
    """Prints a line for each result.

    Whoever reads slowly (a pager, a terminal that is held) holds up nothing that is under way: its
    lines wait here, and when there are many no more are wanted (`is_full`). They are written whole;
    so is the last one, whenever the process ends.

    Args:
        reactor: The reactor.
        descriptor: What is written to: 1 for standard output, 2 where that is for bodies.
        header: Printed before the first line.
        line: Makes a line of a result, with its end.
        before: Called before lines are written, to make room for them on a terminal.
    """

    def __init__(
        self,
        reactor: Any,
        descriptor: int,
        header: bytes,
        line: Line,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._before = before
        self._line = line
        self._lines: deque[bytes] = deque([header] if header else [])
        self._size = len(header)
        self._turn: Any = None
        self._is_waiting = False
        self._drained: Deferred[None] | None = None
        self._room: Callable[[], object] = lambda: None
        self._failed: Callable[[Failure], object] = lambda failure: failure.raiseException()
        # A file can always be written to, and cannot be waited for.
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)

    def tell(self, room: Callable[[], object], failed: Callable[[Failure], object]) -> None:
        """Say who wants to know.

        Args:
            room: Called when it is not full any more.
            failed: Called with why it cannot be written to; BrokenPipeError, nobody reads any more.
        """
        self._room = room
        self._failed = failed

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more is wanted."""
        return self._size > FULL_BYTES

    def add(self, result: Result) -> None:
        """Print a line, when the turn ends.

        Args:
            result: What became of a URL.
        """
        line = self._line(result)
        self._lines.append(line)
        self._size += len(line)
        if self._turn is None and not self._is_waiting:
            self._turn = self._reactor.callLater(0, self._end_of_turn)

    def drained(self) -> Deferred[None]:
        """Wait until all is printed.

        Returns:
            A Deferred that fires then. Cancelling it leaves the rest unprinted.
        """
        done: Deferred[None] = Deferred()
        if self._write():
            done.callback(None)
        else:
            self._drained = done
        return done

    def close(self) -> None:
        """Print what can be printed without waiting, and no more."""
        if self._lines:
            self._write()
        self._lines.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._wait(False)

    def _end_of_turn(self) -> None:
        self._turn = None
        self._write_or_fail()

    def _write_or_fail(self) -> None:
        was_full = self.is_full
        try:
            if not self._write():
                if was_full and not self.is_full:
                    self._room()
                return
        except OSError:
            self._lines.clear()
            self._size = 0
            self._wait(False)
            self._failed(Failure())
            return
        drained, self._drained = self._drained, None
        if drained is not None and not drained.called:
            drained.callback(None)
        if was_full:
            self._room()

    def _write(self) -> bool:
        """Write what can be written now; whether that was all.

        Raises:
            OSError: It cannot be written to.
        """
        if self._lines and self._before is not None:
            self._before()
        while self._lines:
            if not self._is_file and not self._is_writable():
                self._wait(True)
                return False
            self._put(self._next())
        self._wait(False)
        return True

    def _next(self) -> bytes:
        """Whole lines: all for a file, else as many as a pipe takes without waiting (pipe(7))."""
        lines, most = self._lines, self._size if self._is_file else select.PIPE_BUF
        some = [lines.popleft()]
        size = len(some[0])
        while lines and size + len(lines[0]) <= most:
            some.append(lines.popleft())
            size += len(some[-1])
        self._size -= size
        return b"".join(some)

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # whoever shares the pipe with us made it so
                select.select((), (self._descriptor,), ())

    def _is_writable(self) -> bool:
        return bool(select.select((), (self._descriptor,), (), 0)[1])

    def _wait(self, waits: bool) -> None:
        if waits != self._is_waiting:
            self._is_waiting = waits
            (self._reactor.addWriter if waits else self._reactor.removeWriter)(self)

    # IWriteDescriptor

    def fileno(self) -> int:
        """What is written to."""
        return self._descriptor

    def logPrefix(self) -> str:
        """How the reactor names it."""
        return "Output"

    def doWrite(self) -> None:
        """It can be written to again."""
        self._write_or_fail()

    def connectionLost(self, reason: Failure) -> None:
        """Whoever reads has gone: the next write says so."""
        self._is_waiting = False
        self._write_or_fail()
