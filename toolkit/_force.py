"""The end of a process by force: a line says why, and its peers see that they were cut off."""

from __future__ import annotations

import _thread
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from twisted.logger import Logger

from toolkit.errors import printable

LOG_SECONDS = 0.4
"""How long the log is waited for: who hangs may hold its lock."""

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER (socket(7)): a close sends a reset, and waits not

_log = Logger()


def say(reason: str, seconds: float = LOG_SECONDS) -> None:
    """Log a line, or where the log hangs, write it on stderr.

    Safe in a signal's handler and in any thread.

    Args:
        reason: The line.
        seconds: How long the log may take, and then stderr.
    """
    if not _done_within(seconds, lambda: _log.critical("{reason}", reason=reason)):
        line = f"toolkit: {printable(reason)}\n".encode("utf-8", "backslashreplace")
        _done_within(seconds, lambda: os.write(2, line))


def cut_off() -> None:
    """Have every TCP connection of this process be reset when it ends (RFC 9293 §3.10.5).

    The kernel would end each as if all had been said, in the midst of an answer too.
    """
    for name in os.listdir("/dev/fd"):
        with suppress(OSError, ValueError):
            one = socket.socket(fileno=int(name))
            try:
                is_tcp = one.family in (socket.AF_INET, socket.AF_INET6)
                # A socket that listens may be systemd's, and live on.
                listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if is_tcp and one.type == socket.SOCK_STREAM and not listens:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            finally:
                one.detach()


def _done_within(seconds: float, function: Callable[[], object]) -> bool:
    """Whether a function ends in time, in a thread of its own."""
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        with suppress(OSError):
            function()
        done.release()

    try:
        # Not threading's: it has a lock that whoever was interrupted by a signal may hold.
        _thread.start_new_thread(work, ())
    except RuntimeError:  # there can be no more threads
        return False
    return done.acquire(timeout=seconds)
