"""A server that misbehaves: what it answers to a path is given byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from toolkit.http.failures import FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Stall(bytes):
    """Bytes after which the server says nothing more, and keeps the connection open."""


class Reset(bytes):
    """Bytes after which the connection is reset."""


class Keep(bytes):
    """Bytes after which the server waits for the next request."""


class _Fault(Protocol):
    factory: FaultServer
    transport: Any

    def connectionMade(self) -> None:
        self._request = b""
        self.factory.connections += 1
        self.factory.protocols.append(self)
        self.factory.open += 1

    def dataReceived(self, data: bytes) -> None:
        self._request += data
        while b"\r\n\r\n" in self._request:
            head, _, self._request = self._request.partition(b"\r\n\r\n")
            self.factory.requests.append(head)
            self._answer(self.factory.answers[head.split(b" ")[1].decode("ascii")])

    def _answer(self, answer: bytes) -> None:
        self.transport.write(answer)
        asked, self.factory.asked = self.factory.asked, Deferred()
        asked.callback(None)
        if isinstance(answer, Stall | Keep):
            return
        if isinstance(answer, Reset):
            # The bytes must have gone before: a reset drops what waits.
            self.factory.reactor.callLater(0.05, self.transport.abortConnection)
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.open -= 1
        gone, self.factory.gone = self.factory.gone, Deferred()
        gone.callback(None)


class FaultServer(Factory[_Fault]):
    """Answers each path with the bytes set for it, then closes unless they say otherwise.

    `asked` fires at the next request, `gone` when the next connection has ended; `requests`
    holds the heads that came, `protocols` its ends of the connections, `connections` how many
    were made, `open` how many still are.
    """

    protocol = _Fault
    noisy = False

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.answers: dict[str, bytes] = {}
        self.requests: list[bytes] = []
        self.protocols: list[Any] = []
        self.connections = 0
        self.open = 0
        self.asked: Deferred[None] = Deferred()
        self.gone: Deferred[None] = Deferred()
        self.port = 0

    def url(self, path: str, answer: bytes | None = None, host: str = "127.0.0.1") -> str:
        """The URL of a path, and what it answers."""
        if answer is not None:
            self.answers[path] = answer
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def fault_server(reactor: Any, context: Any = None) -> AsyncIterator[FaultServer]:
    """A FaultServer on 127.0.0.1, with TLS where a context factory is given."""
    server = FaultServer(reactor)
    listen: IListeningPort
    if context is None:
        listen = reactor.listenTCP(0, server, interface="127.0.0.1")
    else:
        listen = reactor.listenSSL(0, server, context, interface="127.0.0.1")
    server.port = listen.getHost().port  # type: ignore[attr-defined]
    try:
        yield server
    finally:
        await listen.stopListening()  # type: ignore[misc]
        while server.open:
            await server.gone


def answer(
    body: bytes = b"", status: str = "200 OK", *headers: str, length: int | None = None
) -> Keep:
    """A whole response with a Content-Length, after which the connection is kept."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    return Keep("\r\n".join([*head, *headers, "", ""]).encode("latin-1") + body)


@implementer(IOpenSSLContextFactory)
class ServerContext:
    """What a TLS server of this certificate needs."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        certificate.configure_cert(self._context)

    def getContext(self) -> SSL.Context:
        return self._context


async def failure_of(fetched: Deferred[Any]) -> FetchError:
    """What a fetch fails with."""
    with pytest.raises(FetchError) as caught:
        await fetched
    message = str(caught.value)
    assert message.isprintable()
    assert "Failure" not in message
    assert "<class" not in message
    return caught.value


@asynccontextmanager
async def fetching(reactor: Any, **settings: Any) -> AsyncIterator[tuple[Fetcher, FaultServer]]:
    """A Fetcher and a server; both gone at the end."""
    async with fault_server(reactor) as server:
        fetcher = Fetcher(reactor, FetchSettings(**settings))
        try:
            yield fetcher, server
        finally:
            await fetcher.close()
