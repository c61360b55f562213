"""Cookies: kept for whom they are from, bounded, and cheap where there are none. No I/O.

RFC 6265, with what its successor adds (draft-ietf-httpbis-rfc6265bis: prefixes, secure cookies left
alone by http). `http.cookiejar` is not used: it gives a cookie of 127.0.0.1 to 10.0.0.1 if asked
to, knows no prefixes and no clock but the system's, and looks through all hosts for each request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import NamedTuple

from toolkit.http.setcookie import SetCookie, parse_set_cookie
from toolkit.http.urls import Target

MAX_COOKIES = 3000
MAX_OF_HOST = 50
MAX_OF_DOMAIN = 180
MAX_SECONDS = 400 * 86_400
MAX_HEADER_BYTES = 8190  # more than that, and many servers answer 400

# The list of public suffixes is too long, and changes too often, to be carried along: of its names
# with a dot these, below a country, are the most.
_SECOND_LEVEL = (
    "ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "gv", "ltd", "me", "mil", "ne", "net",
    "nom", "or", "org", "plc", "sch",
)  # fmt: skip


class _Cookie(NamedTuple):
    name: bytes
    value: bytes
    path: str
    secure: bool
    ends: float | None
    number: int  # in the order of their making

    def is_over(self, now: float) -> bool:
        return self.ends is not None and self.ends <= now

    def is_for(self, target: Target, path: str) -> bool:
        return (not self.secure or target.scheme == "https") and _is_below(path, self.path)


# The cookies of a host alone, or of a domain with all below it, by name and path.
_Group = dict[tuple[bytes, str], _Cookie]
_Key = tuple[str, bool]


class Cookies:
    """The cookies of a run.

    A cookie goes back to the host it came from, or to the domain it names and all below: one that
    the host lies in and that is no public suffix, which is told by having no dot or by looks
    (`co.uk`, `com.br`). What a server sends that is against the rules is not kept.

    There are at most 3,000, 50 of a host, 180 of a domain, 4 KiB each, for 400 days; the oldest of
    a host gives way, and in all the oldest of the host that was not asked for longest.

    Args:
        wall_clock: Gives seconds since 1970: `time.time`. (A reactor's clock does not tell the
            date.)
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._groups: OrderedDict[_Key, _Group] = OrderedDict()
        self._numbers = count()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def header_for(self, target: Target) -> bytes | None:
        """The value of the Cookie header for a request.

        Args:
            target: What is asked for.

        Returns:
            The cookies, those with the longest path first, then the oldest (RFC 6265 §5.4), as
            many as go into 8 KiB; None where there are none.
        """
        if not self._groups:
            return None
        now = self._wall_clock()
        path = target.path.partition("?")[0]
        wanted: list[_Cookie] = []
        for key in _keys(target.host):
            if key in self._groups:
                self._groups.move_to_end(key)
                self._drop_ended(key, now)
                group = self._groups.get(key, {})
                wanted += [cookie for cookie in group.values() if cookie.is_for(target, path)]
        wanted.sort(key=lambda cookie: (-len(cookie.path), cookie.number))
        header = b""
        for cookie in wanted:
            pair = cookie.name + b"=" + cookie.value
            if len(header) + len(pair) + 2 <= MAX_HEADER_BYTES:
                header += b"; " + pair if header else pair
        return header or None

    def take(self, target: Target, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep the cookies of an answer.

        Args:
            target: What was asked for.
            fields: Names and values of the answer's headers.
        """
        for name, value in fields:
            if len(name) == 10 and name.lower() == b"set-cookie":
                cookie = parse_set_cookie(value)
                if cookie is not None:
                    self._take(target, cookie)

    def _take(self, target: Target, asked: SetCookie) -> None:
        key = _key(target.host, asked.domain)
        if key is None or not _keeps_its_prefix(asked):
            return
        path = asked.path or _folder(target.path)
        if target.scheme != "https" and (asked.secure or self._hides(key, asked.name, path)):
            return
        now = self._wall_clock()
        ends = _end(asked, now)
        group = self._groups.get(key, {})
        old = group.get((asked.name, path))
        if ends is not None and ends <= now:
            if old is not None:
                self._drop(key, old)
            return
        number = next(self._numbers) if old is None else old.number
        self._count += old is None
        group[asked.name, path] = _Cookie(asked.name, asked.value, path, asked.secure, ends, number)
        self._groups[key] = group
        self._groups.move_to_end(key)
        self._make_room(key, now)

    def _hides(self, key: _Key, name: bytes, path: str) -> bool:
        """Whether a cookie from http would be sent in the place of one that is for https only."""
        domain, alone = key
        keys = _keys(domain) if alone else (other for other in self._groups if _touch(other, key))
        return any(
            cookie.secure and cookie.name == name and _is_below(path, cookie.path)
            for other in keys
            for cookie in self._groups.get(other, {}).values()
        )

    def _make_room(self, key: _Key, now: float) -> None:
        group = self._groups[key]
        if len(group) > (MAX_OF_HOST if key[1] else MAX_OF_DOMAIN):
            self._drop_ended(key, now)
            if len(group) > (MAX_OF_HOST if key[1] else MAX_OF_DOMAIN):
                self._drop(key, next(iter(group.values())))
        if self._count > MAX_COOKIES:
            longest = next(iter(self._groups))
            self._drop(longest, next(iter(self._groups[longest].values())))

    def _drop_ended(self, key: _Key, now: float) -> None:
        for cookie in [one for one in self._groups[key].values() if one.is_over(now)]:
            self._drop(key, cookie)

    def _drop(self, key: _Key, cookie: _Cookie) -> None:
        group = self._groups[key]
        del group[cookie.name, cookie.path]
        self._count -= 1
        if not group:
            del self._groups[key]


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def _is_public_suffix(domain: str) -> bool:
    first, dot, last = domain.partition(".")
    return not dot or (len(last) == 2 and first in _SECOND_LEVEL)


def _key(host: str, domain: str | None) -> _Key | None:
    """Where a cookie is kept; None where it is not for its host to set (RFC 6265 §5.3)."""
    if domain is None:
        return host, True
    if domain == host:
        return host, _is_address(host) or _is_public_suffix(host)
    if _is_address(host) or not host.endswith("." + domain) or domain.endswith("."):
        return None
    return None if not domain or _is_public_suffix(domain) else (domain, False)


def _keys(host: str) -> Iterator[_Key]:
    """Where the cookies for a host are kept."""
    yield host, True
    if _is_address(host):
        return
    while host:
        yield host, False
        host = host.partition(".")[2]


def _touch(one: _Key, other: _Key) -> bool:
    (a, _), (b, _) = one, other
    return a == b or a.endswith("." + b) or b.endswith("." + a)


def _keeps_its_prefix(asked: SetCookie) -> bool:
    """Whether a cookie whose name promises something keeps to it (rfc6265bis §4.1.3)."""
    name = asked.name.lower()
    if name.startswith(b"__secure-"):
        return asked.secure
    if name.startswith(b"__host-"):
        return asked.secure and asked.domain is None and asked.path == "/"
    return True


def _folder(path: str) -> str:
    """The path of a cookie that names none (RFC 6265 §5.1.4)."""
    return path.partition("?")[0].rpartition("/")[0] or "/"


def _is_below(path: str, folder: str) -> bool:
    """Whether a path lies in a cookie's (RFC 6265 §5.1.4)."""
    if not path.startswith(folder):
        return False
    return len(path) == len(folder) or folder.endswith("/") or path[len(folder)] == "/"


def _end(asked: SetCookie, now: float) -> float | None:
    if asked.max_age is not None:
        return now + min(asked.max_age, MAX_SECONDS) if asked.max_age > 0 else now
    return None if asked.expires is None else min(asked.expires, now + MAX_SECONDS)
