"""The name of the file that a URL is saved under: readable, safe on any file system, its own."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote

from apps.fetch.digests import digest_of

MAX_NAME = 200
"""In bytes: every file system takes 255, and what is written beside has a suffix."""

_DIGEST_CHARACTERS = 20  # 100 bits
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_SUFFIX = re.compile(r"[^./?#]\.([A-Za-z0-9]{1,10})$")
_DOTS = re.compile(r"\.{2,}")
# What Windows takes for a device, whatever follows a dot ("Naming Files, Paths, and Namespaces").
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin|conout|clock)(\.|$)", re.I)


def name_for(url: str) -> str:
    """The name for a URL; always the same, whatever else is fetched.

    Host and path, then 20 characters made from the whole URL, then the path's suffix: letters
    and digits of ASCII, `.`, `-` and `_`. The 20 characters are in lower case and differ for two
    URLs, so that the names do where upper and lower case are the same. It begins with a letter or
    a digit, ends in one, and is none of the names that Windows keeps for devices.

    Args:
        url: As it was given.

    Returns:
        The name, at most 200 bytes.
    """
    whole = base64.b32encode(digest_of(url)).decode("ascii").lower()[:_DIGEST_CHARACTERS]
    path = url.partition("#")[0].partition("?")[0].partition("://")[2]
    place, slash, rest = path.partition("/")
    place = place.rpartition("@")[2]  # no password becomes a file's name
    found = _SUFFIX.search(rest) if slash else None
    suffix = "" if found is None else f".{found[1]}"
    if suffix:
        rest = rest[: -len(suffix)]
    stem = _UNSAFE.sub("_", unquote(f"{place}{slash}{rest}", errors="replace"))
    stem = _DOTS.sub(".", stem)[: MAX_NAME - len(whole) - len(suffix) - 2].strip("._-")
    if _RESERVED.match(stem):
        stem = f"x{stem}"
    return f"{stem}-{whole}{suffix}" if stem else f"{whole}{suffix}"


def last_name_in(url: str) -> str:
    """The last part of a URL's path, decoded: what lists of checksums call a file.

    Args:
        url: As it was given.

    Returns:
        The name, empty where the path ends in a slash or there is none.
    """
    path = url.partition("#")[0].partition("?")[0].partition("://")[2]
    return unquote(path.rpartition("/")[2], errors="replace") if "/" in path else ""
