"""A request whose body and form keep limits, and whose failure is told in JSON."""

from __future__ import annotations

import re
import time
from typing import Any

from twisted.python.failure import Failure
from twisted.web.server import Request

from toolkit.log import log_context
from toolkit.web.access import GONE
from toolkit.web.answers import send, send_error
from toolkit.web.errors import INTERNAL
from toolkit.web.identity import request_id
from toolkit.web.refusals import TOO_MANY_FIELDS

_BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)', re.IGNORECASE)


class LimitedRequest(Request):
    """A request whose body is refused (413) as soon as it is larger than allowed."""

    channel: Any
    method: bytes
    uri: bytes
    is_logged = True  # but for the time between its end and that of its answer

    def __init__(self, channel: Any, *arguments: Any) -> None:
        super().__init__(channel, *arguments)
        self.began = time.monotonic()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is whole."""
        if command == b"POST" and self._has_too_many_fields():
            self.channel.refuse(TOO_MANY_FIELDS, command, path)
            return
        self.is_logged = False
        super().requestReceived(command, path, version)

    def _has_too_many_fields(self) -> bool:
        """Whether it is a form that takes long to read: Twisted's readers have no limit."""
        most: int = self.channel.settings.max_form_fields
        kind = (self.requestHeaders.getRawHeaders(b"content-type") or [b""])[0]
        media = kind.partition(b";")[0].strip().lower()
        if media not in (b"application/x-www-form-urlencoded", b"multipart/form-data"):
            return False
        assert self.content is not None  # the body has come
        self.content.seek(0)
        form: bytes = self.content.read()
        if media.startswith(b"application"):
            return form.count(b"&") + form.count(b";") >= most
        boundary = _BOUNDARY.search(kind)
        return form.count(b"--" + boundary[1] if boundary else b"\n--") > most + 1

    def _handleStar(self) -> None:
        """OPTIONS of the server itself (RFC 9110 §9.3.7); the channel lets no other method pass."""
        identity = request_id(self.requestHeaders.getRawHeaders(b"x-request-id"))
        self.responseHeaders.setRawHeaders(b"x-request-id", [identity])
        with log_context(request_id=identity):
            send(self, 204, b"", {})

    def processingFailed(self, reason: Failure) -> Failure:
        """A resource has raised: the log is told what, the peer only that (stock: a page)."""
        self._log.failure(
            "could not answer {method} {path}",
            reason,
            method=self.method.decode("latin-1"),
            path=self.path.decode("latin-1"),
        )
        send_error(self, INTERNAL)
        return reason

    def connectionLost(self, reason: Any) -> None:
        """The connection is lost before the answer was complete."""
        site = self.channel.site
        super().connectionLost(reason)
        if not self.is_logged:
            status = self.code if self.startedWriting else GONE
            site.log_as(self, self.method, self.uri, status, gone=True)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body has come."""
        super().handleContentChunk(data)
        if self.content is not None and self.content.tell() > self.channel.settings.max_body_bytes:
            self.channel.refuse_body()
