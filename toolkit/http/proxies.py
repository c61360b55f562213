"""Which proxy a request goes through, as the environment says it. No I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from toolkit.errors import SettingsError
from toolkit.http.direct import Direct
from toolkit.http.failures import FetchError, shown
from toolkit.http.urls import Target, parse_url
from toolkit.secret import MASK

_EXAMPLE = "http://127.0.0.1:3128"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Args:
        host: Its name or address, an IPv6 address without its brackets.
        port: Its port.
        authorization: The value of a Proxy-Authorization header, where a user was given. It is
            not shown.
        secure: Whether it is spoken to over TLS.
    """

    host: str
    port: int
    authorization: bytes | None = None
    secure: bool = False

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self.place}{' over TLS' if self.secure else ''}>"


def parse_proxy(text: str, where: str) -> Proxy:
    """Read the URL of a proxy.

    Args:
        text: Such as `http://user:password@proxy.example:3128`. Without a scheme it is http,
            without a port the scheme's own. Everything before the last `@` is the user, so that a
            password may hold any character, as it is or percent-encoded.
        where: What set it, for the message: a variable or an option.

    Returns:
        The Proxy.

    Raises:
        SettingsError: It is no such URL: one line, which shows no password.
    """
    text = text.strip()
    found = _SCHEME.match(text)
    start = found[0] if found else "http://"
    user, at, place = text.removeprefix(start).rpartition("@")
    seen = (start if found else "") + (f"{MASK}@" if at else "") + place
    seen = f'found "{shown(seen)}"' if text else "found nothing"
    if start.lower() not in ("http://", "https://"):
        raise _wrong(where, f"{seen}; such a proxy is not spoken to")
    if re.search(r"[/\\?#]", place.removesuffix("/")):
        raise _wrong(where, f"{seen}, which has a path")
    try:
        target = parse_url(start + place)
    except FetchError as error:
        raise _wrong(where, seen) from error
    authorization = _authorization(user) if at else None
    return Proxy(target.host, target.port, authorization, target.scheme == "https")


class Proxies:
    """The proxy for each target.

    Args:
        http: For `http` URLs; None for none.
        https: For `https` URLs; None for none.
        no_proxy: What is asked without a proxy; see `Direct.parsed`.
    """

    def __init__(
        self, http: Proxy | None = None, https: Proxy | None = None, no_proxy: str = ""
    ) -> None:
        self._proxies = {"http": http, "https": https}
        self._direct = Direct.parsed(no_proxy)

    def proxy_for(self, target: Target) -> Proxy | None:
        """The proxy that a request goes through; None where it goes to its target directly.

        Args:
            target: What is asked for.
        """
        proxy = self._proxies[target.scheme]
        return None if proxy is None or self._direct.holds(target.host, target.port) else proxy


def proxies_from(environ: Mapping[str, str]) -> Proxies:
    """The proxies that the environment names.

    `http_proxy`, `https_proxy`, `all_proxy` for what the two do not say, and `no_proxy`; each in
    lower case or, where that is not set, in upper case. An empty variable counts as not set.
    `HTTP_PROXY` does not count where REQUEST_METHOD is set: under CGI it is a header that anyone
    can send (CVE-2016-5385).

    Args:
        environ: `os.environ`.

    Returns:
        The Proxies.

    Raises:
        SettingsError: A variable holds no URL of a proxy; a line for each, without passwords.
    """
    problems: list[str] = []

    def proxy(name: str) -> Proxy | None:
        variable = _variable(environ, name)
        if variable is None:
            return None
        try:
            return parse_proxy(environ[variable], variable)
        except SettingsError as error:
            problems.extend(error.problems)
            return None

    http, https, everything = map(proxy, ("http_proxy", "https_proxy", "all_proxy"))
    if problems:
        raise SettingsError(problems)
    variable = _variable(environ, "no_proxy")
    no_proxy = environ[variable] if variable else ""
    return Proxies(http or everything, https or everything, no_proxy)


def _wrong(where: str, seen: str) -> SettingsError:
    return SettingsError(
        [f"{where}: expected the URL of an HTTP proxy, such as {_EXAMPLE}, {seen}"]
    )


def _authorization(user: str) -> bytes:
    name, _, password = user.partition(":")  # without a colon it is no credentials (RFC 7617 §2)
    pair = f"{name}:{password}".encode("utf-8", "surrogateescape")
    return b"Basic " + base64.b64encode(unquote_to_bytes(pair))


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    if environ.get(name, "").strip():
        return name
    upper = name.upper()
    if upper == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
        return None
    return upper if environ.get(upper, "").strip() else None
