"""TLS over any endpoint, without a timer for each request."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer


class _TLS(TLSMemoryBIOFactory):
    # The one that `wrapClientTLS` has gathers what is written, and sends it by a timer in the next
    # turn. A request is written at once, and the transport below gathers.
    protocol = TLSMemoryBIOProtocol


@implementer(IStreamClientEndpoint)
class SecureEndpoint:
    """Connects over TLS: what `twisted.internet.endpoints.wrapClientTLS` gives, but sooner.

    Args:
        creator: Makes the TLS connection, and verifies.
        endpoint: Connects.
        reactor: The reactor.
    """

    def __init__(
        self,
        creator: IOpenSSLClientConnectionCreator,
        endpoint: IStreamClientEndpoint,
        reactor: Any,
    ) -> None:
        self._creator = creator
        self._endpoint = endpoint
        self._reactor = reactor

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect a protocol.

        Args:
            protocolFactory: Builds the protocol.

        Returns:
            A Deferred with the protocol; its handshake has begun. It fails as the endpoint's does,
            and cancelling it does the same.
        """
        factory = _TLS(self._creator, True, protocolFactory, self._reactor)
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda tls: tls.wrappedProtocol)
