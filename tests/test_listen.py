"""A listening service over real sockets: it fails fast, keeps its limits, and drains."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.logger import LogEvent, formatEvent
from twisted.python import log as legacy
from twisted.web.resource import Resource
from twisted.web.server import Site

from toolkit.concurrency import within
from toolkit.errors import ListenFailed
from toolkit.listen import BACKLOG, Listening, ListenSettings, listening
from toolkit.service import Shared
from toolkit.services.echo import EchoFactory
from toolkit.testing import failures_in, leftovers

LOCAL = "tcp:0:interface=127.0.0.1"


class Ends(Protocol):
    """A client: what it received, and how it ended."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.ended: Deferred[str] = Deferred()
        self._wanted: list[tuple[int, Deferred[bytes]]] = []

    def has(self, count: int) -> Deferred[bytes]:
        """Wait for so many bytes in all."""
        waiting: Deferred[bytes] = Deferred()
        self._wanted.append((count, waiting))
        self.dataReceived(b"")
        return waiting

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        for count, waiting in list(self._wanted):
            if len(self.data) >= count:
                self._wanted.remove((count, waiting))
                waiting.callback(self.data)

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(reason.type.__name__)


class Kept(Protocol):
    """A server's protocol that its factory can be asked for."""

    transport: Any
    factory: Keeps

    def connectionMade(self) -> None:
        self.factory.made.append(self)

    def connectionLost(self, reason: object = None) -> None:
        self.factory.lost.append(self)


class Keeps(ServerFactory):
    noisy = False

    def __init__(self, protocol: Callable[[], Kept] = Kept) -> None:
        self.protocol: Any = protocol
        self.made: list[Kept] = []
        self.lost: list[Kept] = []


def service_of(
    reactor: Any, factory: Any = None, listen: str = LOCAL, **settings: Any
) -> Listening:
    service = listening(
        Shared(reactor, "sample"),
        factory or EchoFactory(),
        ListenSettings(listen=listen, **settings),
    )
    assert isinstance(service, Listening)
    return service


@asynccontextmanager
async def started(
    reactor: Any, factory: Any = None, listen: str = LOCAL, **settings: Any
) -> AsyncIterator[Listening]:
    service = service_of(reactor, factory, listen, **{"drain_seconds": 0.2, **settings})
    await service.startService()
    try:
        yield service
    finally:
        await service.stopService()


def port_of(service: Listening) -> int:
    address: Any = service.address
    return int(address.port)


async def connect(reactor: Any, service: Listening) -> Ends:
    endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{port_of(service)}")
    made: Ends = await endpoint.connect(Factory.forProtocol(Ends))
    return made


async def end_of(reactor: Any, client: Ends, seconds: float = 10) -> str:
    return await within(reactor, seconds, client.ended)


async def pause(reactor: Any, seconds: float) -> None:
    """Let time go by: what is tested is what happens, or does not, while it does."""
    passed: Deferred[None] = Deferred()
    reactor.callLater(seconds, passed.callback, None)
    await passed


async def turns(reactor: Any, done: Callable[[], object]) -> None:
    """Let the reactor turn until something is so; the test's own time-out is the deadline."""
    while not done():
        await pause(reactor, 0.005)


# Starting


def taken() -> tuple[socket.socket, int]:
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    return other, other.getsockname()[1]


@pytest_twisted.ensureDeferred
async def test_a_taken_port_fails_the_start_in_one_line_and_leaves_nothing(reactor: Any) -> None:
    other, port = taken()
    service = service_of(reactor, listen=f"tcp:{port}:interface=127.0.0.1")
    with other, pytest.raises(ListenFailed) as caught:
        await service.startService()
    assert str(caught.value) == (
        f"cannot listen on tcp:{port}:interface=127.0.0.1: "
        "the address is in use; stop what uses it, or choose another"
    )
    assert caught.value.__cause__ is not None
    assert not service.running
    assert service.address is None
    assert leftovers(reactor) == []
    await service.stopService()


@pytest.mark.parametrize(
    ("listen", "cause"),
    [
        ("tcp:0:interface=192.0.2.1", "this machine has no such address"),
        ("tcp:0:interface=no-such-name.invalid", "interface is not an IP address"),
        ("unix:{tmp}/missing/a.sock", "there is no such folder; make it first"),
        ("unix:{tmp}/taken.sock", "there is such a file already"),
        ("unix:{tmp}/taken.sock:lockfile=0", "there is such a file already"),
        ("unix:/tmp/" + "x" * 103, "a path of a socket has at most 107 bytes; choose a shorter"),
        ("unix:{tmp}/locked.sock", "another process holds its lock file"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_bound_is_said_in_one_line(
    reactor: Any, tmp_path: Path, listen: str, cause: str
) -> None:
    (tmp_path / "taken.sock").write_text("")
    (tmp_path / "locked.sock.lock").symlink_to(str(os.getppid()))
    before = sorted(tmp_path.iterdir())
    listen = listen.format(tmp=tmp_path)
    with pytest.raises(ListenFailed) as caught:
        await service_of(reactor, listen=listen).startService()
    message = str(caught.value)
    assert message.startswith(f"cannot listen on {listen}: ")
    assert cause.format(tmp=tmp_path) in message
    assert "\n" not in message
    assert leftovers(reactor) == []
    assert sorted(tmp_path.iterdir()) == before


UNPRIVILEGED = """
import os, sys
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import react
from toolkit.errors import ListenFailed
from toolkit.listen import ListenSettings, listening
from toolkit.service import Shared

async def main(reactor):
    service = listening(Shared(reactor), ServerFactory(), ListenSettings(listen=sys.argv[1]))
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        await service.startService()
    except ListenFailed as error:
        print(error)

react(main)
"""


@pytest.mark.parametrize(
    "listen", ["tcp:1:interface=127.0.0.1", "unix:/proc/a.sock", "unix:/etc/a.sock:lockfile=0"]
)
def test_no_permission_is_said_in_one_line(listen: str) -> None:
    open_to_all = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) < 2
    if open_to_all and listen.startswith("tcp"):
        pytest.skip("every port is for everybody here")
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, listen],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.startswith(f"cannot listen on {listen}: "), done
    assert "permission denied; " in done.stdout or "no such folder" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest_twisted.ensureDeferred
async def test_it_logs_the_port_that_the_kernel_gave(reactor: Any, logged: list[LogEvent]) -> None:
    async with started(reactor) as service:
        lines = [formatEvent(event) for event in logged]
        assert f"sample listening on tcp:127.0.0.1:{port_of(service)}" in lines
        assert port_of(service) > 0


@pytest_twisted.ensureDeferred
async def test_twisteds_own_line_is_for_debugging_and_no_other_message_is(
    reactor: Any, logged: list[LogEvent]
) -> None:
    class Talks(Keeps):
        def startFactory(self) -> None:
            legacy.msg("said while it starts")

    async with started(reactor, Talks()) as service:
        twisteds = f"Connections starting on {port_of(service)}"
        levels = {formatEvent(event): event["log_level"].name for event in logged}
        assert levels[twisteds] == "debug"
        assert levels["said while it starts"] == "info"


@pytest_twisted.ensureDeferred
async def test_it_listens_again_after_a_stop(reactor: Any) -> None:
    service = service_of(reactor)
    for _ in range(2):
        await service.startService()
        client = await connect(reactor, service)
        client.transport.write(b"again")
        assert await client.has(5) == b"again"
        client.transport.loseConnection()
        await client.ended
        await service.stopService()
        assert service.address is None
        assert leftovers(reactor) == []


@pytest_twisted.ensureDeferred
async def test_a_second_start_without_a_stop_is_refused(reactor: Any) -> None:
    async with started(reactor) as service:
        with pytest.raises(RuntimeError, match="listening already"):
            await service.startService()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root binds before its turn")
@pytest_twisted.ensureDeferred
async def test_a_port_bound_while_privileged_serves_nobody_before_the_start(reactor: Any) -> None:
    other, port = taken()
    other.close()
    service = service_of(reactor, listen=f"tcp:{port}:interface=127.0.0.1", drain_seconds=0.2)
    service.privilegedStartService()
    endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{port}")
    client: Ends = await endpoint.connect(Factory.forProtocol(Ends))
    client.transport.write(b"early")
    with pytest.raises(Exception, match="within"):
        await within(reactor, 0.1, client.has(5))
    client._wanted.clear()
    await service.startService()
    assert await client.has(5) == b"early"
    client.transport.loseConnection()
    await client.ended
    await service.stopService()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root binds before its turn")
@pytest_twisted.ensureDeferred
async def test_a_port_bound_while_privileged_is_closed_by_a_stop_without_a_start(
    reactor: Any,
) -> None:
    other, port = taken()
    other.close()
    service = service_of(reactor, listen=f"tcp:{port}:interface=127.0.0.1")
    service.privilegedStartService()
    await service.stopService()
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root binds before its turn")
@pytest_twisted.ensureDeferred
async def test_a_bind_that_fails_while_privileged_fails_the_start(reactor: Any) -> None:
    other, port = taken()
    with other:
        service = service_of(reactor, listen=f"tcp:{port}:interface=127.0.0.1")
        service.privilegedStartService()
        with pytest.raises(ListenFailed):
            await service.startService()
        service.privilegedStartService()
        await service.stopService()  # and one that is never asked for is not an error


@pytest.mark.parametrize(("given", "applied"), [("", BACKLOG), (":backlog=7", 7)])
@pytest_twisted.ensureDeferred
async def test_the_backlog_is_1024_unless_the_endpoint_says_otherwise(
    reactor: Any, given: str, applied: int
) -> None:
    async with started(reactor, listen=LOCAL + given) as service:
        port: Any = service._port
        # Of a listening socket, Linux tells its backlog as tcpi_sacked (net/ipv4/tcp.c).
        info = port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
        assert struct.unpack_from("8xIIIIII", info)[5] == min(applied, most)


@pytest_twisted.ensureDeferred
async def test_a_unix_socket_is_served_and_its_file_removed(reactor: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    async with started(reactor, listen=f"unix:{path}") as service:
        assert isinstance(service, Listening)
        endpoint = clientFromString(reactor, f"unix:{path}")
        client: Ends = await endpoint.connect(Factory.forProtocol(Ends))
        client.transport.write(b"x" * 100_000)
        assert await client.has(100_000) == b"x" * 100_000
        client.transport.loseConnection()
        await client.ended
    assert list(tmp_path.iterdir()) == []


@pytest_twisted.ensureDeferred
async def test_ipv6_is_served_and_its_address_logged(reactor: Any, logged: list[LogEvent]) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text():
        pytest.skip("no IPv6 here")
    async with started(
        reactor, listen=r"tcp6:0:interface=\:\:1", max_connections_per_peer=1
    ) as service:
        lines = [formatEvent(event) for event in logged]
        assert f"sample listening on tcp:[::1]:{port_of(service)}" in lines
        endpoint = clientFromString(reactor, rf"tcp:\:\:1:{port_of(service)}")
        client: Ends = await endpoint.connect(Factory.forProtocol(Ends))
        client.transport.write(b"six")
        assert await client.has(3) == b"six"
        refused: Ends = await endpoint.connect(Factory.forProtocol(Ends))
        assert await end_of(reactor, refused) == "ConnectionLost"
        client.transport.loseConnection()
        await client.ended


# Limits, over real sockets


@pytest_twisted.ensureDeferred
async def test_one_too_many_is_refused_and_a_slot_is_freed(reactor: Any) -> None:
    async with started(reactor, max_connections=1) as service:
        client = await connect(reactor, service)
        client.transport.write(b"x")
        await client.has(1)
        refused = await connect(reactor, service)
        assert await end_of(reactor, refused) == "ConnectionLost"
        client.transport.loseConnection()
        await client.ended
        await turns(reactor, lambda: len(service._connections) == 0)
        client = await connect(reactor, service)
        client.transport.write(b"y")
        assert await client.has(1) == b"y"
        client.transport.abortConnection()
        await client.ended


@pytest_twisted.ensureDeferred
async def test_a_thousand_refusals_leave_nothing_open(reactor: Any) -> None:
    async with started(reactor, max_connections=1) as service:
        client = await connect(reactor, service)
        client.transport.write(b"x")
        await client.has(1)
        for _ in range(20):
            refused = [await connect(reactor, service) for _ in range(50)]
            for one in refused:
                await end_of(reactor, one)
        assert service._connections.refused_in_all == 1000
        assert len(service._connections) == 1
        client.transport.loseConnection()
        await client.ended


@pytest_twisted.ensureDeferred
async def test_a_factory_and_a_protocol_that_raise_have_their_peers_disconnected(
    reactor: Any, logged: list[LogEvent]
) -> None:
    class Broken(Protocol):
        def connectionMade(self) -> None:
            raise ZeroDivisionError

    class Raises(ServerFactory):
        noisy = False

        def buildProtocol(self, addr: object) -> Protocol:
            raise ZeroDivisionError

    broken = ServerFactory.forProtocol(Broken)
    broken.noisy = False
    for factory in (broken, Raises()):
        async with started(reactor, factory, max_connections=1) as service:
            for _ in range(2):
                client = await connect(reactor, service)
                assert await end_of(reactor, client) == "ConnectionLost"
            assert len(service._connections) == 0
            assert service._connections.refused_in_all == 0
    assert len(failures_in(logged)) == 4


@pytest_twisted.ensureDeferred
async def test_an_idle_connection_is_closed_and_one_that_trickles_lives(reactor: Any) -> None:
    async with started(reactor, idle_seconds=0.4) as service:
        idle, lively = await connect(reactor, service), await connect(reactor, service)
        for count in range(1, 11):
            lively.transport.write(b"x")
            await lively.has(count)
            await pause(reactor, 0.15)
        assert await end_of(reactor, idle, 1) == "ConnectionDone"
        assert not lively.ended.called
        assert await end_of(reactor, lively) == "ConnectionDone"


@pytest_twisted.ensureDeferred
async def test_one_that_only_receives_and_one_that_only_sends_live(reactor: Any) -> None:
    keeps = Keeps()
    async with started(reactor, keeps, idle_seconds=0.4) as service:
        sends, receives = await connect(reactor, service), await connect(reactor, service)
        await turns(reactor, lambda: len(keeps.made) == 2)
        for _ in range(10):
            sends.transport.write(b"x")
            keeps.made[1].transport.write(b"x")
            await pause(reactor, 0.15)
        assert keeps.lost == []
        assert not sends.ended.called
        assert not receives.ended.called
        for client in (sends, receives):
            client.transport.loseConnection()
            await client.ended


@pytest_twisted.ensureDeferred
async def test_a_peer_that_reads_nothing_is_aborted_and_one_that_reads_slowly_is_not(
    reactor: Any,
) -> None:
    keeps = Keeps()
    async with started(reactor, keeps, write_stall_seconds=0.4) as service:
        clients = []
        for _ in range(2):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port_of(service)))
            client.setblocking(False)
            clients.append(client)
        await turns(reactor, lambda: len(keeps.made) == 2)
        stalled, slow = keeps.made
        for protocol in keeps.made:
            protocol.transport.write(b"x" * 20_000_000)
        read = 0
        began = reactor.seconds()
        while reactor.seconds() < began + 1.5:
            await turns(reactor, lambda: True)
            await pause(reactor, 0.05)
            with suppress(BlockingIOError):
                read += len(clients[1].recv(1_000_000))
            stalled.transport.write(b"more")
        assert keeps.lost == [stalled]
        assert read > 0
        for client in clients:
            client.close()
        await turns(reactor, lambda: slow in keeps.lost)


# TLS

# Twisted gives pyOpenSSL its own objects, which pyOpenSSL means to take no more.
by_twisted = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, trustme.CA]:
    authority = trustme.CA()
    path = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return path, authority


class TLSClient:
    """A blocking TLS client for use in a thread: no reactor of its own."""

    def __init__(self, port: int, authority: trustme.CA) -> None:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")
        except BaseException:
            raw.close()
            raise

    def echo(self, data: bytes) -> bytes:
        self.socket.sendall(data)
        got = b""
        while len(got) < len(data):
            got += self.socket.recv(65536)
        return got


def in_thread(reactor: Any, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
    from twisted.internet.threads import deferToThread

    return deferToThread(function, *args)


@by_twisted
@pytest_twisted.ensureDeferred
async def test_tls_is_served_within_the_same_limits(
    reactor: Any, certificate: tuple[Path, trustme.CA]
) -> None:
    path, authority = certificate
    async with started(
        reactor, listen=f"ssl:0:interface=127.0.0.1:privateKey={path}", max_connections=1
    ) as service:
        client = await in_thread(reactor, TLSClient, port_of(service), authority)
        assert await in_thread(reactor, client.echo, b"secret" * 5000) == b"secret" * 5000
        with pytest.raises(OSError, match=r"(?i)reset|eof|handshake|broken"):
            await in_thread(reactor, TLSClient, port_of(service), authority)
        assert service._connections.refused_in_all == 1
        client.socket.close()
        await turns(reactor, lambda: len(service._connections) == 0)


@by_twisted
@pytest_twisted.ensureDeferred
async def test_over_tls_an_idle_and_a_stalled_peer_are_dropped(
    reactor: Any, certificate: tuple[Path, trustme.CA]
) -> None:
    path, authority = certificate
    keeps = Keeps()
    async with started(
        reactor,
        keeps,
        listen=f"ssl:0:interface=127.0.0.1:privateKey={path}",
        idle_seconds=0.4,
        write_stall_seconds=0.4,
    ) as service:
        # One that never begins the handshake, one that is idle after it, one that does not read.
        silent = socket.create_connection(("127.0.0.1", port_of(service)))
        idle = await in_thread(reactor, TLSClient, port_of(service), authority)
        stalled = await in_thread(reactor, TLSClient, port_of(service), authority)
        await turns(reactor, lambda: len(keeps.made) == 3)
        keeps.made[2].transport.write(b"x" * 20_000_000)
        await turns(reactor, lambda: len(keeps.lost) == 3)
        for client in (silent, idle.socket, stalled.socket):
            client.close()


@by_twisted
@pytest_twisted.ensureDeferred
async def test_over_tls_the_stop_drains(reactor: Any, certificate: tuple[Path, trustme.CA]) -> None:
    path, authority = certificate
    service = service_of(
        reactor,
        listen=f"ssl:0:interface=127.0.0.1:privateKey={path}",
        idle_seconds=1.0,
        drain_seconds=5,
    )
    await service.startService()
    client = await in_thread(reactor, TLSClient, port_of(service), authority)
    assert await in_thread(reactor, client.echo, b"x") == b"x"
    stopping = service.stopService()
    assert await in_thread(reactor, client.echo, b"yy") == b"yy"
    assert await in_thread(reactor, client.socket.recv, 1) == b""  # closed in good order
    client.socket.close()
    await within(reactor, 3, stopping)


# Stopping


@pytest_twisted.ensureDeferred
async def test_without_connections_the_stop_is_at_once(reactor: Any) -> None:
    service = service_of(reactor)
    await service.startService()
    port = port_of(service)
    await within(reactor, 0.05, service.stopService())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest_twisted.ensureDeferred
async def test_from_the_stop_on_nobody_is_accepted_while_the_busy_are_served(reactor: Any) -> None:
    service = service_of(reactor, drain_seconds=10)
    await service.startService()
    port = port_of(service)
    busy = await connect(reactor, service)
    busy.transport.write(b"x")
    await busy.has(1)
    stopping = service.stopService()
    for count in range(2, 14):
        busy.transport.write(b"x")
        await busy.has(count)
        await pause(reactor, 0.1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert not stopping.called
    quiet_from = reactor.seconds()
    assert await end_of(reactor, busy) == "ConnectionDone"
    assert 0.8 <= reactor.seconds() - quiet_from <= 1.5
    await within(reactor, 1, stopping)
    assert leftovers(reactor) == []


@pytest_twisted.ensureDeferred
async def test_the_drain_counts_from_when_accepting_stops_and_the_stop_waits_for_its_end(
    reactor: Any, logged: list[LogEvent]
) -> None:
    service = service_of(reactor, drain_seconds=0.5)
    await service.startService()
    port = port_of(service)
    busy = await connect(reactor, service)
    service.stop_accepting()
    began = reactor.seconds()
    while not busy.ended.called:
        busy.transport.write(b"x")
        await pause(reactor, 0.02)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert await busy.ended == "ConnectionLost"
    assert 0.5 <= reactor.seconds() - began < 1.5
    assert service.running
    await within(reactor, 0.1, service.stopService())
    assert leftovers(reactor) == []


@pytest_twisted.ensureDeferred
async def test_who_is_aborted_is_reset_even_if_the_reactor_never_turns_again(reactor: Any) -> None:
    keeps = Keeps()
    service = service_of(reactor, keeps, drain_seconds=50)
    await service.startService()
    client = socket.create_connection(("127.0.0.1", port_of(service)))
    client.settimeout(5)
    await turns(reactor, lambda: keeps.made)
    keeps.made[0].transport.write(b"half of an ans")
    stopping = service.stopService()
    stopping.cancel()
    socket.close(keeps.made[0].transport.socket.detach())  # as the end of the process does
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    client.close()
    with pytest.raises(CancelledError):
        await stopping


@pytest_twisted.ensureDeferred
async def test_one_that_has_been_quiet_for_long_is_closed_at_once(reactor: Any) -> None:
    service = service_of(reactor, drain_seconds=10, idle_seconds=8)
    await service.startService()
    client = await connect(reactor, service)
    await pause(reactor, 2.2)  # a look, and a second
    stopping = service.stopService()
    assert await end_of(reactor, client, 0.1) == "ConnectionDone"
    await within(reactor, 0.2, stopping)


@pytest_twisted.ensureDeferred
async def test_what_is_owed_to_a_quiet_peer_is_sent_before_the_close(reactor: Any) -> None:
    keeps = Keeps()
    service = service_of(reactor, keeps, drain_seconds=10)
    await service.startService()
    client = await connect(reactor, service)
    client.transport.pauseProducing()
    await turns(reactor, lambda: keeps.made)
    keeps.made[0].transport.write(b"x" * 20_000_000)
    stopping = service.stopService()
    await pause(reactor, 1.5)
    assert keeps.lost == []
    client.transport.resumeProducing()
    assert await end_of(reactor, client) == "ConnectionDone"
    assert len(client.data) == 20_000_000
    await within(reactor, 2, stopping)


@pytest_twisted.ensureDeferred
async def test_those_still_busy_after_drain_seconds_are_aborted(
    reactor: Any, logged: list[LogEvent]
) -> None:
    keeps = Keeps()
    service = service_of(reactor, keeps, drain_seconds=0.3)
    await service.startService()
    client = await connect(reactor, service)
    await turns(reactor, lambda: keeps.made)
    began = reactor.seconds()
    stopping = service.stopService()
    while not client.ended.called:
        client.transport.write(b"x")
        await turns(reactor, lambda: True)
        await pause(reactor, 0.02)
    assert await client.ended == "ConnectionLost"
    await within(reactor, 1, stopping)
    assert keeps.lost == keeps.made
    assert 0.3 <= reactor.seconds() - began < 0.8
    assert any("sample aborts 1 connections" in str(formatEvent(event)) for event in logged)


@pytest.mark.parametrize("turns_later", [0, 3])
@pytest_twisted.ensureDeferred
async def test_cancelling_the_stop_aborts_and_closes_all_the_same(
    reactor: Any, turns_later: int
) -> None:
    keeps = Keeps()
    service = service_of(reactor, keeps, drain_seconds=50)
    await service.startService()
    port = port_of(service)
    client = await connect(reactor, service)
    await turns(reactor, lambda: keeps.made)
    stopping = service.stopService()
    for _ in range(turns_later):
        await pause(reactor, 0)
    stopping.cancel()
    with pytest.raises(CancelledError):
        await stopping
    assert keeps.lost == keeps.made
    assert await end_of(reactor, client) == "ConnectionLost"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert leftovers(reactor) == []


@pytest_twisted.ensureDeferred
async def test_a_connection_made_in_the_turn_of_the_stop_is_never_half_served(reactor: Any) -> None:
    keeps = Keeps()
    service = service_of(reactor, keeps, drain_seconds=5)
    await service.startService()
    late = socket.create_connection(("127.0.0.1", port_of(service)))
    late.settimeout(5)
    await within(reactor, 2, service.stopService())
    assert keeps.made == keeps.lost
    # In a thread's stead: the kernel has reset or ended it by now, so this does not wait.
    try:
        assert late.recv(1) == b""
    except ConnectionResetError:
        assert keeps.made == []
    late.close()


class DrainsItself(Kept):
    asked = 0

    def drain(self) -> None:
        self.asked += 1
        self.transport.write(b"bye")
        self.transport.loseConnection()


@pytest_twisted.ensureDeferred
async def test_a_protocol_that_can_drain_is_asked_once(reactor: Any) -> None:
    keeps = Keeps(DrainsItself)
    service = service_of(reactor, keeps, drain_seconds=5)
    await service.startService()
    client = await connect(reactor, service)
    await turns(reactor, lambda: keeps.made)
    await within(reactor, 1, service.stopService())
    assert await end_of(reactor, client) == "ConnectionDone"
    assert client.data == b"bye"
    asked: Any = keeps.made[0]
    assert asked.asked == 1


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        return b"hello"


@pytest_twisted.ensureDeferred
async def test_a_web_site_is_served_and_drained(reactor: Any) -> None:
    site = Site(Hello())
    site.noisy = False
    service = service_of(reactor, site, drain_seconds=5)
    await service.startService()
    client = await connect(reactor, service)
    for count in (1, 2):
        client.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while client.data.count(b"hello") < count:
            await client.has(len(client.data) + 1)
    await within(reactor, 3, service.stopService())
    assert await end_of(reactor, client) == "ConnectionDone"
