"""Connecting to an origin: name, TCP and TLS within one deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory

from toolkit.concurrency import deferred, within
from toolkit.errors import TimedOut
from toolkit.http.connection import Connection
from toolkit.http.failures import FetchError, fetch_error, handshake_failure
from toolkit.http.guard import PublicNames
from toolkit.http.names import SystemNames
from toolkit.http.pool import Origin, Pool
from toolkit.http.request import Request
from toolkit.http.resolving import KnownNames, NameResolver, Resolving
from toolkit.http.secure import SecureEndpoint
from toolkit.http.settings import AgentSettings
from toolkit.http.trust import policy_for
from toolkit.http.tunnel import TunnelEndpoint
from toolkit.transport import prompt


class Connector:
    """Opens connections.

    Args:
        reactor: The reactor.
        settings: How they are made.
        names: Finds the addresses of names, in place of the system's resolver.
        endpoint: Gives what connects to an origin, in place of TCP to an address of its host.
            Over it comes TLS, where the URL says so.

    Raises:
        SettingsError: Where `cacert` cannot be read.
    """

    def __init__(
        self,
        reactor: Any,
        settings: AgentSettings,
        names: NameResolver | None = None,
        endpoint: Callable[[Origin], IStreamClientEndpoint] | None = None,
    ) -> None:
        self._reactor = prompt(reactor)
        self._every_name = names or SystemNames(reactor)
        self._judges = settings.public_only
        self._names = PublicNames(self._every_name) if self._judges else self._every_name
        self._timeout_seconds = settings.connect_timeout_seconds
        self._given = endpoint
        if settings.unix_socket:
            # It is the word of whoever set it, and connected to whatever `public_only` says.
            socket = UNIXClientEndpoint(
                self._reactor, settings.unix_socket, settings.connect_timeout_seconds
            )
            self._given = lambda _: socket
        self._policy = policy_for(settings.cacert, settings.insecure)

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
        seconds, place, proxy = self._timeout_seconds, request.origin.place, request.origin.proxy
        if proxy is not None:
            place = f"{place} through the proxy {proxy.place}"
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
            proxy = origin.proxy
            place = origin.place if proxy is None else f"the proxy {proxy.place}"
            raise fetch_error(error, place) from error
        connected = clock.seconds()
        request.connect_seconds = connected - began
        if origin.secure:
            request.phase = "tls"
            request.since = connected
        try:
            failed = await connection.ready
        except CancelledError as error:
            connection.abort()
            raise fetch_error(error, origin.place) from error
        if failed is not None:
            raise handshake_failure(failed, origin.place) from failed
        if origin.secure:
            request.tls_seconds = clock.seconds() - connected
        made: Connection = connection
        return made

    async def _endpoint(self, request: Request) -> IStreamClientEndpoint:
        origin: Origin = request.origin
        endpoint: IStreamClientEndpoint
        if self._given is not None:
            endpoint = self._given(origin)
        else:
            began = request.since = self._reactor.seconds()
            request.phase = "name"
            host, named = origin.host, False
            if origin.proxy is None or self._judges:
                addresses = await self._names.addresses_of(host)
                named = addresses != (host,)  # an address is no name
            if origin.proxy is not None:
                # The target was judged here, before the proxy may look for it; else its name is
                # the proxy's to know. Where the proxy is, is the word of whoever set it.
                host = origin.proxy.host
                addresses = await self._every_name.addresses_of(host)
                named = named or addresses != (host,)
            if named:
                request.name_seconds = self._reactor.seconds() - began
            endpoint = self._reached(origin, addresses)
        return self._secured(origin.host, origin.port, endpoint) if origin.secure else endpoint

    def _reached(self, origin: Origin, addresses: tuple[str, ...]) -> IStreamClientEndpoint:
        proxy = origin.proxy
        if proxy is None:
            return self._endpoint_at(addresses, origin.port)
        endpoint = self._endpoint_at(addresses, proxy.port)
        if proxy.secure:
            endpoint = self._secured(proxy.host, proxy.port, endpoint)
        # What is not secret is asked of the proxy itself (RFC 9112 §3.2.2).
        return TunnelEndpoint(proxy, endpoint, origin.place) if origin.secure else endpoint

    def _secured(
        self, host: str, port: int, endpoint: IStreamClientEndpoint
    ) -> IStreamClientEndpoint:
        creator = self._policy.creatorForNetloc(host.encode("ascii"), port)
        return SecureEndpoint(creator, endpoint, self._reactor)

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
