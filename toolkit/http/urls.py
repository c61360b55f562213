"""From a URL as people write it to one that can be asked for. No I/O."""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin, urlsplit

import idna

from toolkit.http.failures import FetchError, shown

PORTS = {"http": 80, "https": 443}
MAX_LENGTH = 65_536
MAX_KNOWN = 10_000

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PORT_FOLLOWS = re.compile(r"\d{1,5}(?:[/?#]|$)")
_NAME = re.compile(r"(?!.*\.\.)[a-z0-9_-][a-z0-9_.-]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = "!$%&'()*+,/:;=@[]|~^-._"
_QUERY = "!$%&()*+,/:;=?@[]\\^`{|}~-._"
# Neither a user nor anything that is written differently in a request.
_PLAIN = re.compile(
    rf"(https?://[^/?#@\\\s%]+)(/[A-Za-z0-9{re.escape(_PATH)}]*(?:\?[A-Za-z0-9!$&()*+,/:;=~._-]+)?)"
)
_USER = re.compile(r"//[^/?#\\]*@")
_TRIMMED = "".join(map(chr, range(0x21)))


class Target(NamedTuple):
    """A URL, ready to be asked for: host in ASCII, path and query percent-encoded.

    Args:
        scheme: `http` or `https`.
        host: The name or the address, an IPv6 address without its brackets.
        port: The port, the scheme's own where the URL names none.
        path: Path and query, as they go into the request line.
        authorization: The value of an Authorization header, where the URL held a user.
    """

    scheme: str
    host: str
    port: int
    path: str
    authorization: bytes | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to (RFC 6454 §4)."""
        return self.scheme, self.host, self.port

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, without user, fragment and default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


class Targets:
    """Reads URLs as `parse_url` does, many of them: what is plain, of an origin it knows, at once.

    It remembers up to 10,000 of them.
    """

    def __init__(self) -> None:
        self._known: dict[str, Target] = {}

    def parse(self, text: str) -> Target:
        """Read a URL; see `parse_url`."""
        plain = _PLAIN.fullmatch(text)
        if plain is None or len(text) > MAX_LENGTH:
            return parse_url(text)
        beginning, path = plain.groups()
        known = self._known.get(beginning)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[beginning] = parse_url(text)
            return known
        return Target(known[0], known[1], known[2], path)


def masked(url: str) -> str:
    """A URL without the user and password it may hold, printable and of bounded length."""
    return shown(_USER.sub("//****@", url), 300)


def parse_url(text: str) -> Target:
    """Read a URL as a browser would: names in any script, spaces and non-ASCII encoded.

    Args:
        text: The URL. Bytes that were not UTF-8 may stand in it as surrogate escapes.

    Returns:
        The Target.

    Raises:
        FetchError: `invalid-url` or `unsupported-scheme`, with what to write instead.
    """
    if len(text) > MAX_LENGTH:
        raise FetchError(f"the URL is longer than {MAX_LENGTH} characters", "invalid-url")
    # The URL standard drops white space around and tabs and line ends within.
    text = re.sub(r"[\t\r\n]", "", text.strip(_TRIMMED))
    scheme = _scheme_of(text)
    try:
        # In http a backslash is a slash (URL standard), so that no reader finds another host.
        path_end = min((at for at in map(text.find, "?#") if at >= 0), default=len(text))
        parts = urlsplit(text[:path_end].replace("\\", "/") + text[path_end:])
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise FetchError(f"{masked(text)} is no URL: {shown(str(error))}", "invalid-url") from error
    if not host:
        raise FetchError(
            f"there is no host in {masked(text)}; write {scheme}://example.org/", "invalid-url"
        )
    if port == 0:
        raise FetchError(f"port 0 in {masked(text)} cannot be connected to", "invalid-url")
    path = quote(parts.path or "/", _PATH, errors="surrogateescape")
    if parts.query:
        path += "?" + quote(parts.query, _QUERY, errors="surrogateescape")
    return Target(
        scheme, _host(host, parts.netloc), port or PORTS[scheme], path, _authorization(parts.netloc)
    )


def redirected(current: Target, location: bytes, allow_downgrade: bool = False) -> Target:
    """Where a Location header leads (RFC 9110 §10.2.2): relative to the current URL.

    A user in it is ignored; the current one goes along only to the same origin.

    Args:
        current: What was asked for.
        location: The header's value.
        allow_downgrade: Whether it may lead from https to http.

    Returns:
        The next Target.

    Raises:
        FetchError: `bad-redirect`, where it is empty or unusable, or leads from https to http.
    """
    text = location.decode("utf-8", "surrogateescape").strip(_TRIMMED)
    if not text:
        raise FetchError(f"{current.place} redirects to nowhere: Location is empty", "bad-redirect")
    try:
        # urljoin takes `http:` and `http://` for the current URL.
        absolute = _SCHEME.match(text) is not None
        target = parse_url(text if absolute else urljoin(current.url, text.replace("\\", "/")))
    except (FetchError, ValueError) as error:
        raise FetchError(
            f"{current.place} redirects to what cannot be fetched: {shown(str(error), 300)}",
            "bad-redirect",
        ) from error
    if current.scheme == "https" and target.scheme == "http" and not allow_downgrade:
        raise FetchError(
            f"{current.place} redirects from https to http, which is not followed: "
            f"{masked(target.url)}",
            "bad-redirect",
        )
    same = target.origin == current.origin
    return target._replace(authorization=current.authorization if same else None)


def _scheme_of(text: str) -> str:
    found = _SCHEME.match(text)
    rest = text[found.end() :] if found else text
    if found is None or (not rest.startswith("//") and _PORT_FOLLOWS.match(rest)):
        written = masked(text.lstrip("/")) or "example.org"
        written += "" if "/" in written else "/"
        raise FetchError(
            f"there is no scheme in {masked(text) or 'an empty URL'}; write http://{written}",
            "invalid-url",
        )
    scheme = found[1].lower()
    if scheme not in PORTS:
        raise FetchError(
            f"{shown(scheme)} cannot be fetched, only http and https", "unsupported-scheme"
        )
    if not rest.startswith(("//", "\\\\", "/\\", "\\/")):
        raise FetchError(
            f"there is no host in {masked(text)}; write {scheme}://example.org/", "invalid-url"
        )
    return scheme


def _host(host: str, netloc: str) -> str:
    wrong = FetchError(f"{shown(host)!r} cannot be the name of a host", "invalid-url")
    if "[" in netloc:
        try:
            if "%" in host:
                raise wrong
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise wrong from error
    if len(host) > 1000:  # what a name of 253 bytes can have been written as
        raise wrong
    name = unquote(host, errors="surrogateescape")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise wrong from error
    name = name.lower()
    labels = name.removesuffix(".").split(".")
    if not _NAME.fullmatch(name) or len(name) > 253 or max(map(len, labels)) > 63:
        raise wrong
    if _NUMBER.fullmatch(labels[-1]):
        # In http a name that ends in a number is an IPv4 address (URL standard, host parsing):
        # 127.1, 0x7f.1, 0177.0.0.1, 2130706433. The system's resolver takes the same for one.
        try:
            return socket.inet_ntoa(socket.inet_aton(name.removesuffix(".")))
        except OSError as error:
            raise wrong from error
    return name


def _authorization(netloc: str) -> bytes | None:
    user, at, _host = netloc.rpartition("@")
    if not at:
        return None
    return b"Basic " + base64.b64encode(unquote_to_bytes(user.encode("utf-8", "surrogateescape")))
