"""Echo: send back every byte received, in order.

The smallest useful server, and the pattern for a service of your own: a protocol, its
settings, a function that makes the service, and one constant that declares it.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, ServerFactory
from zope.interface import implementer

from toolkit.listen import Endpoint, ListenSettings, listening
from toolkit.service import Declaration, Shared


@implementer(IHalfCloseableProtocol)
class EchoProtocol(Protocol):
    """One connection: reading pauses while the peer does not read what it was sent."""

    transport: Any  # of both: ITCPTransport and IConsumer

    def connectionMade(self) -> None:
        # Registered with itself, the transport stops reading while too much waits to be sent.
        self.transport.registerProducer(self.transport, streaming=True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)

    def readConnectionLost(self) -> None:
        # The peer has sent its last byte (RFC 9293 §3.6); what it is owed still goes out.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nothing to do: connectionLost follows."""


class EchoFactory(ServerFactory):
    """Builds an EchoProtocol for each connection.

    Used without `listening`, set `transport.bufferSize` to bound what waits for a peer that does
    not read: it is at most twice that.
    """

    protocol = EchoProtocol
    noisy = False


class EchoSettings(ListenSettings):
    """Send back every byte received, in order."""

    listen: Endpoint = "tcp:7000:interface=127.0.0.1"


def make(shared: Shared, settings: EchoSettings) -> IService:
    """An echo service that listens where the settings say."""
    return listening(shared, EchoFactory(), settings)


SERVICE = Declaration(EchoSettings, make)
