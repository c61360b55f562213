"""Finding the addresses of a name, for a connector that judges them and for Twisted's endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from toolkit.http.failures import FetchError


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str, finding: Deferred[tuple[str, ...]]) -> None:
        self.name = name
        self._finding = finding

    def cancel(self) -> None:
        self._finding.cancel()


@implementer(IHostnameResolver)
class NameResolver:
    """Finds the addresses of a name; an IHostnameResolver by what `addresses_of` finds."""

    def addresses_of(self, host: str) -> Deferred[tuple[str, ...]]:
        """The addresses of a name.

        Args:
            host: The name, in ASCII. An IP address is its own address.

        Returns:
            A Deferred with at least one IP address, the one to try first at the head. It fails
            with FetchError `name-not-found`. Cancelling it ends this wait alone. It has no
            deadline of its own: the system's are in resolv.conf(5).
        """
        raise NotImplementedError

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Tell a receiver the addresses; see `IHostnameResolver`. One that fails has none."""
        finding = self.addresses_of(hostName)
        resolution = _Resolution(hostName, finding)
        resolutionReceiver.resolutionBegan(resolution)

        def tell(found: tuple[str, ...]) -> None:
            for text in found:
                address = _twisted_address(transportSemantics, text, portNumber)
                if addressTypes is None or isinstance(address, tuple(addressTypes)):
                    resolutionReceiver.addressResolved(address)

        def complete(outcome: Failure | None) -> Failure | None:
            resolutionReceiver.resolutionComplete()
            return outcome

        finding.addCallback(tell)
        # The interface has no word for why there is none.
        finding.addErrback(lambda failure: failure.trap(FetchError, CancelledError) and None)
        finding.addBoth(complete)
        return resolution


class KnownNames(NameResolver):
    """Gives the same addresses for any name.

    Args:
        addresses: IP addresses, the one to try first at the head.
    """

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    def addresses_of(self, host: str) -> Deferred[tuple[str, ...]]:
        """The addresses."""
        return succeed(self._addresses)


class Resolving:
    """A reactor that looks names up with a resolver of ours; all else is the reactor's.

    Args:
        reactor: The reactor.
        nameResolver: What HostnameEndpoint asks (IReactorPluggableNameResolver).
    """

    def __init__(self, reactor: Any, nameResolver: NameResolver) -> None:
        self.nameResolver = nameResolver
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor), IReactorPluggableNameResolver)

    def __getattr__(self, name: str) -> Any:
        if name == "_reactor":  # not made yet: somebody copies it
            raise AttributeError(name)
        return getattr(self._reactor, name)


def _twisted_address(transport: Any, text: str, port: int) -> IPv4Address | IPv6Address:
    if ":" in text:
        return IPv6Address(transport, text, port)
    return IPv4Address(transport, text, port)
