"""A request whose body and form keep limits, and whose failure is told in JSON."""

from __future__ import annotations

import time
from typing import Any

from twisted.python.failure import Failure
from twisted.web.resource import IResource
from twisted.web.server import Request

from toolkit.log import log_context
from toolkit.web.access import GONE
from toolkit.web.answers import send, send_error
from toolkit.web.errors import INTERNAL, HttpError
from toolkit.web.form import form_fields
from toolkit.web.identity import request_id
from toolkit.web.parameters import parameters


class LimitedRequest(Request):
    """A request whose body is refused (413) as soon as it is larger than allowed.

    Its form is read when its resource is found, unless that has `reads_forms = False`; the `args`
    of any other request are its query's alone.
    """

    channel: Any
    args: dict[bytes, list[bytes]]
    content: Any
    method: bytes
    path: bytes
    uri: bytes
    is_logged = True  # but for the time between its end and that of its answer

    def __init__(self, channel: Any, *arguments: Any) -> None:
        super().__init__(channel, *arguments)
        self.began = time.monotonic()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is whole. (Stock Request would read a form before it looks at the path.)"""
        self.is_logged = False
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, query = path.partition(b"?")
        self.args = parameters(query) if query else {}
        self.content.seek(0)
        self.process()

    def render(self, resrc: IResource) -> None:
        """Ask the resource for the answer."""
        if self.method == b"POST" and getattr(resrc, "reads_forms", True):
            try:
                self.read_form()
            except HttpError as error:
                with log_context(request_id=self._identified()):
                    send_error(self, error)
                return
        super().render(resrc)

    def read_form(self) -> None:
        """Add the fields of the form to `args`, in place of parameters of the same name.

        Raises:
            HttpError: See `form_fields`.
        """
        kinds = self.requestHeaders.getRawHeaders(b"content-type")
        if self.method == b"POST" and kinds:
            most: int = self.channel.settings.max_form_fields
            self.args.update(form_fields(kinds[0], self.content.read(), most))
            self.content.seek(0)

    def _identified(self) -> str:
        identity = request_id(self.requestHeaders.getRawHeaders(b"x-request-id"))
        self.responseHeaders.setRawHeaders(b"x-request-id", [identity])
        return identity

    def _handleStar(self) -> None:
        """OPTIONS of the server itself (RFC 9110 §9.3.7); the channel lets no other method pass."""
        with log_context(request_id=self._identified()):
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
