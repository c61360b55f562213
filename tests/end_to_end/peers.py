"""Peers of a server in another process: what they got, and that they have been cut off."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol

LOCAL = "tcp:0:interface=127.0.0.1"
ADDRESS = r"{} listening on tcp:127\.0\.0\.1:(\d+)"


class RemotePeer(Protocol):
    """One end of a connection."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.connected_still = True
        self.reason: type[BaseException] | None = None
        self._waiting: list[tuple[bytes | None, Deferred[bytes]]] = []

    def until(self, part: bytes) -> Deferred[bytes]:
        """Wait until this has been received; fails when the connection ends without it."""
        return self._wait(part)

    def lost(self) -> Deferred[bytes]:
        """Wait for the connection's end; all that was received."""
        return self._wait(None)

    def _wait(self, part: bytes | None) -> Deferred[bytes]:
        waiting: Deferred[bytes] = Deferred()
        self._waiting.append((part, waiting))
        self._look()
        return waiting

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._look()

    def connectionLost(self, reason: Any = None) -> None:
        self.connected_still = False
        self.reason = reason.type
        self._look()

    def _look(self) -> None:
        for one in list(self._waiting):
            part, waiting = one
            if part is not None and part in self.received:
                self._waiting.remove(one)
                waiting.callback(self.received)
            elif not self.connected_still:
                self._waiting.remove(one)
                if part is None:
                    waiting.callback(self.received)
                else:
                    waiting.errback(AssertionError(f"ended with {self.received[-200:]!r}"))


async def connect(reactor: Any, port: int) -> RemotePeer:
    """Connect to a port of this machine; whoever connects sees to the end."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    peer: RemotePeer = await connectProtocol(endpoint, RemotePeer())
    return peer


async def refused(reactor: Any, port: int) -> bool:
    """Whether nobody listens there."""
    try:
        peer = await connect(reactor, port)
    except ConnectError as failed:
        return isinstance(failed, error.ConnectionRefusedError)  # and not reset meanwhile
    peer.transport.abortConnection()
    await peer.lost()
    return False


async def cut_off(reactor: Any, port: int) -> bool:
    """Whether a connection is closed at once, without a byte."""
    try:
        peer = await connect(reactor, port)
    except ConnectError as failed:
        return bool(failed.osError == errno.ECONNRESET)  # before connect(2) was through
    return await peer.lost() == b""
