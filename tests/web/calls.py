"""Requests to a Klein app, in memory: sent, and their answers read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from twisted.internet.task import Clock

from toolkit.testing import Peer, connected
from toolkit.web.resource import JsonResource, JsonSettings
from toolkit.web.site import LimitedSite


class Answered(NamedTuple):
    """An answer: its status, its headers by lower-case name, its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The code of an error, which has nothing but that and a sentence."""
        assert set(self.json) == {"error", "code"}
        assert self.json["error"]
        return str(self.json["code"])


def answers_in(received: bytes) -> list[Answered]:
    """The answers that have come, one after another."""
    answers = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        assert end, received
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        assert len(headers) == len(lines), lines
        chunked = "transfer-encoding" in headers  # what comes then is the last one's
        length = len(rest) if chunked else int(headers.get("content-length", "0"))
        answers.append(Answered(int(first.split()[1]), headers, rest[:length]))
        received = rest[length:]
    return answers


class Caller:
    """A site of one app, and one connection to it at a time.

    Args:
        app: The Klein app.
        clock: Times the handlers.
        settings: The site's.
    """

    def __init__(
        self, app: Any, clock: Clock | None = None, settings: JsonSettings | None = None
    ) -> None:
        self.clock = clock or Clock()
        limits = settings or JsonSettings(access_log=False)
        resource = JsonResource(self.clock, app, limits.handler_seconds)
        self._site = LimitedSite(self.clock, resource, limits)

    def connects(self) -> Peer:
        """A new connection."""
        return connected(self._site)

    def sends(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Peer:
        """Send a request on a new connection."""
        given = {"Host": "example", **(headers or {})}
        if body is not None:
            given = {"Content-Type": "application/json", **given, "Content-Length": str(len(body))}
        lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in given.items() if v)]
        peer = self.connects()
        peer.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return peer

    def asks(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Send a request; what it is answered at once."""
        peer = self.sends(method, target, body, headers)
        received = peer.received
        if peer.connected:
            peer.close()
        if method == "HEAD":
            received = received.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            assert peer.received == received
            [answer] = answers_in(received.replace(b"ontent-Length", b"ontent-Length-Told"))
            return answer
        [answer] = answers_in(received)
        return answer
