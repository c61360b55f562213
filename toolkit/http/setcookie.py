"""One Set-Cookie line, read as browsers read it (RFC 6265 §5.2). No I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

MAX_PAIR_BYTES = 4096  # name and value (RFC 6265 §6.1)
MAX_ATTRIBUTE_BYTES = 1024

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")

# RFC 6265 §5.1.1. There is no telling a date from the comma and the order of its parts.
_DELIMITERS = re.compile(r"[\t\x20-/;-@\[-`{-~]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class SetCookie(NamedTuple):
    """What a Set-Cookie line asks for.

    Args:
        name: The cookie's name, not empty.
        value: Its value, as it is to be sent back.
        domain: The domain it is for, in lower case and without a leading dot; None for the host.
        path: The path it is for; None where the line has none that begins with a slash.
        secure: Whether it is for https only.
        expires: When it ends, in seconds since 1970; None where it does not say.
        max_age: In how many seconds it ends; goes before `expires`.
    """

    name: bytes
    value: bytes
    domain: str | None = None
    path: str | None = None
    secure: bool = False
    expires: float | None = None
    max_age: int | None = None


def parse_set_cookie(line: bytes) -> SetCookie | None:
    """Read the value of a Set-Cookie header.

    Args:
        line: The value, from whatever server.

    Returns:
        What it asks for, of its attributes the last of each kind; None where it is no cookie, has
        no name, holds control characters, or has more than 4 KiB of name and value.
    """
    pair, *parts = line.split(b";")
    name, equals, value = (piece.strip(b"\t ") for piece in pair.partition(b"="))
    if not equals or not name or len(name) + len(value) > MAX_PAIR_BYTES or _CONTROL.search(line):
        return None
    cookie = SetCookie(name, value)
    for part in parts:
        if len(part) <= MAX_ATTRIBUTE_BYTES:
            key, _, text = part.decode("latin-1").partition("=")
            cookie = _with(cookie, key.strip("\t ").lower(), text.strip("\t "))
    return cookie


def parse_date(text: str) -> float | None:
    """Read the date of a cookie, in whatever form (RFC 6265 §5.1.1).

    Args:
        text: Such as `Wed, 09 Jun 2027 10:18:14 GMT`. It is taken for UTC, whatever it says.

    Returns:
        Seconds since 1970; None where it is no date.
    """
    clock = day = month = year = None
    for word in _DELIMITERS.split(text):
        if clock is None and (found := _TIME.match(word)):
            clock = found
        elif day is None and (found := _DAY.match(word)):
            day = int(found[1])
        elif month is None and word[:3].lower() in _MONTHS:
            month = _MONTHS.index(word[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(word)):
            year = int(found[1])
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    try:
        hour, minute, second = map(int, clock.groups())
        when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return when.timestamp() if year >= 1601 else None


def _with(cookie: SetCookie, key: str, text: str) -> SetCookie:
    if key == "secure":
        return cookie._replace(secure=True)
    if key == "path":
        return cookie._replace(path=text if text.startswith("/") else None)
    if key == "domain" and text:
        return cookie._replace(domain=text.removeprefix(".").lower())
    if key == "max-age" and _WHOLE_NUMBER.fullmatch(text):
        return cookie._replace(max_age=int(text))
    if key == "expires" and (when := parse_date(text)) is not None:
        return cookie._replace(expires=when)
    return cookie
