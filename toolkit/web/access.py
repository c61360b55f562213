"""The access log: one event a request, as toolkit.web.access."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from toolkit.log import context_fields

GONE = 499
"""The status of a request whose peer left before it was answered: nginx's, as HTTP has none."""

_MOST = 1000  # events that may wait for the end of a turn


class AccessLog:
    """Logs requests, those of one turn of the reactor together: that takes half the time.

    They have one time, when the first of them ended, as nginx takes the time once a turn; the
    seconds that each took are its own, and so are the fields of the `log_context` it ended in.

    Args:
        reactor: Whose turns they are.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._waiting: list[LogEvent] = []
        self._gathers = False
        self._time = 0.0

    def start(self) -> None:
        """The reactor runs: what is added from now on is logged when its turn ends."""
        self._gathers = True

    def stop(self) -> None:
        """The reactor may have no further turn: what is added from now on is logged at once."""
        self._gathers = False
        self._log()

    def add(self, request: Any, method: bytes, uri: bytes, status: int, gone: bool = False) -> None:
        """Log a request.

        Args:
            request: The request, of which little is known yet if it is refused.
            method: Of its first line.
            uri: Of its first line; values in its query that are named like a secret are masked.
            status: What it was answered, or GONE.
            gone: Whether the connection was lost before the answer was complete.
        """
        waiting = self._waiting
        if not waiting:
            self._time = time.time()
        # Logger.info makes the same event, for more than all the rest of this costs.
        event: LogEvent = {
            "method": method.decode("latin-1"),
            "path": uri.decode("latin-1"),
            "status": status,
            "bytes": request.sentLength,
            "seconds": round(time.monotonic() - request.began, 6),
            "peer": getattr(request.client, "host", ""),
            "log_logger": None,
            "log_level": LogLevel.info,
            "log_namespace": __name__,
            "log_source": None,
            "log_format": "{method} {path} {status}",
            "log_time": self._time,
        }
        if gone:
            event["gone"] = True
        fields = context_fields()
        waiting.append({**fields, **event} if fields else event)
        if not self._gathers or len(waiting) >= _MOST:
            self._log()
        elif len(waiting) == 1:
            self._reactor.callLater(0, self._log)

    def _log(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting[:-1]:
            event["log_more"] = True
        # Not with the fields of whichever request was the last.
        Context().run(_publish, waiting)


def _publish(events: Sequence[LogEvent]) -> None:
    publish: Callable[[LogEvent], None] = globalLogPublisher
    for event in events:
        publish(event)
