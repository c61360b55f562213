"""A resolver of ours serves Twisted's endpoints."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IResolutionReceiver,
)
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.http.faults import answer, fault_server
from toolkit.http.failures import FetchError
from toolkit.http.guard import PublicNames
from toolkit.http.resolving import KnownNames, NameResolver, Resolving
from toolkit.testing import result_of


@implementer(IResolutionReceiver)
class Receiver:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self.told.append(resolutionInProgress.name)

    def addressResolved(self, address: Any) -> None:
        self.told.append(address)

    def resolutionComplete(self) -> None:
        self.told.append("complete")


class Names(NameResolver):
    """Finds what the test says."""

    def __init__(self, found: Deferred[tuple[str, ...]]) -> None:
        self.found = found

    def addresses_of(self, host: str) -> Deferred[tuple[str, ...]]:
        return self.found


V4 = IPv4Address("TCP", "192.0.2.1", 80)
V6 = IPv6Address("TCP", "2001:db8::1", 80)


@pytest.mark.parametrize(
    ("types", "told"), [(None, [V6, V4]), ([IPv4Address], [V4]), ([IPv6Address], [V6]), ([], [])]
)
def test_a_receiver_is_told_each_address_of_the_kinds_it_takes(types: Any, told: Any) -> None:
    names = KnownNames(("2001:db8::1", "192.0.2.1"))
    assert verifyObject(IHostnameResolver, names)
    receiver = Receiver()
    names.resolveHostName(receiver, "a.example", 80, types)
    assert receiver.told == ["a.example", *told, "complete"]


def test_a_name_that_is_not_found_has_no_addresses() -> None:
    receiver = Receiver()
    Names(fail(FetchError("none", "name-not-found"))).resolveHostName(receiver, "a.example")
    assert receiver.told == ["a.example", "complete"]


def test_a_resolution_can_be_cancelled() -> None:
    cancelled: list[Any] = []
    receiver = Receiver()
    resolution = Names(Deferred(cancelled.append)).resolveHostName(receiver, "a.example")
    assert receiver.told == ["a.example"]
    resolution.cancel()
    assert receiver.told == ["a.example", "complete"]
    assert len(cancelled) == 1


def test_a_reactor_with_our_resolver_is_the_reactor_it_was() -> None:
    memory = MemoryReactorClock()
    reactor = Resolving(memory, KnownNames(("192.0.2.1",)))
    assert verifyObject(IReactorPluggableNameResolver, reactor)
    assert IReactorTCP.providedBy(reactor)
    connecting = HostnameEndpoint(reactor, "a.example", 80).connect(None)  # type: ignore[arg-type]
    assert memory.tcpClients[0][:2] == ("192.0.2.1", 80)
    connecting.cancel()
    with pytest.raises(ConnectingCancelledError):
        result_of(connecting)


@pytest_twisted.ensureDeferred
async def test_an_endpoint_connects_to_none_but_what_the_guard_lets_through(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        port = int(server.url("/", answer(b"")).rpartition(":")[2].strip("/"))
        free = KnownNames(("127.0.0.1",))
        endpoint = HostnameEndpoint(Resolving(reactor, free), "a.example", port)
        protocol = await connectProtocol(endpoint, Protocol())
        assert protocol.transport is not None
        protocol.transport.loseConnection()
        guarded = Resolving(reactor, PublicNames(free))
        with pytest.raises(DNSLookupError):
            await connectProtocol(HostnameEndpoint(guarded, "a.example", port), Protocol())
        assert server.connections == 1
        while server.open:
            await server.gone
