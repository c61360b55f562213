"""HTTPAgent: an IAgent with a pool, deadlines for connecting, and a close that leaves nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from twisted.internet.defer import Deferred
from twisted.internet.ssl import Certificate, platformTrust, trustRootFromCertificates
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HostnameCachingHTTPSPolicy,
    HTTPConnectionPool,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from toolkit.concurrency import deferred
from toolkit.errors import SettingsError
from toolkit.http.connection import Connection, Endpoints
from toolkit.settings import Meta, Settings
from toolkit.transport import prompt


class AgentSettings(Settings):
    """How connections are made, and how long they are kept."""

    connect_timeout_seconds: Annotated[
        float, Meta(gt=0, description="seconds for name, TCP and TLS together")
    ] = 10.0
    max_idle: Annotated[int, Meta(ge=0, description="the most idle connections kept")] = 64
    idle_seconds: Annotated[float, Meta(gt=0, description="seconds an idle one is kept")] = 15.0
    cacert: Annotated[
        str, Meta(description="PEM file of the issuers to trust in place of the platform's")
    ] = ""


def _trust(cacert: str) -> Any:
    if not cacert:
        return platformTrust()
    try:
        found = re.findall(
            rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----",
            Path(cacert).read_bytes(),
            re.DOTALL,
        )
        if not found:
            raise ValueError("there is no certificate in it")
        return trustRootFromCertificates([Certificate.loadPEM(one) for one in found])
    except Exception as error:  # OSError, ValueError, and what OpenSSL raises
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            [f"cacert: expected a PEM file of certificates, found {cacert!r} ({reason})"]
        ) from error


@implementer(IAgent)
class HTTPAgent:
    """Twisted's Agent over a pool that is bounded and can be closed.

    Connections in use are as many as there are requests; idle ones are bounded, the oldest
    giving way. Bodies come as they were sent: taking codings off is the caller's part. A head
    of more than 64 KiB ends the connection.

    Args:
        reactor: The reactor.
        settings: How connections are made and kept.

    Raises:
        SettingsError: Where `cacert` cannot be read.
    """

    def __init__(self, reactor: Any, settings: AgentSettings | None = None) -> None:
        self._settings = settings or AgentSettings()
        self._open: dict[Connection, None] = {}
        self._emptied: list[Deferred[None]] = []
        self._pool = HTTPConnectionPool(reactor, persistent=self._settings.max_idle > 0)
        self._pool.maxPersistentPerHost = max(1, self._settings.max_idle)
        self._pool.cachedConnectionTimeout = self._settings.idle_seconds  # type: ignore[assignment]
        # One context for each host: reading the trusted certificates takes tens of milliseconds.
        policy = HostnameCachingHTTPSPolicy(
            BrowserLikePolicyForHTTPS(_trust(self._settings.cacert)), cacheSize=100
        )
        endpoints = Endpoints(
            prompt(reactor),
            policy,
            self._settings.connect_timeout_seconds,
            self._opened,
            self._lost,
        )
        self._agent = Agent.usingEndpointFactory(reactor, endpoints, pool=self._pool)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send one request; see `IAgent.request`.

        Args:
            method: The method, such as `b"GET"`.
            uri: The URL, of printable ASCII.
            headers: The request's headers, without Host.
            bodyProducer: Produces the body.

        Returns:
            A Deferred with the response; its body waits for `deliverBody`. Cancelling it
            closes the connection.
        """
        requested: Deferred[IResponse] = self._agent.request(method, uri, headers, bodyProducer)
        return requested

    @deferred
    async def close(self) -> None:
        """Close every connection, those in use too.

        Returns:
            A Deferred that fires when all are closed.
        """
        closing = self._pool.closeCachedConnections()
        # It asks them to close in good order, for which a peer may let us wait for ever.
        for connection in list(self._open):
            connection.abortConnection()
        await closing
        if self._open:
            emptied: Deferred[None] = Deferred()
            self._emptied.append(emptied)
            await emptied

    def _opened(self, connection: Connection) -> None:
        self._open[connection] = None
        idle = [one for one in self._open if one.idle]
        for one in idle[: max(0, len(idle) - self._settings.max_idle)]:
            one.loseConnection()

    def _lost(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        if not self._open:
            waiting, self._emptied = self._emptied, []
            for emptied in waiting:
                emptied.callback(None)
