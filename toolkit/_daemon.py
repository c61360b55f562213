"""The command that puts twistd into the background waits until the services have started."""

from __future__ import annotations

import os
import signal
from collections.abc import MutableMapping
from contextlib import suppress
from types import FrameType
from typing import Any

_MOST_BYTES = 98  # what twistd reads of the reason


class Launcher:
    """The process that forked this one, and waits to hear how it fares.

    twistd itself says "up" when the services have been made, on a pipe that its options hold by
    the name `statusPipe`. Here the pipe is taken from them, so that whoever started the daemon
    waits until the services have started, and ends with status 1 when they have not.

    Args:
        options: twistd's options, or twist's, which has no daemons.
    """

    def __init__(self, options: MutableMapping[str, Any]) -> None:
        self._options = options
        self._pipe: int | None = None

    def bound(self, seconds: float) -> None:
        """Before the fork: bound the wait, for a daemon that dies without a word.

        The timer stays with the process that set it (fork(2)): the one that will wait.
        """
        if self._options.get("nodaemon", True):
            return

        def give_up(_number: int, _frame: FrameType | None) -> None:
            with suppress(OSError):
                os.write(2, f"toolkit: no word from the daemon for {seconds:g} s\n".encode())
            os._exit(1)

        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def take(self) -> None:
        """After it: answer in twistd's place from now on. twistd must not have answered yet."""
        self._pipe = self._options.get("statusPipe")
        self._options["statusPipe"] = None
        if self._pipe is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def tell(self, problem: str = "") -> None:
        """Let the launcher end: with status 0, or with a problem, which it prints, and 1.

        Only the first word counts.
        """
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        reason = problem.encode("ascii", "backslashreplace")[:_MOST_BYTES]
        with suppress(OSError):  # nobody waits any more
            os.write(pipe, b"1 " + reason if problem else b"0")
        os.close(pipe)
