"""Where lines are printed: whole, at once, one after the other."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from apps.fetch.lines import Line
from apps.fetch.result import Result


class Output:
    """Prints a line for each result.

    Args:
        descriptor: What is written to: 1 for standard output, 2 where that is for bodies.
        header: Printed before the first line.
        line: Makes a line of a result, with its end.
        before: Called before each line, to make room for it on a terminal.
    """

    def __init__(
        self, descriptor: int, header: bytes, line: Line, before: Callable[[], None] | None = None
    ) -> None:
        self._descriptor = descriptor
        self._before = before
        self._line = line
        self._header = header

    def begin(self) -> None:
        """Print the header.

        Raises:
            OSError: It cannot be written; BrokenPipeError, nobody reads any more.
        """
        if self._header:
            self._put(self._header)

    def add(self, result: Result) -> None:
        """Print a line.

        Args:
            result: What became of a URL.

        Raises:
            OSError: It cannot be written; BrokenPipeError, nobody reads any more.
        """
        if self._before is not None:
            self._before()
        self._put(self._line(result))

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # whoever shares the pipe with us made it so
                select.select((), (self._descriptor,), ())
