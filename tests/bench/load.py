"""The load: many connections, on each a message sent when the last one has come back."""

from __future__ import annotations

import select
import socket
import time
from types import TracebackType

MESSAGE = b"x" * 1024


class Load:
    """Connections to a port of this machine. Bare sockets and epoll: it must not be the slow one.

    Args:
        port: Where the server listens, on 127.0.0.1.
        connections: How many.
    """

    def __init__(self, port: int, connections: int) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._missing: dict[int, int] = {}
        self._epoll = select.epoll()
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", port), timeout=10)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[one.fileno()] = one
            self._missing[one.fileno()] = len(MESSAGE)
            self._epoll.register(one.fileno(), select.EPOLLIN)
            one.sendall(MESSAGE)
        for one in self._sockets.values():
            # Accepting is not what is measured: each connection is served before it begins.
            one.recv(len(MESSAGE), socket.MSG_WAITALL)
            one.setblocking(False)
            one.send(MESSAGE)

    def run(self, seconds: float) -> int:
        """Send and receive for a while.

        Returns:
            How many messages have come back, whole.
        """
        poll, sockets, missing, size = self._epoll.poll, self._sockets, self._missing, len(MESSAGE)
        count = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, _ in poll(0.1):
                one = sockets[number]
                received = len(one.recv(65536))
                if not received:
                    raise ConnectionError("the server has closed a connection")
                left = missing[number] - received
                if left:
                    missing[number] = left
                    continue
                count += 1
                missing[number] = size
                one.send(MESSAGE)
        return count

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in self._sockets.values():
            one.close()
        self._epoll.close()
