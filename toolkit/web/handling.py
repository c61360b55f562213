"""A handler that has not answered yet: its deadline, and a peer that leaves meanwhile."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException

from toolkit.log import log_context
from toolkit.web.answers import send_error, send_value, tell
from toolkit.web.errors import INTERNAL, HttpError, Unavailable

# RFC 9110 §9.2.1: they change nothing.
_SAFE = (b"GET", b"HEAD", b"OPTIONS", b"TRACE")


def answer(request: Any, value: Any) -> None:
    """Answer a request with what its handler returned.

    Args:
        request: The request.
        value: See `send_value`.
    """
    try:
        send_value(request, value)
    except BaseException:  # noqa: BLE001 - a handler may return anything
        answer_failure(request, Failure())


def answer_failure(request: Any, failure: Failure) -> None:
    """Answer a request whose handler failed; a bug is logged, and not shown to the peer.

    Args:
        request: The request.
        failure: What it raised.
    """
    try:
        error = _for_the_peer(failure.value)
    except BaseException:  # noqa: BLE001 - an exception's own code runs in there
        tell(request, Failure())
        error = INTERNAL
    if error is None:
        tell(request, failure)
    send_error(request, error or INTERNAL)


def _for_the_peer(error: BaseException | None) -> HttpError | None:
    """What the peer is told of an exception; None of a bug."""
    if isinstance(error, HTTPException) and error.code is not None:
        code = error.name.lower().replace(" ", "-")
        return HttpError(str(error.description), code, error.code)
    return error if isinstance(error, HttpError) else None


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
                    tell(self._request, outcome)
            return
        if self._timer is not None:
            self._timer.cancel()
        with log_context(request_id=self._identity):
            (answer_failure if failed else answer)(self._request, outcome)

    def _late(self) -> None:
        self._is_over = True
        sentence = f"there was no answer within {self._seconds:g} s"
        if self._request.method not in _SAFE:
            sentence += "; what was asked for may still be done: look before you ask again"
        with log_context(request_id=self._identity):
            self._cancel()
            send_error(self._request, Unavailable(sentence, "handler-deadline"))

    def _left(self, reason: Failure) -> None:
        if not self._is_over:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()
            with log_context(request_id=self._identity):
                self._cancel()

    def _cancel(self) -> None:
        try:
            self._result.cancel()
        except Exception:  # noqa: BLE001 - a Deferred's canceller may raise anything
            tell(self._request, Failure())
