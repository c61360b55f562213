"""A connection through an HTTP proxy, which is asked for it by CONNECT (RFC 9110 §9.3.6)."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from toolkit.concurrency import deferred
from toolkit.http.failures import FetchError, fetch_error, shown
from toolkit.http.proxies import Proxy

MAX_HEAD_BYTES = 65_536

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: ([^\r\n]*))?\r?\n")


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """Connects to a host and port through a proxy.

    Args:
        proxy: The proxy, for its name and its user.
        endpoint: Connects to it.
        place: The host and port to be connected to.
    """

    def __init__(self, proxy: Proxy, endpoint: IStreamClientEndpoint, place: str) -> None:
        self._proxy = proxy
        self._endpoint = endpoint
        self._place = place

    @deferred
    async def connect(self, protocolFactory: IProtocolFactory) -> Any:
        """Connect a protocol.

        Args:
            protocolFactory: Builds the protocol, when the proxy has made the connection.

        Returns:
            A Deferred with the protocol. It fails with FetchError where the proxy will not, or as
            the proxy's endpoint does. Cancelling it closes the connection.
        """
        tunnel: Any = await self._endpoint.connect(
            _Factory(_Tunnel(self._proxy, self._place, protocolFactory))
        )
        return await tunnel.opened


class _Factory(Factory[Protocol]):
    noisy = False

    def __init__(self, tunnel: Protocol) -> None:
        self._tunnel = tunnel

    def buildProtocol(self, addr: Any) -> Protocol:
        return self._tunnel


class _Tunnel(Protocol):
    """Asks the proxy, and is then what comes from it."""

    transport: Any

    def __init__(self, proxy: Proxy, place: str, factory: Any) -> None:
        self.opened: Deferred[Any] = Deferred(lambda _: self.transport.abortConnection())
        self._proxy = proxy
        self._place = place
        self._factory = factory
        self._head = b""
        self._inner: Any = None

    def connectionMade(self) -> None:
        place = self._place.encode("ascii")
        lines = [b"CONNECT %b HTTP/1.1" % place, b"Host: %b" % place]
        if self._proxy.authorization is not None:
            lines.append(b"Proxy-Authorization: %b" % self._proxy.authorization)
        self.transport.write(b"\r\n".join([*lines, b"", b""]))

    def dataReceived(self, data: bytes) -> None:
        if self.opened.called:
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > MAX_HEAD_BYTES:
                self._refuse("the head of its answer is too large", "head-too-large")
            return
        status = _STATUS.match(head + b"\r\n")
        refused = status is not None and status[1][:1] != b"2"  # with a page that says why
        if status is None or (rest and not refused):
            self._refuse("its answer is not HTTP as it should be", "malformed-response")
        elif refused:
            said = f"{status[1].decode()} {shown((status[2] or b'').decode('latin-1'))}".rstrip()
            hint = "; it wants a user: http://USER:PASSWORD@HOST" if status[1] == b"407" else ""
            self._refuse(f"it answered {said}{hint}", "connect-unreachable")
        else:
            self._inner = self._factory.buildProtocol(self.transport.getPeer())
            # From now on nothing stands between them.
            self.dataReceived = self._inner.dataReceived  # type: ignore[method-assign]
            self._inner.makeConnection(self.transport)
            self.opened.callback(self._inner)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.opened.called and not reason.check(ConnectionDone):
            lost: Any = reason.value
            self.opened.errback(fetch_error(lost, f"the proxy {self._proxy.place}"))
        elif not self.opened.called:
            self._refuse("it ended the connection", "disconnected")

    def _refuse(self, why: str, code: str) -> None:
        self.opened.errback(
            FetchError(
                f"the proxy {self._proxy.place} did not connect to {self._place}: {why}", code
            )
        )
        self.transport.abortConnection()
