"""The command that puts twistd into the background waits until the services have started."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from toolkit._pidfile import PidFile
from toolkit.errors import printable

_READY = "ready"
_FORKS = 2  # from the process that waits to the daemon (daemon(7), "SysV Daemons")
_TWISTDS_SECONDS = 0.2  # in which twistd tells what it has heard itself


class Launcher:
    """The process that forked this one, and waits to hear how it fares.

    twistd itself says "up" when the services have been made, and would wait for ever for a daemon
    that dies without a word. Here the two have a pipe of their own. The daemon says its id, and
    either that its services have started, or why they have not; then, or when the pipe ends
    without a word, the daemon's end is waited for. One that does neither in time is killed.

    Args:
        options: twistd's options, or twist's, which has no daemons.
        pipe: Where this process says how it fares, if it has been forked already.
    """

    def __init__(self, options: MutableMapping[str, Any], pipe: int | None = None) -> None:
        self._options = options
        self._pipe = pipe
        self._pid_file = PidFile(options)
        self._reading = -1
        self._seconds = 0.0
        self._waits = 0  # the process that does
        self._forks = 0

    def bound(self, seconds: float) -> None:
        """Before the fork: what the process that stays behind will wait for, and how long.

        Args:
            seconds: From the fork on; after that the daemon is killed.
        """
        if self._options.get("nodaemon", True):
            return
        self._reading, self._pipe = os.pipe()
        self._seconds = seconds
        self._waits = os.getpid()
        os.register_at_fork(after_in_parent=self._stay_behind, after_in_child=self._go_on)

    def take(self) -> None:
        """After it: answer in twistd's place from now on. twistd must not have answered yet."""
        pipe = self._options.get("statusPipe")
        self._options["statusPipe"] = None
        if pipe is not None:
            os.close(pipe)

    def tell(self, problem: str = "") -> None:
        """Let the launcher end: with status 0 at once, or with a problem and 1 at our own end.

        Only the first word counts.

        Args:
            problem: What the launcher prints.
        """
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        word = printable(problem) if problem else _READY
        with suppress(OSError):  # nobody waits any more
            os.write(pipe, f"{word}\n".encode("utf-8", "backslashreplace")[:4096])
        if not problem:  # else its end is the end of the process
            os.close(pipe)

    def _go_on(self) -> None:
        self._forks += 1
        if self._forks == _FORKS and self._pipe is not None:
            os.close(self._reading)
            os.write(self._pipe, b"%d\n" % os.getpid())

    def _stay_behind(self) -> None:
        if os.getpid() == self._waits and self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
            # Beside twistd, which waits for its own word.
            threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._seconds
        words = b""
        while True:
            more = self._read(deadline - time.monotonic())
            if more is None:
                self._kill(words)
            if not more:
                break
            words += more
            if words.endswith(f"\n{_READY}\n".encode()):
                os._exit(0)
        problem = _problem_in(words)
        if not problem:
            time.sleep(_TWISTDS_SECONDS)
        self._remove_pid_file(words)
        self._end(problem or "the daemon ended without a word; its log may say why")

    def _read(self, seconds: float) -> bytes | None:
        """What the daemon says; nothing when it has ended, and None when the time is over."""
        if not select.select([self._reading], [], [], max(0.0, seconds))[0]:
            return None
        return os.read(self._reading, 4096)

    def _kill(self, words: bytes) -> None:
        pid = words.partition(b"\n")[0]
        if pid.isdigit():
            with suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
            self._read(1.0)
        self._remove_pid_file(words)
        why = f"no word from the daemon for {self._seconds:g} s; it was killed"
        self._end(_problem_in(words) or why)

    def _remove_pid_file(self, words: bytes) -> None:
        pid = words.partition(b"\n")[0]
        if pid.isdigit():
            self._pid_file.remove(int(pid))

    def _end(self, problem: str) -> None:
        with suppress(OSError):
            os.write(2, f"toolkit: {problem}\n".encode("utf-8", "backslashreplace"))
        os._exit(1)


def _problem_in(words: bytes) -> str:
    return words.decode("utf-8", "replace").partition("\n")[2].strip()
