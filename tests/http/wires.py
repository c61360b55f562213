"""Connections of a pool in memory: what is sent is seen, what comes is given."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from toolkit.http.connection import Connection
from toolkit.http.pool import Origin, Pool
from toolkit.http.request import Request
from toolkit.testing import result_of

PART = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"


class Wire(StringTransport):
    """A transport that ends its connection when it is told to, and notes how."""

    aborted = False

    def loseConnection(self) -> None:
        self.end(ConnectionDone())

    def abortConnection(self) -> None:
        self.aborted = True
        self.end(ConnectionAborted())

    def end(self, error: Exception) -> None:
        if self.connected:
            self.connected = False
            self.connection.connectionLost(Failure(error))

    connected = True
    connection: Any

    def sent(self) -> bytes:
        """What was sent since the last time."""
        sent: bytes = self.value()
        self.clear()
        return sent


class Wires:
    """A Pool, and the wires of its connections in the order of their opening."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.opened: list[Wire] = []
        self.opening: list[Deferred[Connection]] = []
        """Not empty: the next connections open when these are told to."""
        self.waits = False
        given = {
            "max_connections": 4, "max_per_origin": 2, "max_waiting": 5, "max_idle": 3,
            "idle_seconds": 15.0, "first_byte_seconds": 30.0, "stall_seconds": 10.0, **settings,
        }  # fmt: skip
        self.pool = Pool(self.clock, self.connect, **given)
        self.origins: dict[str, Origin] = {}

    def connect(self, pool: Pool, request: Request) -> Deferred[Connection]:
        opening: Deferred[Connection] = Deferred(self.opening.remove)
        self.opening.append(opening)
        opening.origin = request.origin  # type: ignore[attr-defined]
        if not self.waits:
            self.open(opening)
        return opening

    def open(self, opening: Any) -> Wire:
        """Let one connect."""
        self.opening.remove(opening)
        wire = Wire()
        wire.connection = Connection(self.pool, opening.origin)
        self.opened.append(wire)
        wire.connection.makeConnection(wire)
        opening.callback(wire.connection)
        return wire

    def origin(self, host: str = "one") -> Origin:
        return self.origins.setdefault(host, Origin(b"http", host, 80))

    def ask(
        self,
        host: str = "one",
        method: bytes = b"GET",
        headers: Headers | None = None,
        body: Any = None,
        target: bytes = b"/",
    ) -> Deferred[Any]:
        """Send a request."""
        uri = b"http://%b%b" % (host.encode(), target)
        request = Request(self.pool, self.origin(host), method, uri, target, headers, body)
        answered = request.answered
        assert answered is not None
        self.pool.request(request)
        return answered


class Body(Protocol):
    """Reads a body; `pieces` is what came, `end` how it ended."""

    transport: Any

    def __init__(self, pauses: bool = False) -> None:
        self.pieces: list[bytes] = []
        self.end: Any = None
        self.pauses = pauses

    def connectionMade(self) -> None:
        if self.pauses:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment] # Twisted's own
        assert self.end is None
        self.end = reason.value


def response(body: bytes = b"hi", *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join([*head, b"", body])


def begun(data: bytes = PART) -> tuple[Wires, Wire, Any]:
    """A response whose body has only begun."""
    wires = Wires()
    answered = wires.ask()
    wire = wires.opened[0]
    wire.connection.dataReceived(data)
    return wires, wire, result_of(answered)
