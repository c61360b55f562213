"""HTTPAgent: an IAgent with a bounded pool, a strict parser, and a close that leaves nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from toolkit.http.connecting import Connector
from toolkit.http.failures import FetchError, shown
from toolkit.http.pool import Origin, Pool
from toolkit.http.proxies import Proxies, parse_proxy, proxies_from
from toolkit.http.request import Request
from toolkit.http.resolving import NameResolver
from toolkit.http.settings import AgentSettings
from toolkit.http.urls import Target

if TYPE_CHECKING:
    from treq.client import HTTPClient

__all__ = ["AgentSettings", "HTTPAgent", "treq_client"]

_URI = re.compile(
    rb"(https?)://(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]\x00-\x20\x7f]+)(?::([0-9]{1,5}))?(?=[/?#]|$)"
)

MAX_ORIGINS = 10_000
"""How many origins are remembered when nothing goes on with them."""


@implementer(IAgent)
class HTTPAgent:
    """Sends HTTP/1.1 requests; see `IAgent`.

    Connections are kept and used again; those open are bounded, in all and for each origin, and
    what finds none waits its turn, in a queue that is bounded too. Bodies come as they were sent:
    taking codings off is the caller's part. Redirects are answers. An answer that could be read
    in two ways is an error. A request that met a connection which its server had just closed is
    sent once more, if it does not matter whether it was done twice.

    Args:
        reactor: The reactor.
        settings: How connections are made and kept.
        names: Finds the addresses of names, in place of the system's resolver.
        endpoint: Gives what connects to an origin, in place of TCP to an address of its host: for
            tests, or a way of one's own. Over it comes TLS, where the URL says so.

    Raises:
        SettingsError: Where `cacert` cannot be read, or `proxy`, or a variable that names one.
    """

    def __init__(
        self,
        reactor: Any,
        settings: AgentSettings | None = None,
        names: NameResolver | None = None,
        endpoint: Callable[[Origin], IStreamClientEndpoint] | None = None,
    ) -> None:
        settings = settings or AgentSettings()
        connector = Connector(reactor, settings, names, endpoint)
        self._proxies = _proxies(settings.proxy)
        self._origins: dict[bytes, Origin] = {}
        self._targets: dict[tuple[str, str, int], Origin] = {}  # some of the same
        self._pool = Pool(
            reactor,
            connector.connect,
            settings.max_connections,
            settings.max_per_origin,
            settings.max_waiting,
            settings.max_idle,
            settings.idle_seconds,
            settings.first_byte_timeout_seconds,
            settings.stall_seconds,
        )

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
            uri: The URL, of printable ASCII, without a user; its fragment is not sent.
            headers: The request's headers. Host is added if it is not there, Content-Length and
                Transfer-Encoding are this agent's to say.
            bodyProducer: Produces the body.

        Returns:
            A Deferred with the response; its body waits for `deliverBody`. It fails with
            FetchError; with a body of which not all came, its reader is told one. Cancelling it
            closes the connection, or leaves the queue.
        """
        try:
            request = self.prepare(method, uri, headers, bodyProducer)
        except FetchError as error:
            failed: Deferred[IResponse] = Deferred()
            failed.errback(error)
            return failed
        answered: Deferred[IResponse] = request.answered
        self.send(request)
        return answered

    def prepare(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
        answered: Any = None,
    ) -> Request:
        """Make a request that is sent by `send`, and tells meanwhile where it stands.

        Args:
            method: As for `request`.
            uri: As for `request`.
            headers: As for `request`.
            bodyProducer: As for `request`.
            answered: Is told of the answer by `callback` and `errback`, in place of a Deferred:
                what asks a hundred thousand times need not make as many.

        Returns:
            The request.

        Raises:
            FetchError: `invalid-url`.
        """
        found = _URI.match(uri)
        if found is None:
            raise _not_a_url(uri)
        origin = self._origins.get(found[0]) or self._origin(found)
        target = uri[found.end() :].partition(b"#")[0]
        if not target.startswith(b"/"):
            target = b"/" + target
        return Request(self._pool, origin, method, uri, target, headers, bodyProducer, answered)

    def prepare_for(
        self,
        method: bytes,
        target: Target,
        headers: Headers | None,
        bodyProducer: IBodyProducer | None,
        answered: Any,
    ) -> Request:
        """Do what `prepare` does for a URL that has been read; it is not read again.

        Args:
            method: As for `prepare`.
            target: What is asked for.
            headers: As for `prepare`.
            bodyProducer: As for `prepare`.
            answered: As for `prepare`.

        Returns:
            The request.

        Raises:
            FetchError: `invalid-url`.
        """
        key = (target.scheme, target.host, target.port)
        origin = self._targets.get(key)
        if origin is None:
            if len(self._targets) >= MAX_ORIGINS:
                self._targets.clear()
            uri = target._replace(path="/").url.encode("ascii")
            found = _URI.match(uri)
            assert found is not None
            origin = self._targets[key] = self._origins.get(found[0]) or self._origin(found)
        return Request(
            self._pool, origin, method, None, target.path.encode("ascii"), headers, bodyProducer,
            answered,
        )  # fmt: skip

    def send(self, request: Request) -> None:
        """Send what `prepare` made, once.

        Args:
            request: The request.
        """
        self._pool.request(request)

    def close(self) -> Deferred[None]:
        """Close every connection, those in use too; no more requests are taken.

        Returns:
            A Deferred that fires when all are closed.
        """
        return self._pool.close()

    def _origin(self, found: re.Match[bytes]) -> Origin:
        scheme, host, digits = found.groups()
        port = int(digits or (443 if scheme == b"https" else 80))
        try:
            name = host.strip(b"[]").decode("ascii").lower()
        except UnicodeDecodeError:
            raise _not_a_url(found.string) from None
        if not 0 < port < 65_536:
            raise _not_a_url(found.string)
        if len(self._origins) >= MAX_ORIGINS:
            self._targets.clear()
            self._origins = {
                key: one for key, one in self._origins.items() if one.connections or one.waiting
            }
        proxy = self._proxies.proxy_for(Target(scheme.decode(), name, port, "/"))
        origin = Origin(scheme, name, port, proxy)
        key = b"%b://%b" % (scheme, origin.place.encode("ascii"))
        origin = self._origins[found[0]] = self._origins.setdefault(key, origin)
        return origin


def treq_client(agent: IAgent) -> HTTPClient:
    """A treq client over an agent: `await treq_client(agent).get(url)`.

    Args:
        agent: The agent, such as an HTTPAgent; it stays its owner's to close.

    Returns:
        The client. Redirects, cookies and gzip are treq's part, and so are its own faults: a gzip
        that is cut is not noticed, and credentials follow a redirect to another host. Where that
        matters, use a Fetcher.
    """
    from treq.client import HTTPClient

    return HTTPClient(agent)


def _proxies(setting: str) -> Proxies:
    if setting == "none":
        return Proxies()
    if not setting:
        return proxies_from(os.environ)
    proxy = parse_proxy(setting, "proxy")
    return Proxies(proxy, proxy)


def _not_a_url(uri: bytes) -> FetchError:
    return FetchError(
        f"{shown(repr(uri), 300)} cannot be asked for: expected http://HOST/ or https://HOST/, "
        "in ASCII",
        "invalid-url",
    )
