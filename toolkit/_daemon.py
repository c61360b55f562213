"""The command that puts twistd into the background waits until the services have started."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

_MOST_BYTES = 98  # what twistd reads of the reason


class Launcher:
    """The process that forked this one, and waits to hear how it fares.

    twistd itself says "up" when the services have been made, on a pipe that its options hold by
    the name `statusPipe`. Here the pipe is taken from them, so that whoever started the daemon
    waits until the services have started, and ends with status 1 when they have not. (Should a
    process end without a word, its end of the pipe is closed, which counts as a failure.)

    Args:
        options: twistd's options, or twist's, which has no daemons.
    """

    def __init__(self, options: MutableMapping[str, Any]) -> None:
        self._options = options
        self._pipe: int | None = None

    def take(self) -> None:
        """Answer in twistd's place from now on; to be called before it has answered."""
        self._pipe = self._options.get("statusPipe")
        self._options["statusPipe"] = None

    def tell(self, problem: str = "") -> None:
        """Let the launcher end: with status 0, or with a problem, which it prints, and 1."""
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        reason = problem.encode("ascii", "backslashreplace")[:_MOST_BYTES]
        with suppress(OSError):  # nobody waits any more
            os.write(pipe, b"1 " + reason if problem else b"0")
        os.close(pipe)
