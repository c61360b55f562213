"""The headers that a handler may give its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What says where an answer ends, and whether another follows (RFC 9112 §6 and §9).
_OF_THE_CONNECTION = frozenset(
    [
        *["connection", "content-length", "keep-alive", "proxy-connection"],
        *["trailer", "transfer-encoding"],
    ]
)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile("[^\x00\ud800-\udfff]*")


def check_headers(headers: Mapping[str, str]) -> None:
    """Look at headers before any of them is set.

    Args:
        headers: Their values by name.

    Raises:
        TypeError: A name or a value is not text.
        ValueError: It is none that can be sent, or it is for the server to set.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"expected a header of text, found {name!r}: {value!r}")
        if name.lower() in _OF_THE_CONNECTION:
            raise ValueError(f"the header {name} is for the server to set, found {value!r}")
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise ValueError(f"expected a header that can be sent, found {name!r}: {value!r}")
