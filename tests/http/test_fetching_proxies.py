"""Through real proxies: a tunnel, TLS inside it, and TLS to the proxy itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.http.faults import ServerContext, answer, failure_of, fault_server
from toolkit.http.fetcher import Fetcher, FetchSettings


class _Far(Protocol):
    """The proxy's connection to where it was asked for."""

    transport: Any
    near: Any

    def dataReceived(self, data: bytes) -> None:
        self.near.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.near.transport.loseConnection()


class _Proxy(Protocol):
    """Passes on what comes, to where the first line says; it counts and keeps the heads."""

    factory: Any
    transport: Any
    far: Any = None

    def connectionMade(self) -> None:
        self.data = b""
        self.factory.connections += 1

    def dataReceived(self, data: bytes) -> None:
        if self.far is not None:
            self.far.transport.write(data)
            return
        self.data += data
        if b"\r\n\r\n" not in self.data:
            return
        method, target, _ = self.data.split(b" ", 2)
        self.factory.heads.append(self.data)
        place = target if method == b"CONNECT" else target.split(b"/")[2]
        port = int(place.rpartition(b":")[2])
        self.transport.pauseProducing()
        self.factory.passes_on(self, port, method == b"CONNECT")

    def opened(self, far: _Far, is_tunnel: bool) -> None:
        self.far = far
        if is_tunnel:
            self.transport.write(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
        else:
            far.transport.write(self.data)
        self.transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.ended += 1
        if self.far is not None:
            self.far.transport.loseConnection()


class ProxyServer(Factory[_Proxy]):
    """An HTTP proxy to 127.0.0.1, whatever the host that it is asked for."""

    protocol = _Proxy
    noisy = False

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.heads: list[bytes] = []
        self.connections = self.ended = 0

    def passes_on(self, near: _Proxy, port: int, is_tunnel: bool) -> None:
        far = _Far()
        far.near = near
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port)
        connectProtocol(endpoint, far).addCallback(near.opened, is_tunnel)


@asynccontextmanager
async def proxying(reactor: Any, context: Any = None) -> AsyncIterator[tuple[ProxyServer, str]]:
    """A proxy, and where it listens."""
    proxy = ProxyServer(reactor)
    listen: Any
    if context is None:
        listen = reactor.listenTCP(0, proxy, interface="127.0.0.1")
    else:
        listen = reactor.listenSSL(0, proxy, context, interface="127.0.0.1")
    try:
        yield proxy, f"us:er@127.0.0.1:{listen.getHost().port}"
    finally:
        await listen.stopListening()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def cacert(authority: trustme.CA) -> Iterator[str]:
    with authority.cert_pem.tempfile() as path:
        yield path


USER = b"\r\nProxy-Authorization: Basic dXM6ZXI=\r\n"


@pytest.mark.parametrize("proxy_is_secure", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest_twisted.ensureDeferred
async def test_a_page_comes_through_a_proxy(
    reactor: Any, authority: trustme.CA, cacert: str, scheme: str, proxy_is_secure: bool
) -> None:
    context = ServerContext(authority.issue_cert("127.0.0.1", "far.invalid"))
    async with (
        fault_server(reactor, context if scheme == "https" else None) as server,
        proxying(reactor, context if proxy_is_secure else None) as (proxy, place),
    ):
        url = f"http{'s' if proxy_is_secure else ''}://{place}"
        fetcher = Fetcher(reactor, FetchSettings(retries=0, proxy=url, cacert=cacert))
        target = server.url("/a?b", answer(b"there" * 50_000), "far.invalid")
        server.answers[target] = server.answers["/a?b"]  # a proxy is asked for the whole URL
        target = target.replace("http:", f"{scheme}:")
        for _ in range(2):
            page = await fetcher.get(target)
            assert page.body == b"there" * 50_000
        assert (proxy.connections, server.connections) == (1, 1)  # it is kept, tunnel and all
        assert page.timings.connect is None
        (head,) = proxy.heads
        assert USER in head
        host = f"far.invalid:{server.port}".encode()
        if scheme == "https":
            assert head.startswith(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n" % (host, host))
            assert b"Authorization" not in server.requests[0]
            assert server.requests[0].startswith(b"GET /a?b HTTP/1.1\r\n")
        else:
            assert head.startswith(b"GET http://%b/a?b HTTP/1.1\r\nHost: %b\r\n" % (host, host))
        await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_the_certificate_inside_a_tunnel_is_the_targets(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    context = ServerContext(authority.issue_cert("127.0.0.1"))
    async with fault_server(reactor, context) as server, proxying(reactor) as (proxy, place):
        fetcher = Fetcher(reactor, FetchSettings(retries=0, proxy=f"http://{place}", cacert=cacert))
        url = server.url("/", answer(), "far.invalid").replace("http:", "https:")
        error = await failure_of(fetcher.get(url))
        assert (error.code, error.phase) == ("tls-name-mismatch", "tls")
        assert server.requests == []
        assert proxy.connections == 1
        await fetcher.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest_twisted.ensureDeferred
async def test_the_certificate_of_a_proxy_is_verified_too(
    reactor: Any, authority: trustme.CA, cacert: str, scheme: str
) -> None:
    other = ServerContext(authority.issue_cert("other.invalid"))
    for context, trusted, code in (
        (other, cacert, "tls-name-mismatch"),
        (ServerContext(trustme.CA().issue_cert("127.0.0.1")), cacert, "tls-untrusted"),
    ):
        async with proxying(reactor, context) as (proxy, place):
            fetcher = Fetcher(reactor, FetchSettings(proxy=f"https://{place}", cacert=trusted))
            error = await failure_of(fetcher.get(f"{scheme}://far.invalid/"))
            assert error.code == code
            assert proxy.heads == []
            await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_a_body_through_a_tunnel_that_is_given_up_closes_it(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    context = ServerContext(authority.issue_cert("127.0.0.1"))
    async with fault_server(reactor, context) as server, proxying(reactor) as (proxy, place):
        fetcher = Fetcher(
            reactor,
            FetchSettings(retries=0, proxy=f"http://{place}", cacert=cacert, stall_seconds=0.2),
        )
        url = server.url("/", answer(b"half", length=10)).replace("http:", "https:")
        error = await failure_of(fetcher.get(url))
        assert (error.code, error.phase) == ("stalled", "body")
        while server.open:
            await server.gone
        assert proxy.ended == 1
        await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_a_proxy_that_is_not_there_is_refused(reactor: Any) -> None:
    port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
    number = port.getHost().port
    await port.stopListening()
    for scheme in ("http", "https"):
        fetcher = Fetcher(reactor, FetchSettings(retries=0, proxy=f"127.0.0.1:{number}"))
        error = await failure_of(fetcher.get(f"{scheme}://far.invalid/"))
        assert error.code == "connect-refused"
        assert f"127.0.0.1:{number}" in str(error)
        await fetcher.close()
