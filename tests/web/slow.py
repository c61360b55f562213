"""A resource that answers when the test says so."""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET


class Slow(Resource):
    """Answers when the test says so."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render(self, request: Any) -> Any:
        if request.method in (b"GET", b"HEAD", b"POST"):
            return super().render(request)
        request.setResponseCode(501)  # Twisted's own page for it warns that it is deprecated
        return b""

    def render_GET(self, request: Any) -> int:
        self.requests.append(request)
        return NOT_DONE_YET

    def render_POST(self, request: Any) -> bytes:
        return str(len(request.content.read())).encode()

    def answer(self, body: bytes = b"done") -> None:
        request = self.requests.pop(0)
        request.setHeader("content-length", str(len(body)))
        request.write(body)
        request.finish()


GET = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"
