"""Where a client connects: endpoint descriptions, and why a connection could not be made."""

from __future__ import annotations

import os
import re
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import HostnameEndpoint, clientFromString, quoteStringArgument
from twisted.internet.error import ConnectError, DNSLookupError, TimeoutError  # noqa: A004
from twisted.internet.interfaces import IReactorPluggableNameResolver, IStreamClientEndpoint

from toolkit.errors import ConnectFailed
from toolkit.transport import prompt

MAX_PATH_BYTES = 107
"""The longest path of a UNIX socket (unix(7), less the byte that ends it)."""

_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+(?:%\w+)?)\]")
_HOST_AND_PORT = re.compile(r"(tcp|tls):(?:host=)?((?:\\.|[^\\:=])*):(?:port=)?([0-9]+)(?=:|$)")


def client_endpoint(reactor: Any, description: str) -> IStreamClientEndpoint:
    """The endpoint that a client's description names, as Twisted's `clientFromString`, but

    - after `tcp:` an IPv6 address may stand in brackets, as it does in a URL: `tcp:[::1]:7000`;
    - `tcp:` with a name tries all its addresses, IPv6 and IPv4 (RFC 8305), not only IPv4 ones;
    - `ssl:` is refused, since it verifies no certificate;
    - a port out of range is found here and not when connecting.

    Args:
        reactor: The reactor.
        description: `tcp:HOST:PORT`, `tls:HOST:PORT`, `unix:PATH`, or one of a Twisted plugin.

    Returns:
        The endpoint; nothing is connected yet.

    Raises:
        ConnectFailed: With the code `invalid-endpoint`, when it describes none.
    """
    try:
        return _parsed(
            prompt(reactor), _BRACKETED.sub(lambda ip: quoteStringArgument(ip[1]), description)
        )
    except Exception as error:
        # The parsers speak of their own arguments; a TypeError of theirs tells a user nothing.
        said = "" if isinstance(error, TypeError) else f" ({why(error)})"
        raise ConnectFailed(
            f"{description!r} is not an endpoint to connect to: expected tcp:HOST:PORT,"
            f" tls:HOST:PORT or unix:PATH{said}",
            "invalid-endpoint",
        ) from error


def _parsed(reactor: Any, description: str) -> IStreamClientEndpoint:
    kind, _, rest = description.partition(":")
    if kind == "ssl":
        raise ValueError("ssl: verifies no certificate; use tls:")
    if kind in ("tcp", "tls", "unix") and (not rest or rest.startswith(":")):
        raise ValueError("nothing stands after the first colon")
    endpoint: IStreamClientEndpoint = clientFromString(reactor, description)
    path = getattr(endpoint, "_path", "")
    if kind == "unix" and len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(f"a path of a socket has at most {MAX_PATH_BYTES} bytes")
    simple = _HOST_AND_PORT.match(description)
    if simple is None:
        return endpoint
    host, port = re.sub(r"\\(.)", r"\1", simple[2]), int(simple[3])
    if not 0 < port < 65536:
        raise ValueError("a port is 1 to 65535")
    is_name = not (isIPAddress(host) or isIPv6Address(host))
    if (
        kind == "tcp"
        and is_name
        and simple.end() == len(description)
        and IReactorPluggableNameResolver.providedBy(reactor)
    ):
        return HostnameEndpoint(reactor, host, port)
    return endpoint


def why(error: BaseException | None) -> str:
    """In a few words, why a connection, or a file, could not be opened or used.

    Args:
        error: What Twisted, the operating system, OpenSSL or an endpoint raised.
    """
    number = getattr(error, "osError", None)
    if isinstance(error, ConnectError) and isinstance(number, int):
        return os.strerror(number)
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, DNSLookupError):
        return "there is no such host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    reasons = next(iter(getattr(error, "args", ())), None)
    if isinstance(reasons, list) and reasons and isinstance(reasons[0], tuple):  # SSL.Error
        return "; ".join(str(reason[-1]) for reason in reasons)
    return str(error).rstrip(".") or type(error).__name__
