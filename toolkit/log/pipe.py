"""Lines into what somebody reads: a pipe, a terminal, a socket. Nobody is ever waited for."""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable

ROOM = 4 * 1024 * 1024
"""How many bytes are kept for a reader that is slow, or has stopped to read."""

_CHUNK = 65_536  # what a pipe of Linux holds (pipe(7))
_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LinesLost(OSError):
    """What was kept cannot be written any more: `count` lines, beside the one in hand."""

    count = 0


class Pipe:
    """Writes what can be written at once, and keeps the rest, up to 4 MiB, for `drain`.

    O_NONBLOCK belongs to the open file, which a stdout shares with the shell and with other
    processes: set there, their writing would fail. So a pipe, a FIFO and a terminal are opened a
    second time, by way of /proc/self/fd (proc_pid_fd(5)); a socket, which cannot be, is told for
    each send (MSG_DONTWAIT, send(2)); and where neither goes, each write is of so little that one
    which poll(2) has announced does not wait, unless another process is faster.

    Not safe for threads, nor for signals: the caller has a lock.

    Args:
        fd: The file's number, which stays open and as it is.
    """

    def __init__(self, fd: int) -> None:
        self._fd = -1
        self._kept = bytearray()
        self._full = False
        self._torn = False
        self._send: Callable[[bytes], int]
        try:
            self._fd = os.open(f"/proc/self/fd/{fd}", _FLAGS)
            self._send = self._write
        except OSError:
            self._fd = os.dup(fd)
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                self._send = self._send_to_socket
            else:
                self._send = self._write_if_announced

    @property
    def waiting(self) -> bool:
        """Whether something is kept that `drain` should write."""
        return bool(self._kept)

    def write(self, line: bytes) -> None:
        """Write a line, or keep what cannot be written now.

        Args:
            line: Bytes that end with a newline.

        Raises:
            OSError: The line was not written, nor kept.
            LinesLost: Nor were those before it that had been kept.
        """
        if self._kept:
            self.drain()
        if self._kept:
            # Once full it has to be half empty, or the words on each lost line would fill it again.
            room = ROOM // 2 if self._full else ROOM
            self._full = len(self._kept) + len(line) > room
            if self._full:
                raise BlockingIOError(0, "its reader does not read")
            self._kept += line
            return
        if self._torn:
            line = b"\n" + line
        sent = self._sent(line)
        if sent < len(line):
            self._kept += line[sent:]

    def drain(self) -> None:
        """Write of what is kept as much as can be written now.

        Raises:
            LinesLost: It is kept no more: nobody will ever read it.
        """
        while self._kept:
            chunk = bytes(self._kept[:_CHUNK])
            try:
                sent = self._sent(chunk)
            except OSError as error:
                lost = LinesLost(error.errno, error.strerror)
                lost.count = self._kept.count(b"\n")
                self._kept.clear()
                raise lost from error
            del self._kept[:sent]
            if sent < len(chunk):
                return

    def wait(self, seconds: float) -> None:
        """Wait until more can be written, or for so many seconds. Any thread may wait."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Close it; what is still kept is lost."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _sent(self, data: bytes) -> int:
        try:
            sent = self._send(data)
        except BlockingIOError:
            return 0
        if sent:
            self._torn = data[sent - 1] != 0x0A
        return sent

    def _write(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def _send_to_socket(self, data: bytes) -> int:
        with socket.socket(fileno=os.dup(self._fd)) as one:
            return one.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _write_if_announced(self, data: bytes) -> int:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return os.write(self._fd, data[: select.PIPE_BUF]) if poll.poll(0) else 0
