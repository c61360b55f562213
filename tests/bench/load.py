"""The load: many connections, on each a message sent when the last one has been answered."""

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
        message: What is sent.
        answer_bytes: How long each answer is; as long as the message when left out.
    """

    def __init__(
        self, port: int, connections: int, message: bytes = MESSAGE, answer_bytes: int | None = None
    ) -> None:
        self._message = message
        self._size = len(message) if answer_bytes is None else answer_bytes
        self._sockets: dict[int, socket.socket] = {}
        self._missing: dict[int, int] = {}
        self._epoll = select.epoll()
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", port), timeout=10)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[one.fileno()] = one
            self._missing[one.fileno()] = self._size
            self._epoll.register(one.fileno(), select.EPOLLIN)
            one.sendall(message)
        for one in self._sockets.values():
            # Accepting is not what is measured: each connection is served before it begins.
            one.recv(self._size, socket.MSG_WAITALL)
            one.setblocking(False)
            one.send(message)

    def run(self, seconds: float) -> dict[int, int]:
        """Send and receive for a while.

        Returns:
            How many whole answers have come on each connection.
        """
        poll, sockets, missing = self._epoll.poll, self._sockets, self._missing
        size, message = self._size, self._message
        counts = dict.fromkeys(sockets, 0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, _ in poll(0.1):
                one = sockets[number]
                received = len(one.recv(131_072))
                if not received:
                    raise ConnectionError("the server has closed a connection")
                left = missing[number] - received
                if left:
                    missing[number] = left
                    continue
                counts[number] += 1
                missing[number] = size
                one.send(message)
        return counts

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


def rate(load: Load, seconds: float, warm_up_seconds: float) -> float:
    """Answers a second, after a while of the same that does not count."""
    load.run(warm_up_seconds)
    began = time.monotonic()
    answers = sum(load.run(seconds).values())
    return answers / (time.monotonic() - began)
