"""A connection knows how long it has been quiet, without standing in the path of its bytes."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from toolkit.connection import _quiet_seconds
from toolkit.connections import Connections
from toolkit.listen import ListenSettings
from toolkit.services.echo import EchoFactory, EchoProtocol
from toolkit.testing import connected

ON_LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells how long a socket was quiet"
)


class Transport:
    """As much of a transport as is asked."""

    def __init__(self, one: socket.socket) -> None:
        self.socket = one


@pytest.fixture
def pair() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    yield near, far
    near.close()
    far.close()


def quiet(one: socket.socket) -> float:
    seconds = _quiet_seconds(Transport(one))
    assert seconds is not None
    return seconds


@ON_LINUX
def test_the_kernel_tells_how_long_no_byte_came_or_went(pair: Any) -> None:
    near, far = pair
    while quiet(near) < 0.05 or quiet(far) < 0.05:
        pass  # nothing happens, and that is what is waited for
    near.send(b"x")
    far.recv(1)
    assert quiet(near) < 0.05  # it sent
    assert quiet(far) < 0.05  # it got


def test_what_is_no_tcp_tells_nothing() -> None:
    near, far = socket.socketpair()
    assert _quiet_seconds(Transport(near)) is None
    near.close()
    assert _quiet_seconds(Transport(near)) is None
    far.close()
    assert _quiet_seconds(object()) is None


@ON_LINUX
@pytest_twisted.ensureDeferred
async def test_a_tcp_transport_keeps_its_own_methods(reactor: Any) -> None:
    clock, factory = Clock(), EchoFactory()
    built: list[Any] = []
    factory.buildProtocol = lambda addr: built.append(EchoProtocol()) or built[0]  # type: ignore[method-assign,func-returns-value] # to see the one that is built
    connections = Connections(clock, factory, ListenSettings(idle_seconds=8.0), "echo")
    port = reactor.listenTCP(0, connections, interface="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port.getHost().port)) as peer:
        peer.send(b"x")
        assert await deferToThread(peer.recv, 1) == b"x"
        clock.advance(1)
        transport = built[0].transport
        for name in ("doRead", "write", "writeSequence"):
            assert getattr(transport, name).__func__ is getattr(type(transport), name)
    await connections.emptied()
    await port.stopListening()


def test_elsewhere_a_hook_takes_itself_out_at_the_first_byte() -> None:
    from twisted.internet.task import Clock

    from toolkit.connections import Connections
    from toolkit.listen import ListenSettings

    clock = Clock()
    peer = connected(Connections(clock, EchoFactory(), ListenSettings(idle_seconds=8.0), "echo"))
    clock.advance(1)
    assert "write" in vars(peer.transport)
    peer.send(b"x")
    assert "write" not in vars(peer.transport)
    peer.close()
