"""HTTPAgent verifies TLS, ends connecting at its deadline, and is an IAgent for treq."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ContentDecoderAgent, GzipDecoder, RedirectAgent, readBody
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.http.faults import FaultServer, ServerContext, Stall, answer, failure_of, fault_server
from toolkit.errors import SettingsError
from toolkit.http.agent import HTTPAgent, treq_client
from toolkit.http.failures import FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.http.settings import AgentSettings


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def cacert(authority: trustme.CA) -> Iterator[str]:
    with authority.cert_pem.tempfile() as path:
        yield path


@asynccontextmanager
async def over_tls(
    reactor: Any, certificate: trustme.LeafCert, cacert: str = "", **settings: Any
) -> AsyncIterator[tuple[Fetcher, FaultServer]]:
    async with fault_server(reactor, ServerContext(certificate)) as server:
        fetcher = Fetcher(reactor, FetchSettings(cacert=cacert, **settings))
        try:
            yield fetcher, server
        finally:
            await fetcher.close()


async def code_of(fetched: Deferred[Any]) -> str:
    with pytest.raises(FetchError) as caught:
        await fetched
    assert str(caught.value).isprintable()
    return caught.value.code


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest_twisted.ensureDeferred
async def test_a_certificate_for_the_host_from_a_trusted_issuer_is_good(
    reactor: Any, authority: trustme.CA, cacert: str, host: str
) -> None:
    async with over_tls(reactor, authority.issue_cert(host), cacert) as (fetcher, server):
        url = server.url("/", answer(b"secret"), host).replace("http:", "https:")
        assert (await fetcher.get(url)).body == b"secret"
        assert (await fetcher.get(url)).body == b"secret"
        assert server.connections == 1


@pytest_twisted.ensureDeferred
async def test_an_unknown_issuer_is_not_trusted(reactor: Any, authority: trustme.CA) -> None:
    async with over_tls(reactor, authority.issue_cert("127.0.0.1")) as (fetcher, server):
        url = server.url("/", answer()).replace("http:", "https:")
        assert await code_of(fetcher.get(url)) == "tls-untrusted"
        assert server.requests == []


@pytest_twisted.ensureDeferred
async def test_an_expired_certificate_is_not_trusted(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    old = authority.issue_cert("127.0.0.1", not_after=datetime(2001, 1, 1, tzinfo=UTC))
    async with over_tls(reactor, old, cacert) as (fetcher, server):
        url = server.url("/", answer()).replace("http:", "https:")
        assert await code_of(fetcher.get(url)) == "tls-untrusted"


@pytest_twisted.ensureDeferred
async def test_a_certificate_for_another_name_is_refused(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    other = authority.issue_cert("other.example")
    async with over_tls(reactor, other, cacert) as (fetcher, server):
        for host in ("127.0.0.1", "localhost"):
            url = server.url("/", answer(), host).replace("http:", "https:")
            assert await code_of(fetcher.get(url)) == "tls-name-mismatch"
        assert server.requests == []


@pytest_twisted.ensureDeferred
async def test_https_is_not_followed_to_http(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    async with over_tls(reactor, authority.issue_cert("127.0.0.1"), cacert) as (fetcher, server):
        redirect = answer(b"", "302 Found", "Location: http://127.0.0.1:1/")
        url = server.url("/", redirect).replace("http:", "https:")
        assert await code_of(fetcher.get(url)) == "bad-redirect"


@pytest_twisted.ensureDeferred
async def test_a_stalled_body_over_tls_leaves_no_socket(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    """loseConnection would wait for the peer's goodbye, which never comes."""
    certificate = authority.issue_cert("127.0.0.1")
    async with over_tls(reactor, certificate, cacert, timeout_seconds=0.5) as (fetcher, server):
        url = server.url("/", answer(b"half", length=10)).replace("http:", "https:")
        assert await code_of(fetcher.get(url)) == "deadline"
        while server.open:
            await server.gone


@pytest_twisted.ensureDeferred
async def test_a_body_cut_short_over_tls_is_truncated(
    reactor: Any, authority: trustme.CA, cacert: str
) -> None:
    async with over_tls(reactor, authority.issue_cert("127.0.0.1"), cacert) as (fetcher, server):
        for head in (b"Content-Length: 10", b"Transfer-Encoding: chunked"):
            url = server.url("/", b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\nha")
            assert await code_of(fetcher.get(url.replace("http:", "https:"))) == "truncated"
        whole = server.url("/", b"HTTP/1.1 200 OK\r\n\r\nwhole").replace("http:", "https:")
        assert (await fetcher.get(whole)).body == b"whole"


class _Silent(Protocol):
    """Accepts, and says nothing; `gone` fires when the connection has ended."""

    factory: Any

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.gone.callback(None)


@asynccontextmanager
async def silent_server(reactor: Any) -> AsyncIterator[tuple[int, Deferred[None]]]:
    factory: Any = Factory.forProtocol(_Silent)
    factory.gone = Deferred()
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    try:
        yield port.getHost().port, factory.gone
    finally:
        await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_handshake_that_stalls_is_a_connect_timeout(reactor: Any) -> None:
    async with silent_server(reactor) as (port, gone):
        fetcher = Fetcher(reactor, FetchSettings(connect_timeout_seconds=0.2, retries=0))
        error = await failure_of(fetcher.get(f"https://127.0.0.1:{port}/"))
        assert (error.code, error.phase) == ("connect-timeout", "tls")
        assert error.trail is not None
        assert error.trail.timings.connect is not None
        assert (error.trail.timings.tls or 0) > 0.1
        await gone
        await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_cancelling_during_the_handshake_closes_the_socket(reactor: Any) -> None:
    async with silent_server(reactor) as (port, gone):
        fetcher = Fetcher(reactor, FetchSettings(timeout_seconds=0.2))
        assert await code_of(fetcher.get(f"https://127.0.0.1:{port}/")) == "deadline"
        await gone
        await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_https_to_a_server_without_tls_is_tls_failed(reactor: Any) -> None:
    class Plain(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.transport.loseConnection()

    class Closing(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            self.transport.loseConnection()

    for kind in (Plain, Closing):
        factory = Factory.forProtocol(kind)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        fetcher = Fetcher(reactor)
        assert await code_of(fetcher.get(f"https://127.0.0.1:{port.getHost().port}/")) == (
            "tls-failed"
        )
        await fetcher.close()
        await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_treq_works_over_it(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        agent = HTTPAgent(reactor)
        client = treq_client(agent)
        server.url("/there", answer(b'{"a": 1}', "200 OK", "Set-Cookie: id=7"))
        url = server.url("/", answer(b"", "302 Found", "Location: /there"))
        response = await client.get(url, reactor=reactor)
        assert await response.json() == {"a": 1}
        assert response.cookies()["id"] == "7"
        response = await client.post(url, data={"b": "2"}, browser_like_redirects=True)
        assert await response.text() == '{"a": 1}'
        zipped = answer(gzip.compress(b"text"), "200 OK", "Content-Encoding: gzip")
        response = await client.get(server.url("/zip", zipped), reactor=reactor)
        assert await response.content() == b"text"
        with pytest.raises(CancelledError):
            await client.get(server.url("/stall", Stall()), timeout=0.1, reactor=reactor)
        while server.open:  # the connection of what was late is closed
            await server.gone
        assert server.connections == 1
        await agent.close()


def test_treq_is_not_loaded_before_it_is_wanted() -> None:
    program = "import sys, toolkit.http.agent; print([n for n in sys.modules if n[:4] == 'treq'])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert told.stdout == b"[]\n"


@pytest_twisted.ensureDeferred
async def test_twisteds_wrappers_work_over_it(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        agent = HTTPAgent(reactor)
        wrapped = RedirectAgent(ContentDecoderAgent(agent, [(b"gzip", GzipDecoder)]))
        zipped = answer(gzip.compress(b"text"), "200 OK", "Content-Encoding: gzip")
        server.url("/zip", zipped)
        url = server.url("/", answer(b"", "302 Found", "Location: /zip")).encode()
        assert verifyObject(IAgent, agent)
        response = await wrapped.request(b"GET", url)
        assert await readBody(response) == b"text"
        assert response.previousResponse is not None
        await agent.close()


@pytest_twisted.ensureDeferred
async def test_closing_ends_connections_in_use(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        agent = HTTPAgent(reactor)
        response = await agent.request(
            b"GET", server.url("/", answer(b"half", length=10)).encode("ascii")
        )
        assert response.code == 200
        await agent.close()
        while server.open:
            await server.gone


def test_a_cacert_that_is_none_is_named(reactor: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    for path in (empty, broken, tmp_path / "missing.pem"):
        with pytest.raises(SettingsError, match=r"cacert: expected a PEM file .*\.pem"):
            HTTPAgent(reactor, AgentSettings(cacert=str(path)))
