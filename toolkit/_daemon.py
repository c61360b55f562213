"""The command that puts twistd into the background waits until the services have started."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import MutableMapping
from contextlib import suppress
from types import FrameType
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
    without a word, the daemon's end is waited for. One that does neither in time is killed. SIGINT
    and SIGTERM, for this process, stop the daemon.

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
        self._daemon = 0
        self._signalled = 0  # the signal that this process was sent

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
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._on_signal)
            # Beside twistd, which waits for its own word.
            threading.Thread(target=self._wait, daemon=True).start()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signalled = number
        self._stop_daemon()

    def _stop_daemon(self) -> None:
        if self._daemon:
            with suppress(OSError):
                os.kill(self._daemon, signal.SIGTERM)

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
            if not self._daemon:
                self._daemon = _pid_in(words)
                if self._signalled:
                    self._stop_daemon()
            if words.endswith(f"\n{_READY}\n".encode()) and not self._signalled:
                os._exit(0)
        if self._signalled:
            self._remove_pid_file(words)
            name = signal.Signals(self._signalled).name
            self._end(f"{name}: the daemon was stopped", 128 + self._signalled)
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
        pid = _pid_in(words)
        if pid:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            self._read(1.0)
        self._remove_pid_file(words)
        why = f"no word from the daemon for {self._seconds:g} s; it was killed"
        self._end(_problem_in(words) or why)

    def _remove_pid_file(self, words: bytes) -> None:
        pid = _pid_in(words)
        if pid:
            self._pid_file.remove(pid)

    def _end(self, problem: str, status: int = 1) -> None:
        with suppress(OSError):
            os.write(2, f"toolkit: {problem}\n".encode("utf-8", "backslashreplace"))
        os._exit(status)


def _pid_in(words: bytes) -> int:
    """The daemon's id, which it says first; 0 if it has not."""
    first, newline, _ = words.partition(b"\n")
    return int(first) if newline and first.isdigit() else 0


def _problem_in(words: bytes) -> str:
    return words.decode("utf-8", "replace").partition("\n")[2].strip()
