"""The access log: one event a request, as toolkit.web.access."""

from __future__ import annotations

import time
from typing import Any

from twisted.logger import Logger

GONE = 499
"""The status of a request whose peer left before it was answered: nginx's, as HTTP has none."""

_log = Logger()


def log_request(request: Any, method: bytes, uri: bytes, status: int, gone: bool = False) -> None:
    """Log the event of a request.

    Args:
        request: The request, of which little is known yet if it is refused.
        method: Of its first line.
        uri: Of its first line; values in its query that are named like a secret are masked.
        status: What it was answered, or GONE.
        gone: Whether the connection was lost before the answer was complete.
    """
    fields: dict[str, Any] = {"gone": True} if gone else {}
    _log.info(
        "{method} {path} {status}",
        method=method.decode("latin-1"),
        path=uri.decode("latin-1"),
        status=status,
        bytes=request.sentLength,
        seconds=round(time.monotonic() - request.began, 6),
        peer=getattr(request.client, "host", ""),
        **fields,
    )
