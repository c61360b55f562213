"""How long a fetch took in each phase: added up over all that it asked. No I/O."""

from __future__ import annotations

from typing import Any

from toolkit.http.page import Timings
from toolkit.http.request import Request


class Phases:
    """Adds up the seconds of one fetch.

    It is what a `Fetching` is made from, and no object beside it, for speed: a request that takes
    30 microseconds has four of these moments.
    """

    _has_turn = False
    _request: Request | None = None  # the toolkit's own, which knows its phases
    _stands = "queue"  # where it stands with another's, which does not
    _asked_at = _head_at = 0.0
    _name: float | None = None
    _connect: float | None = None
    _tls: float | None = None
    _first_byte: float | None = None
    _body: float | None = None

    def _note_head(self, response: Any, clock: Any) -> None:
        """The head of an answer is there."""
        request = self._request
        if request is None:
            self._stands = "body"
            self._head_at = clock.seconds()
            spent = self._head_at - self._asked_at
        else:
            self._head_at = response.head_at
            spent = self._head_at - request.sent_at
            if request.connect_seconds is not None:
                self._note_connecting(request)
        self._first_byte = spent + (self._first_byte or 0.0)

    def _note_body(self, ended_at: float) -> None:
        """A body has ended."""
        self._body = ended_at - self._head_at + (self._body or 0.0)

    def _note_failed(self, phase: str, now: float) -> None:
        """It has failed: count that phase, and those before it that a head would have told."""
        request = self._request
        if phase == "body":
            self._note_body(now)
        elif phase != "queue":
            since = self._asked_at
            if request is not None:
                self._note_connecting(request)
                since = request.sent_at if phase == "first_byte" else request.since
            name = f"_{phase}"
            setattr(self, name, now - since + (getattr(self, name) or 0.0))

    def _note_connecting(self, request: Request) -> None:
        if request.name_seconds is not None:
            self._name = request.name_seconds + (self._name or 0.0)
        if request.connect_seconds is not None:
            self._connect = request.connect_seconds + (self._connect or 0.0)
        if request.tls_seconds is not None:
            self._tls = request.tls_seconds + (self._tls or 0.0)

    def _phase(self) -> str:
        """Where it stands: a word of `Timings`."""
        if not self._has_turn:
            return "queue"
        return self._stands if self._request is None else self._request.phase

    def _timings(self, seconds: float) -> Timings:
        """All phases; what is in none of the others was waiting."""
        name, connect, tls, first_byte = self._name, self._connect, self._tls, self._first_byte
        body = self._body
        known = (name or 0.0) + (connect or 0.0) + (tls or 0.0) + (first_byte or 0.0)
        queue = seconds - known - (body or 0.0)
        return Timings(queue if queue > 0.0 else 0.0, name, connect, tls, first_byte, body)
