"""Collect gives all the bytes of a clean end, and says of any other what it was."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from zope.interface import implementer

import toolkit
from toolkit.collecting import Collected, collect, collect_all, collect_into
from toolkit.connect import client_endpoint
from toolkit.errors import ConnectFailed, ConnectionBroken, TimedOut, TooLarge, ToolkitError
from toolkit.services.echo import EchoFactory
from toolkit.testing import Peer, connected, is_waiting, result_of


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Connects at once to a Peer in memory, which is the server."""

    def __init__(self, name: str = "memory", reads: bool = True) -> None:
        self.name = name
        self._reads = reads
        self.peer: Peer = None  # type: ignore[assignment] # once connected

    def __str__(self) -> str:
        return self.name

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        protocol = protocolFactory.buildProtocol(None)
        connect = protocol.makeConnection

        def make(transport: Any) -> None:
            if not self._reads:
                transport._peer.stops_reading()
            connect(transport)

        protocol.makeConnection = make
        self.peer = connected(Factory.forProtocol(lambda: protocol))
        return succeed(self.peer.protocol)


# On a Clock, in memory


def test_every_byte_up_to_the_clean_end_is_given() -> None:
    clock, server = Clock(), MemoryEndpoint()
    collecting = collect(clock, server)
    server.peer.send(b"first, ")
    server.peer.send(b"\x00\xff")
    assert is_waiting(collecting)
    server.peer.send_eof()
    assert result_of(collecting) == b"first, \x00\xff"
    assert not server.peer.connected
    assert clock.getDelayedCalls() == []


def test_a_connection_without_a_byte_is_clean() -> None:
    server = MemoryEndpoint()
    collecting = collect(Clock(), server)
    server.peer.send_eof()
    assert result_of(collecting) == b""


def test_the_names_are_those_of_the_toolkit() -> None:
    names = (toolkit.collect, toolkit.collect_all, toolkit.Collected)
    assert names == (collect, collect_all, Collected)


def test_a_connection_lost_in_the_middle_is_broken_and_says_how_much_came() -> None:
    clock, server = Clock(), MemoryEndpoint("tcp:192.0.2.2:80")
    collecting = collect(clock, server)
    server.peer.send(b"x" * 65)
    server.peer.vanish()
    with pytest.raises(ConnectionBroken) as caught:
        result_of(collecting)
    assert str(caught.value) == "the connection to tcp:192.0.2.2:80 was lost after 65 bytes"
    assert caught.value.__cause__ is not None
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("sizes", [[11], [10, 1], [1] * 11, [1_000_000]])
def test_one_byte_too_many_aborts_the_connection_at_once(sizes: list[int]) -> None:
    clock, server = Clock(), MemoryEndpoint()
    seen = bytearray()
    collecting = collect_into(clock, server, seen.extend, max_bytes=10)
    for size in sizes:
        server.peer.send(b"x" * size)
    assert not server.peer.connected
    with pytest.raises(TooLarge, match="memory sent more than 10 bytes"):
        result_of(collecting)
    assert seen == b"x" * 10
    assert clock.getDelayedCalls() == []


def test_exactly_as_many_bytes_as_allowed_are_given() -> None:
    server = MemoryEndpoint()
    collecting = collect(Clock(), server, max_bytes=10)
    server.peer.send(b"x" * 10)
    server.peer.send_eof()
    assert result_of(collecting) == b"x" * 10


def test_the_deadline_aborts_a_server_that_sends_for_ever() -> None:
    clock, server = Clock(), MemoryEndpoint()
    collecting = collect(clock, server, timeout_seconds=5.0)
    for _ in range(4):
        server.peer.send(b"x")
        clock.advance(1.0)
    assert is_waiting(collecting)
    clock.advance(1.0)
    assert not server.peer.connected
    with pytest.raises(TimedOut) as caught:
        result_of(collecting)
    assert str(caught.value) == "no end of what memory sends within 5 s; 4 bytes came"


def test_the_deadline_covers_connecting() -> None:
    reactor: Any = MemoryReactorClock()
    collecting = collect(reactor, "tcp:192.0.2.1:80", timeout_seconds=5.0)
    assert reactor.tcpClients[0][:2] == ("192.0.2.1", 80)
    reactor.advance(5.0)
    with pytest.raises(TimedOut, match=r"no connection to tcp:192\.0\.2\.1:80 within 5 s"):
        result_of(collecting)
    assert reactor.connectors[0].stoppedConnecting
    assert reactor.getDelayedCalls() == []


def test_cancelling_while_it_connects_gives_up_connecting() -> None:
    reactor: Any = MemoryReactorClock()
    collecting = collect(reactor, "tcp:192.0.2.1:80")
    collecting.cancel()
    with pytest.raises(CancelledError):
        result_of(collecting)
    assert reactor.connectors[0].stoppedConnecting
    assert reactor.getDelayedCalls() == []


def test_cancelling_while_it_reads_aborts_the_connection() -> None:
    clock, server = Clock(), MemoryEndpoint()
    collecting = collect(clock, server)
    server.peer.send(b"x")
    collecting.cancel()
    assert not server.peer.connected
    with pytest.raises(CancelledError):
        result_of(collecting)
    assert clock.getDelayedCalls() == []


def test_a_description_that_is_none_fails_the_deferred() -> None:
    reactor: Any = MemoryReactorClock()
    with pytest.raises(ConnectFailed, match="expected tcp:HOST:PORT") as caught:
        result_of(collect(reactor, "http://localhost/"))
    assert caught.value.code == "invalid-endpoint"


def test_what_the_function_raises_aborts_the_connection_and_comes_out() -> None:
    server = MemoryEndpoint()

    def write(_data: bytes) -> None:
        raise BrokenPipeError

    collecting = collect_into(Clock(), server, write)
    server.peer.send(b"x")
    assert not server.peer.connected
    with pytest.raises(BrokenPipeError):
        result_of(collecting)


def test_what_is_sent_is_followed_by_a_half_close() -> None:
    server = MemoryEndpoint()
    collecting = collect(Clock(), server, send=b"question")
    assert server.peer.received == b"question"
    assert server.peer.half_closed
    server.peer.send(b"answer")
    server.peer.send_eof()
    assert result_of(collecting) == b"answer"


def test_without_anything_to_send_nothing_is_half_closed() -> None:
    server = MemoryEndpoint()
    collecting = collect(Clock(), server)
    assert not server.peer.half_closed
    server.peer.send_eof()
    assert result_of(collecting) == b""


def test_a_server_that_ended_first_still_gets_the_rest() -> None:
    server = MemoryEndpoint(reads=False)
    collecting = collect(Clock(), server, send=b"x" * 300_000)
    server.peer.send(b"hello")
    server.peer.send_eof()
    assert is_waiting(collecting)
    server.peer.starts_reading()
    assert result_of(collecting) == b"hello"
    assert len(server.peer.received) == 300_000
    assert not server.peer.connected


def test_a_server_that_goes_before_it_took_all_is_broken() -> None:
    server = MemoryEndpoint(reads=False)
    collecting = collect(Clock(), server, send=b"x" * 300_000)
    server.peer.send(b"hello")
    server.peer.send_eof()
    server.peer.vanish()
    with pytest.raises(ConnectionBroken, match="memory ended after 5 bytes, before it took all"):
        result_of(collecting)


def test_a_file_that_cannot_be_read_is_said_and_the_connection_aborted() -> None:
    class Unreadable(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    server = MemoryEndpoint()
    with pytest.raises(ToolkitError, match="sent to memory cannot be read: Input") as caught:
        result_of(collect(Clock(), server, send=Unreadable()))
    assert caught.value.code == "read-failed"
    assert not server.peer.connected


# Several


def test_each_failure_stands_beside_its_endpoint_in_the_order_given() -> None:
    clock = Clock()
    servers = [MemoryEndpoint(name) for name in ("whole", "broken", "endless")]
    collecting = collect_all(clock, [*servers, "nonsense"], timeout_seconds=3.0)
    servers[1].peer.send(b"half")
    clock.advance(1.0)
    servers[1].peer.vanish()
    clock.advance(1.0)
    servers[0].peer.send(b"all")
    servers[0].peer.send_eof()
    assert is_waiting(collecting)
    servers[2].peer.send(b"more")
    clock.advance(1.0)
    whole, broken, endless, nonsense = result_of(collecting)
    assert whole == Collected("whole", b"all", None, 2.0)
    assert (broken.endpoint, broken.data, broken.partial) == ("broken", None, b"half")
    assert isinstance(broken.error, ConnectionBroken)
    assert broken.seconds == 1.0
    assert isinstance(endless.error, TimedOut)
    assert (endless.partial, endless.seconds) == (b"more", 3.0)
    assert isinstance(nonsense.error, ConnectFailed)
    assert nonsense.endpoint == "nonsense"


def test_no_more_than_the_limit_are_connected_at_once() -> None:
    servers = [MemoryEndpoint(str(number)) for number in range(5)]
    collecting = collect_all(Clock(), servers, limit=2)
    for done, server in enumerate(servers):
        assert [one.peer is not None for one in servers].count(True) == min(done + 2, 5)
        server.peer.send(server.name.encode())
        server.peer.send_eof()
    assert [one.data for one in result_of(collecting)] == [b"0", b"1", b"2", b"3", b"4"]


def test_cancelling_several_aborts_all() -> None:
    clock = Clock()
    servers = [MemoryEndpoint() for _ in range(3)]
    collecting = collect_all(clock, servers)
    collecting.cancel()
    assert not any(server.peer.connected for server in servers)
    with pytest.raises(CancelledError):
        result_of(collecting)
    assert clock.getDelayedCalls() == []


def test_no_endpoints_give_an_empty_list() -> None:
    assert result_of(collect_all(Clock(), [])) == []


# End to end


@asynccontextmanager
async def serving(serve: Callable[[socket.socket], None]) -> AsyncIterator[str]:
    """A server in a thread, with plain sockets: it takes one connection and serves it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def take() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(10)
            serve(connection)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield f"tcp:127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        await deferToThread(thread.join, 10)
        assert not thread.is_alive()


def resets_after(size: int) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"x" * size)
        connection.recv(1)  # until the client has read it and says so
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return serve


def endless(connection: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection.sendall(b"x" * 65536)


def silent(connection: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def read_to_the_end(connection: socket.socket) -> bytes:
    received = bytearray()
    while piece := connection.recv(65536):
        received += piece
    return bytes(received)


@pytest_twisted.ensureDeferred
async def test_a_real_server_is_read_to_its_end(reactor: Any) -> None:
    data = os.urandom(3_000_000)
    async with serving(lambda connection: connection.sendall(data)) as endpoint:
        assert await collect(reactor, endpoint) == data


@pytest_twisted.ensureDeferred
async def test_a_real_reset_in_the_middle_is_broken(reactor: Any) -> None:
    async with serving(resets_after(65)) as endpoint:
        seen = bytearray()
        with pytest.raises(ConnectionBroken, match="was lost after 65 bytes"):
            await collect_into(reactor, endpoint, seen.extend, send=b"!")
        assert seen == b"x" * 65


@pytest_twisted.ensureDeferred
async def test_a_real_endless_server_is_cut_off(reactor: Any) -> None:
    async with serving(endless) as endpoint:
        with pytest.raises(TooLarge):
            await collect(reactor, endpoint, max_bytes=1_000_000)


@pytest_twisted.ensureDeferred
async def test_a_real_silent_server_times_out(reactor: Any) -> None:
    async with serving(silent) as endpoint:
        with pytest.raises(TimedOut, match="0 bytes came"):
            await collect(reactor, endpoint, timeout_seconds=0.1)


@pytest_twisted.ensureDeferred
async def test_a_server_that_half_closes_first_gets_all_that_is_sent(reactor: Any) -> None:
    data, taken = os.urandom(5_000_000), []

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"greeting")
        connection.shutdown(socket.SHUT_WR)
        taken.append(read_to_the_end(connection))

    async with serving(serve) as endpoint:
        assert await collect(reactor, endpoint, send=data) == b"greeting"
    assert taken == [data]


@pytest_twisted.ensureDeferred
async def test_a_server_that_does_not_take_all_is_broken(reactor: Any) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"enough")
        connection.recv(10)

    async with serving(serve) as endpoint:
        with pytest.raises(ConnectionBroken):
            await collect(reactor, endpoint, send=b"x" * 20_000_000)


@pytest_twisted.ensureDeferred
async def test_a_refused_port_is_named_with_its_cause(reactor: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
        endpoint = f"tcp:127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ConnectFailed) as caught:
            await collect(reactor, endpoint)
    assert str(caught.value) == f"cannot connect to {endpoint}: Connection refused"
    assert caught.value.code == "connect-failed"
    assert caught.value.__cause__ is not None


@pytest_twisted.ensureDeferred
async def test_a_name_that_is_none_cannot_be_connected_to(reactor: Any) -> None:
    with pytest.raises(ConnectFailed, match=r"cannot connect to tcp:a\.invalid:80: .*host"):
        await collect(reactor, "tcp:a.invalid:80", timeout_seconds=20)


@pytest_twisted.ensureDeferred
async def test_a_unix_socket_that_is_not_there_is_named(reactor: Any, tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed, match=r"unix:.*none\.sock: No such file or directory"):
        await collect(reactor, f"unix:{tmp_path}/none.sock")


@pytest_twisted.ensureDeferred
async def test_cancelling_closes_the_real_socket(reactor: Any) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"x")
        silent(connection)

    async with serving(serve) as endpoint:
        came: Deferred[bytes] = Deferred()
        collecting = collect_into(reactor, endpoint, came.callback)
        assert await came == b"x"
        collecting.cancel()
        with pytest.raises(CancelledError):
            await collecting


@pytest_twisted.ensureDeferred
async def test_a_file_comes_back_equal_from_the_echo_service(reactor: Any, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(1 << 20) * 64)
    port = reactor.listenTCP(0, EchoFactory(), interface="127.0.0.1")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        count = await collect_into(
            reactor,
            f"tcp:127.0.0.1:{port.getHost().port}",
            digest.update,
            max_bytes=64 << 20,
            send=file,
        )
    assert count == 64 << 20
    assert digest.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_name_is_connected_to_at_any_of_its_addresses(reactor: Any) -> None:
    async with serving(lambda connection: connection.sendall(b"here")) as endpoint:
        assert await collect(reactor, endpoint.replace("127.0.0.1", "localhost")) == b"here"


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_serving(
    authority: trustme.CA, name: str, serve: Callable[[ssl.SSLSocket], None]
) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    def over_tls(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                serve(secure)
        except (ssl.SSLError, OSError):
            pass  # the client did not like the certificate

    return over_tls


def trusting(authority: trustme.CA, reactor: Any, endpoint: str) -> IStreamClientEndpoint:
    root = Certificate.loadPEM(authority.cert_pem.bytes())
    options = optionsForClientTLS("localhost", trustRootFromCertificates([root]))
    return wrapClientTLS(options, client_endpoint(reactor, endpoint))


@pytest_twisted.ensureDeferred
async def test_a_clean_end_over_tls_is_clean(reactor: Any, authority: trustme.CA) -> None:
    data = os.urandom(1_000_000)

    def serve(secure: ssl.SSLSocket) -> None:
        secure.sendall(data)
        secure.unwrap()

    async with serving(tls_serving(authority, "localhost", serve)) as endpoint:
        assert await collect(reactor, trusting(authority, reactor, endpoint)) == data


@pytest_twisted.ensureDeferred
async def test_tls_that_is_cut_without_close_notify_is_broken(
    reactor: Any, authority: trustme.CA
) -> None:
    def serve(secure: ssl.SSLSocket) -> None:
        secure.sendall(b"half of it")

    async with serving(tls_serving(authority, "localhost", serve)) as endpoint:
        with pytest.raises(ConnectionBroken, match="without TLS's close_notify after 10 bytes"):
            await collect(reactor, trusting(authority, reactor, endpoint))


@pytest_twisted.ensureDeferred
async def test_tls_that_is_cut_before_its_first_byte_was_a_connection(
    reactor: Any, authority: trustme.CA
) -> None:
    async with serving(tls_serving(authority, "localhost", lambda _: None)) as endpoint:
        with pytest.raises(ConnectionBroken, match="without TLS's close_notify after 0 bytes"):
            await collect(reactor, trusting(authority, reactor, endpoint))


@pytest.mark.parametrize(("name", "trusts"), [("localhost", False), ("other.example", True)])
@pytest_twisted.ensureDeferred
async def test_a_certificate_that_does_not_verify_is_no_connection(
    reactor: Any, authority: trustme.CA, name: str, trusts: bool
) -> None:
    async with serving(tls_serving(authority, name, lambda _: None)) as endpoint:
        where: Any = endpoint.replace("tcp:127.0.0.1", "tls:localhost")
        if trusts:
            where = trusting(authority, reactor, endpoint)
        with pytest.raises(ConnectFailed, match="no TLS connection to ") as caught:
            await collect(reactor, where)
        assert "\n" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_a_server_that_speaks_no_tls_is_no_connection(reactor: Any) -> None:
    async with serving(lambda connection: connection.sendall(b"220 hello\r\n")) as endpoint:
        with pytest.raises(ConnectFailed, match="no TLS connection to tls:localhost"):
            await collect(reactor, endpoint.replace("tcp:127.0.0.1", "tls:localhost"))


@pytest_twisted.ensureDeferred
async def test_what_is_sent_over_tls_arrives(reactor: Any, authority: trustme.CA) -> None:
    data = os.urandom(1_000_000)

    def serve(secure: ssl.SSLSocket) -> None:
        received = b""
        while len(received) < len(data):
            received += secure.recv(65536)
        secure.sendall(hashlib.sha256(received).digest())
        secure.unwrap()

    async with serving(tls_serving(authority, "localhost", serve)) as endpoint:
        where = trusting(authority, reactor, endpoint)
        assert await collect(reactor, where, send=data) == hashlib.sha256(data).digest()
