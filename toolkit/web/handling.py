"""A handler that has not answered yet: its deadline, and a peer that leaves meanwhile."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException

from toolkit.log import log_context
from toolkit.web.answers import send_error, send_value
from toolkit.web.errors import INTERNAL, HttpError, Unavailable

_log = Logger()


def answer(request: Any, value: Any) -> None:
    """Answer a request with what its handler returned.

    Args:
        request: The request.
        value: See `send_value`.
    """
    try:
        send_value(request, value)
    except Exception:  # noqa: BLE001 - a handler may return anything
        answer_failure(request, Failure())


def answer_failure(request: Any, failure: Failure) -> None:
    """Answer a request whose handler failed; a bug is logged, and not shown to the peer.

    Args:
        request: The request.
        failure: What it raised.
    """
    error = failure.value
    if isinstance(error, HTTPException) and error.code is not None:
        error = HttpError(str(error.description), error.name.lower().replace(" ", "-"), error.code)
    if not isinstance(error, HttpError):
        _tell(request, failure)
        error = INTERNAL
    send_error(request, error)


def _tell(request: Any, failure: Failure) -> None:
    _log.failure(
        "could not answer {method} {path}",
        failure,
        method=request.method.decode("latin-1"),
        path=request.path.decode("latin-1"),
    )


class Handling:
    """One request whose handler has returned a Deferred. Its answer is sent once, by whichever is
    first: the handler, or the deadline (503). The Deferred is cancelled by the deadline, and when
    the peer leaves; what it comes to afterwards is lost, but for a failure, which is logged.

    Args:
        clock: The reactor, or in a test a Clock.
        seconds: The deadline.
        request: The request.
        identity: Its id, for the log.
        result: What the handler returned.
    """

    __slots__ = ("_identity", "_is_over", "_request", "_result", "_seconds", "_timer")

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        request: Any,
        identity: str,
        result: Deferred[Any],
    ) -> None:
        self._request = request
        self._identity = identity
        self._seconds = seconds
        self._result = result
        self._is_over = False
        self._timer: IDelayedCall | None = None
        result.addBoth(self._done)
        if not self._is_over:
            self._timer = clock.callLater(seconds, self._late)
            request.notifyFinish().addErrback(self._left)

    def _done(self, outcome: Any) -> None:
        was_over, self._is_over = self._is_over, True
        failed = isinstance(outcome, Failure)
        if was_over:
            if failed and not outcome.check(CancelledError, HttpError):
                with log_context(request_id=self._identity):
                    _tell(self._request, outcome)
            return
        if self._timer is not None:
            self._timer.cancel()
        with log_context(request_id=self._identity):
            (answer_failure if failed else answer)(self._request, outcome)

    def _late(self) -> None:
        self._is_over = True
        self._result.cancel()
        with log_context(request_id=self._identity):
            send_error(
                self._request,
                Unavailable(f"there was no answer within {self._seconds:g} s", "handler-deadline"),
            )

    def _left(self, reason: Failure) -> None:
        if not self._is_over:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()
            self._result.cancel()
