"""Parameters: the names and values of a query, or of a form that is written like one."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes


def parameters(encoded: bytes) -> dict[bytes, list[bytes]]:
    """The values of each name, as WHATWG's URL standard reads them: only `&` is between two.

    Args:
        encoded: `name=value&name=value`, each percent-encoded; a name alone has an empty value.
    """
    found: dict[bytes, list[bytes]] = {}
    for one in encoded.split(b"&"):
        if one:
            name, _, value = one.partition(b"=")
            found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
