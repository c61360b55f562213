"""Connecting to an origin: name, TCP and TLS within one deadline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, platformTrust, trustRootFromCertificates
from twisted.web.client import BrowserLikePolicyForHTTPS, HostnameCachingHTTPSPolicy

from toolkit.concurrency import deferred, within
from toolkit.errors import SettingsError, TimedOut
from toolkit.http.connection import Connection
from toolkit.http.failures import FetchError, fetch_error, handshake_failure
from toolkit.http.guard import PublicNames
from toolkit.http.names import SystemNames
from toolkit.http.pool import Origin, Pool
from toolkit.http.request import Request
from toolkit.http.resolving import KnownNames, NameResolver, Resolving
from toolkit.transport import prompt


class Connector:
    """Opens connections.

    Args:
        reactor: The reactor.
        timeout_seconds: For name, TCP and TLS together.
        cacert: A PEM file of the issuers to trust, or "" for the platform's.
        unix_socket: The path of a UNIX socket to connect to in place of the origin, or "".
        public_only: Whether only public addresses are connected to (`toolkit.http.guard`). The
            UNIX socket is the word of whoever set it, and is.
        names: Finds the addresses of names, in place of the system's resolver.

    Raises:
        SettingsError: Where `cacert` cannot be read.
    """

    def __init__(
        self,
        reactor: Any,
        timeout_seconds: float,
        cacert: str,
        unix_socket: str,
        public_only: bool,
        names: NameResolver | None = None,
    ) -> None:
        self._reactor = prompt(reactor)
        names = names or SystemNames(reactor)
        self._names: NameResolver = PublicNames(names) if public_only else names
        self._timeout_seconds = timeout_seconds
        self._unix_socket = unix_socket
        # One context for each host: reading the trusted certificates takes tens of milliseconds.
        self._policy = HostnameCachingHTTPSPolicy(
            BrowserLikePolicyForHTTPS(_trust(cacert)), cacheSize=100
        )

    @deferred
    async def connect(self, pool: Pool, request: Request) -> Connection:
        """Open a connection.

        Args:
            pool: Whose connection it will be.
            request: What it is opened for; its phase and its seconds in each are noted in it.

        Returns:
            A Deferred with the Connection, ready for a request. It fails with FetchError;
            cancelling it closes what was opened.
        """
        seconds, place = self._timeout_seconds, request.origin.place
        try:
            return await within(self._reactor, seconds, self._connected(pool, request))
        except TimedOut as error:
            raise FetchError(
                f"no connection to {place} within {seconds:g} s; is the address right?",
                "connect-timeout",
            ) from error

    @deferred
    async def _connected(self, pool: Pool, request: Request) -> Connection:
        origin: Origin = request.origin
        clock = self._reactor
        try:
            endpoint = await self._endpoint(request)
            request.phase = "connect"
            began = request.since = clock.seconds()
            connection: Any = await endpoint.connect(_Factory(pool, origin))
        except FetchError:
            raise
        except Exception as error:  # each kind is given its code, and chained
            raise fetch_error(error, origin.place) from error
        connected = clock.seconds()
        request.connect_seconds = connected - began
        if origin.secure:
            request.phase = "tls"
            request.since = connected
        try:
            failed = await connection.ready
        except BaseException:
            connection.abort()
            raise
        if failed is not None:
            raise handshake_failure(failed, origin.place) from failed
        if origin.secure:
            request.tls_seconds = clock.seconds() - connected
        made: Connection = connection
        return made

    async def _endpoint(self, request: Request) -> IStreamClientEndpoint:
        origin: Origin = request.origin
        endpoint: IStreamClientEndpoint
        if self._unix_socket:
            endpoint = UNIXClientEndpoint(self._reactor, self._unix_socket, self._timeout_seconds)
        else:
            began = request.since = self._reactor.seconds()
            request.phase = "name"
            addresses = await self._names.addresses_of(origin.host)
            if addresses != (origin.host,):  # an address is no name
                request.name_seconds = self._reactor.seconds() - began
            endpoint = self._endpoint_at(addresses, origin.port)
        if origin.secure:
            creator = self._policy.creatorForNetloc(origin.host.encode("ascii"), origin.port)
            return wrapClientTLS(creator, endpoint, clock=self._reactor)
        return endpoint

    def _endpoint_at(self, addresses: tuple[str, ...], port: int) -> IStreamClientEndpoint:
        # What was judged is what is connected to: no endpoint is given the name.
        reactor, seconds = self._reactor, self._timeout_seconds
        if len(addresses) > 1:
            resolving = Resolving(reactor, KnownNames(addresses))
            return HostnameEndpoint(resolving, addresses[0], port, seconds)
        # HostnameEndpoint tells that its last address has failed 0.3 s later.
        if ":" in addresses[0]:
            return TCP6ClientEndpoint(reactor, addresses[0], port, seconds)
        return TCP4ClientEndpoint(reactor, addresses[0], port, seconds)


class _Factory(Factory[Connection]):
    noisy = False

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self._origin = origin

    def buildProtocol(self, addr: Any) -> Connection:
        return Connection(self._pool, self._origin)


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
