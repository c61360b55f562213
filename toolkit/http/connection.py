"""One connection of an HTTPAgent, and the endpoint that makes it: name, TCP and TLS in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import (
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from toolkit.concurrency import deferred, within
from toolkit.errors import TimedOut
from toolkit.http.failures import FetchError, handshake_failure

MAX_HEAD_BYTES = 65_536


@implementer(IHandshakeListener)
class Connection(ProtocolWrapper):
    """One connection, between the transport (or TLS) and twisted.web's protocol.

    It knows what twisted.web's does not tell: when TLS is ready, how the connection ended, and
    how many bytes of a head have come.
    """

    lost: Failure | None = None

    def __init__(self, factory: Any, wrapped: Any, secure: bool, endpoint: _Endpoint) -> None:
        super().__init__(factory, wrapped)
        self.ready: Deferred[BaseException | None] = Deferred()
        self._secure = secure
        self._endpoint = endpoint
        self._head_bytes: int | None = None  # None outside a head
        self._refused: FetchError | None = None

    @property
    def idle(self) -> bool:
        """Whether it waits in the pool for a request."""
        protocol: Any = self.wrappedProtocol
        return self.ready.called and protocol is not None and protocol.state == "QUIESCENT"

    def makeConnection(self, transport: Any) -> None:
        super().makeConnection(transport)
        self._endpoint.opened(self)
        if not self._secure:
            self.ready.callback(None)

    def handshakeCompleted(self) -> None:
        if not self.ready.called:
            self.ready.callback(None)

    def writeSequence(self, data: Any) -> None:
        self._head_bytes = 0
        super().writeSequence(data)

    def pauseProducing(self) -> None:
        # twisted.web pauses when the head is complete, until somebody reads the body.
        self._head_bytes = None
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().dataReceived(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()

    def loseConnection(self) -> None:
        if self._head_bytes is not None:
            self._refuse()  # its parser met a line that is too long, or it has reported why
        else:
            super().loseConnection()

    def _refuse(self) -> None:
        self._refused = FetchError(
            f"the head of the answer of {self._endpoint.place} is too large "
            f"(more than {MAX_HEAD_BYTES} bytes, or a line of 16 KiB)",
            "head-too-large",
        )
        self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason
        super().connectionLost(Failure(self._refused) if self._refused else reason)
        self._endpoint.lost(self)
        if not self.ready.called:
            self.ready.callback(reason.value)


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """Connects: name, TCP and TLS within one deadline."""

    def __init__(self, endpoints: Endpoints, uri: URI) -> None:
        self._endpoints = endpoints
        self._uri = uri
        self.opened = endpoints.opened
        self.lost = endpoints.lost

    @property
    def place(self) -> str:
        host = self._uri.host.decode("ascii")
        return f"[{host}]:{self._uri.port}" if ":" in host else f"{host}:{self._uri.port}"

    @deferred
    async def connect(self, factory: IProtocolFactory) -> IProtocol:
        seconds = self._endpoints.connect_timeout_seconds
        try:
            return await within(self._endpoints.reactor, seconds, self._connect(factory))
        except TimedOut as error:
            raise FetchError(
                f"no connection to {self.place} within {seconds:g} s; is the address right?",
                "connect-timeout",
            ) from error

    @deferred
    async def _connect(self, factory: Any) -> IProtocol:
        factory.noisy = False  # twisted.web's logs a line for each connection begun and ended
        secure = self._uri.scheme == b"https"
        wrapping: WrappingFactory[Connection] = WrappingFactory(factory)
        wrapping.noisy = False
        wrapping.protocol = lambda made, wrapped: Connection(made, wrapped, secure, self)
        connection: Any = await self._endpoints.stream(self._uri).connect(wrapping)
        try:
            failed = await connection.ready
        except BaseException:
            connection.abortConnection()
            raise
        if failed is not None:
            raise handshake_failure(failed, self.place) from failed
        made: IProtocol = connection.wrappedProtocol
        return made


@implementer(IAgentEndpointFactory)
class Endpoints:
    """Gives twisted.web's Agent the endpoint for each URI.

    Args:
        reactor: The reactor.
        policy: Verifies the certificates.
        connect_timeout_seconds: For name, TCP and TLS together.
        opened: Called with each Connection once it is made.
        lost: Called with it when it is gone.
    """

    def __init__(
        self,
        reactor: Any,
        policy: IPolicyForHTTPS,
        connect_timeout_seconds: float,
        opened: Callable[[Connection], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self.reactor = reactor
        self.connect_timeout_seconds = connect_timeout_seconds
        self.opened = opened
        self.lost = lost
        self._policy = policy

    def endpointForURI(self, uri: URI) -> _Endpoint:
        """The endpoint for one URI; nothing is looked up until it connects."""
        return _Endpoint(self, uri)

    def stream(self, uri: URI) -> IStreamClientEndpoint:
        """The endpoint below: TCP, and TLS for https."""
        host, seconds = uri.host.decode("ascii"), self.connect_timeout_seconds
        endpoint: IStreamClientEndpoint
        if isIPAddress(host):  # HostnameEndpoint tells that one has failed 0.3 s later
            endpoint = TCP4ClientEndpoint(self.reactor, host, uri.port, seconds)
        elif isIPv6Address(host):
            endpoint = TCP6ClientEndpoint(self.reactor, host, uri.port, seconds)
        else:
            endpoint = HostnameEndpoint(self.reactor, host, uri.port, seconds)
        if uri.scheme == b"https":
            creator = self._policy.creatorForNetloc(uri.host, uri.port)
            return wrapClientTLS(creator, endpoint, clock=self.reactor)
        return endpoint
