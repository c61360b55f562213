"""Whose certificates are taken: the platform's issuers, a file's, or anyone's; and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from tests.http.faults import (
    FaultServer,
    Keep,
    Reset,
    ServerContext,
    Stall,
    answer,
    failure_of,
    fault_server,
)
from toolkit.errors import SettingsError
from toolkit.http.agent import HTTPAgent
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.http.settings import AgentSettings
from toolkit.http.trust import policy_for


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def self_signed() -> trustme.LeafCert:
    """A certificate that is its own issuer, for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return trustme.LeafCert(private, built.public_bytes(pem), [])


@asynccontextmanager
async def serving(
    reactor: Any, certificate: trustme.LeafCert, **settings: Any
) -> AsyncIterator[tuple[Fetcher, FaultServer]]:
    """A server with a certificate, and a Fetcher; both gone at the end."""
    async with fault_server(reactor, ServerContext(certificate)) as server:
        fetcher = Fetcher(reactor, FetchSettings(retries=0, **settings))
        try:
            yield fetcher, server
        finally:
            await fetcher.close()


def secure(server: FaultServer, data: bytes, host: str = "127.0.0.1") -> str:
    return server.url("/", data, host).replace("http:", "https:")


@pytest_twisted.ensureDeferred
async def test_a_certificate_that_is_its_own_issuer_is_not_trusted(reactor: Any) -> None:
    async with serving(reactor, self_signed()) as (fetcher, server):
        assert (
            await failure_of(fetcher.get(secure(server, answer(), "localhost")))
        ).code == "tls-untrusted"
        assert server.requests == []


@pytest_twisted.ensureDeferred
async def test_insecure_takes_any_certificate(reactor: Any, authority: trustme.CA) -> None:
    old = authority.issue_cert("other.example", not_after=datetime(2001, 1, 1, tzinfo=UTC))
    for certificate in (self_signed(), old):
        async with serving(reactor, certificate, insecure=True) as (fetcher, server):
            for host in ("127.0.0.1", "localhost"):
                page = await fetcher.get(secure(server, answer(b"taken"), host))
                assert page.body == b"taken"
                assert page.timings.tls is not None


@pytest.mark.parametrize(
    ("host", "expected"), [("a.example", b"a.example"), ("192.0.2.1", None), ("2001:db8::1", None)]
)
@pytest.mark.parametrize("insecure", [True, False])
def test_the_name_is_told_to_the_server_and_an_address_is_none(
    host: str, expected: bytes | None, insecure: bool
) -> None:
    """RFC 6066 §3."""
    from twisted.protocols.tls import TLSMemoryBIOFactory

    policy = policy_for("", insecure)
    assert verifyObject(IPolicyForHTTPS, policy)
    creator = policy.creatorForNetloc(host.encode(), 443)
    assert verifyObject(IOpenSSLClientConnectionCreator, creator)
    factory = TLSMemoryBIOFactory(creator, True, Factory.forProtocol(Protocol))
    protocol = factory.buildProtocol(None)
    assert creator.clientConnectionForTLS(protocol).get_servername() == expected


@pytest_twisted.ensureDeferred
async def test_the_environment_may_name_whom_to_trust(
    reactor: Any, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))  # OpenSSL itself reads it
    async with serving(reactor, authority.issue_cert("127.0.0.1")) as (fetcher, server):
        assert (await fetcher.get(secure(server, answer(b"trusted")))).body == b"trusted"


@pytest_twisted.ensureDeferred
async def test_a_cacert_is_trusted_in_place_of_the_platforms(
    reactor: Any, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    authority.cert_pem.write_to_path(ours)
    trustme.CA().cert_pem.write_to_path(theirs)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))
    certificate = authority.issue_cert("127.0.0.1")
    async with serving(reactor, certificate, cacert=str(theirs)) as (fetcher, server):
        assert (await failure_of(fetcher.get(secure(server, answer())))).code == "tls-untrusted"
    theirs.write_bytes(theirs.read_bytes() + ours.read_bytes())
    async with serving(reactor, certificate, cacert=str(theirs)) as (fetcher, server):
        assert (await fetcher.get(secure(server, answer(b"x")))).body == b"x"


def test_a_file_of_no_certificates_is_named(tmp_path: Path) -> None:
    for content in (b"", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"):
        path = tmp_path / "ca.pem"
        path.write_bytes(content)
        with pytest.raises(
            SettingsError, match=r"cacert: expected a PEM file .* found '.*ca\.pem'"
        ):
            policy_for(str(path), False)
    with pytest.raises(SettingsError, match="No such file"):
        policy_for(str(tmp_path / "missing.pem"), False)


class Goodbye(Protocol):
    """A server over TLS that answers, and then ends the TCP connection without a word."""

    transport: Any
    data = b""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self.data)
        below = self.transport.transport
        below.loseConnection()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", None),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "truncated"),
        (b"HTTP/1.1 200", "disconnected"),
        (b"", "disconnected"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_end_without_a_goodbye_is_not_the_end_of_a_body(
    reactor: Any, authority: trustme.CA, data: bytes, code: str | None
) -> None:
    """Anyone on the way can end a TCP connection; only the server can send close_notify."""
    factory: Any = Factory.forProtocol(type("Said", (Goodbye,), {"data": data}))
    context = ServerContext(authority.issue_cert("127.0.0.1"))
    port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
    fetcher = Fetcher(reactor, FetchSettings(insecure=True, retries=0))
    fetched = fetcher.get(f"https://127.0.0.1:{port.getHost().port}/")
    if code is None:
        assert (await fetched).body == b"hi"
    else:
        assert (await failure_of(fetched)).code == code
    await fetcher.close()
    await port.stopListening()


@pytest.mark.parametrize(
    ("data", "code", "phase"),
    [
        (Stall(b""), "first-byte-timeout", "first_byte"),
        (Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), "stalled", "body"),
        (Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), "truncated", "body"),
        (
            Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhihi"),
            "malformed-response",
            "first_byte",
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_goes_wrong_inside_tls_is_told_as_without(
    reactor: Any, authority: trustme.CA, data: bytes, code: str, phase: str
) -> None:
    limits = {"first_byte_timeout_seconds": 0.2, "stall_seconds": 0.2}
    certificate = authority.issue_cert("127.0.0.1")
    async with serving(reactor, certificate, insecure=True, **limits) as (fetcher, server):
        error = await failure_of(fetcher.get(secure(server, data)))
        assert (error.code, error.phase) == (code, phase)
        while server.open:
            await server.gone


class Pauses(Protocol):
    """Reads a body, and rests after its first piece."""

    transport: Any

    def __init__(self, reactor: Any, seconds: float) -> None:
        self.reactor = reactor
        self.seconds = seconds
        self.size = 0
        self.ended: Deferred[Any] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.size:
            self.transport.pauseProducing()
            self.reactor.callLater(self.seconds, self.transport.resumeProducing)
        self.size += len(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(reason.value)


@pytest_twisted.ensureDeferred
async def test_a_reader_that_rests_is_no_server_that_stalls(
    reactor: Any, authority: trustme.CA
) -> None:
    """Over TLS it is given what was decrypted already, though it has paused."""
    context = ServerContext(authority.issue_cert("127.0.0.1"))
    async with fault_server(reactor, context) as server:
        agent = HTTPAgent(reactor, AgentSettings(insecure=True, stall_seconds=0.2, proxy="none"))
        url = secure(server, answer(b"x" * 3_000_000)).encode()
        response = await agent.request(b"GET", url)
        reader = Pauses(reactor, 0.6)
        response.deliverBody(reader)
        end = await reader.ended
        assert isinstance(end, ResponseDone), end
        assert reader.size == 3_000_000
        await agent.close()


@pytest_twisted.ensureDeferred
async def test_the_handshake_has_its_seconds_and_a_connection_that_is_kept_has_none(
    reactor: Any, authority: trustme.CA
) -> None:
    certificate = authority.issue_cert("localhost")
    async with serving(reactor, certificate, insecure=True) as (fetcher, server):
        url = secure(server, answer(b"x"), "localhost")
        first, second = (await fetcher.get(url)).timings, (await fetcher.get(url)).timings
        assert None not in first
        assert (second.name, second.connect, second.tls) == (None, None, None)
