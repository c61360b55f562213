"""What is sent for each URL: method, headers and body, from the options that curl has too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from toolkit.errors import printable

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_BREAKS = re.compile(r"[\r\n\0]")
_DROPPED = bytes.maketrans(b"", b""), b"\r\n\0"
_OURS = ("content-length", "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade")
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Request(NamedTuple):
    """What is sent for each URL.

    Args:
        method: The method.
        headers: Names and values, besides those the Fetcher adds.
        body: The body, None for none.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def request_from(
    method: str | None,
    headers: list[str],
    data: list[str],
    json: list[str],
    read: Callable[[str], bytes],
) -> Request:
    """Make one of the options.

    Args:
        method: `-X`; with a body POST, else GET, where it is left out.
        headers: Each `-H`: `Name: value`; `Name;` for an empty value.
        data: Each `--data`: text, or `@FILE`, of which line ends and NULs are dropped; several
            are joined by `&`.
        json: Each `--json`: text, or `@FILE` as it is; several are put together.
        read: Reads a file, `-` for standard input.

    Returns:
        The request; Content-Type, and with `--json` Accept, unless the headers have them.

    Raises:
        ValueError: One of them is wrong; the message says which and what would be right.
        OSError: A file cannot be read.
    """
    if data and json:
        raise ValueError("--data and --json are two bodies; give one")
    given = [_header(text) for text in headers]
    body: bytes | None = None
    implied: list[tuple[str, str]] = []
    if data:
        body = b"&".join(_content(text, read, True) for text in data)
        implied = [("Content-Type", FORM)]
    elif json:
        body = b"".join(_content(text, read, False) for text in json)
        implied = [("Content-Type", JSON), ("Accept", JSON)]
    names = {name.lower() for name, _ in given}
    added = [pair for pair in implied if pair[0].lower() not in names]
    if method is None:
        method = "GET" if body is None else "POST"
    elif not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise ValueError(f"-X: expected a method such as POST, not {printable(method)}")
    return Request(method, (*given, *added), body)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon and text.endswith(";"):
        name, value = text[:-1], ""
    elif not colon:
        name = ""
    if not _TOKEN.fullmatch(name) or _BREAKS.search(value):
        raise ValueError(f"-H: expected 'Name: value' on one line, not '{printable(text)}'")
    if name.lower() in _OURS:
        raise ValueError(f"-H: {name} cannot be set; it follows from the request")
    return name, value.strip(" \t")


def _content(text: str, read: Callable[[str], bytes], drops: bool) -> bytes:
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    content = read(text[1:])
    return content.translate(*_DROPPED) if drops else content
