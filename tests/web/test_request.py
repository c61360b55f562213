"""A request: its body and form keep limits, and its end is told once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from klein import Klein
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.web.resource import Resource

from tests.web.calls import Caller, answers_in
from tests.web.slow import GET
from toolkit.testing import Peer, connected, failures_in
from toolkit.web.site import LimitedSite, WebSettings


def test_a_chunked_body_is_refused_when_it_becomes_too_large(peer: Peer) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(17):
        peer.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    peer.send(b"0\r\n\r\n")
    assert peer.received.count(b"HTTP/1.1 ") == 1
    assert peer.received.startswith(b"HTTP/1.1 413 ")
    assert not peer.connected


@pytest.mark.parametrize("size", [0, 1, 1_048_576])
def test_a_body_within_the_limit_is_read(peer: Peer, size: int) -> None:
    peer.send(b"POST / HTTP/1.1\r\nHost: example\r\nContent-Length: %d\r\n\r\n" % size)
    peer.send(b"x" * size)
    assert peer.received.startswith(b"HTTP/1.1 200 ")
    assert peer.received.endswith(b"\r\n\r\n%d" % size)
    assert peer.connected
    peer.close()


class Fields(Resource):
    """Answers with the fields of its form, or of its query."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        assert request.content.tell() == 0
        return repr(request.args).encode()


PART = b"--cut\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n"
URLENCODED = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=cut"


def posts(site: LimitedSite, kind: str, body: bytes, target: str = "/?a=b") -> Peer:
    """A connection that has sent a form."""
    peer = connected(site)
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nX-Request-ID: seven\r\n"
    peer.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return peer


@pytest.fixture
def fields() -> LimitedSite:
    return LimitedSite(Clock(), Fields(), WebSettings(access_log=False, max_form_fields=3))


@pytest.mark.parametrize(
    ("kind", "body", "args"),
    [
        (URLENCODED, b"c=d&c=e;f&g", {b"a": [b"b"], b"c": [b"d", b"e;f"], b"g": [b""]}),
        (URLENCODED, b"a=c", {b"a": [b"c"]}),
        (PARTS, PART * 3 + b"--cut--", {b"a": [b"x"] * 3}),
        ("text/plain", b"c=d", {b"a": [b"b"]}),
    ],
)
def test_a_form_is_read_for_a_resource_of_any_kind(
    fields: LimitedSite, kind: str, body: bytes, args: dict[bytes, list[bytes]]
) -> None:
    peer = posts(fields, kind, body)
    assert peer.received.endswith(b"\r\n\r\n" + repr(args).encode())
    peer.close()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (URLENCODED, b"a=b&" * 3 + b"a=b"),
        (PARTS, PART * 4 + b"--cut--"),
        ("multipart/form-data; xboundary=zz; boundary=cut", PART * 4 + b"--cut--"),
        ('multipart/form-data; x="boundary=zz"; boundary=cut', PART * 4 + b"--cut--"),
    ],
)
def test_a_form_of_more_fields_than_allowed_is_refused_and_the_connection_serves_on(
    fields: LimitedSite, kind: str, body: bytes
) -> None:
    peer = posts(fields, kind, body)
    peer.send(GET)
    refused, next_one = answers_in(peer.received)
    assert (refused.status, refused.code) == (413, "too-many-fields")
    assert refused.json["error"] == "the form has more than 3 fields"
    assert refused.headers["x-request-id"] == "seven"
    assert next_one.status == 200
    peer.close()


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="'],
)
def test_a_form_that_is_none_is_an_error_in_json(fields: LimitedSite, kind: str) -> None:
    peer = posts(fields, kind, b"--x\r\n\r\n\r\n--x--")
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (400, "malformed-form")
    peer.close()


@pytest.mark.parametrize("kind", [URLENCODED, PARTS, "multipart/form-data"])
@pytest.mark.parametrize("body", [b"", b"a=b&" * 2000, PART * 2000])
def test_a_form_where_none_is_read_is_just_a_body(caller: Caller, kind: str, body: bytes) -> None:
    answer = caller.asks("POST", "/notes", body, {"Content-Type": kind})
    assert (answer.status, answer.code) == (415, "unsupported-media-type")
    answer = caller.asks("POST", "/nothing", body, {"Content-Type": kind})
    assert (answer.status, answer.code) == (404, "unknown-path")


def test_a_route_that_is_kleins_own_has_its_form() -> None:
    own = Klein()

    @own.route("/own", methods=["POST"])
    def form(request: Any) -> str:
        return repr(request.args)

    caller = Caller(own)
    kind = {"Content-Type": URLENCODED}
    peer = caller.sends("POST", "/own?c=d", b"a=b", kind)
    assert b"{b'c': [b'd'], b'a': [b'b']}" in peer.received
    peer.close()
    answer = caller.asks("POST", "/own", b"a=b&" * 2000, kind)
    assert (answer.status, answer.code) == (413, "too-many-fields")


def test_options_of_the_server_itself_is_answered(peer: Peer) -> None:
    peer.send(GET.replace(b"GET / ", b"OPTIONS * "))
    assert peer.received.startswith(b"HTTP/1.1 204 ")
    peer.close()


def test_options_of_the_server_itself_has_an_id(peer: Peer) -> None:
    peer.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nX-Request-ID: seven\r\n\r\n")
    peer.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    first, second = answers_in(peer.received)
    assert (first.status, first.headers["x-request-id"]) == (204, "seven")
    assert re.fullmatch("[0-9a-f]{16}", second.headers["x-request-id"])
    peer.close()


def test_a_resource_that_raises_is_told_in_json_and_logged(logged: list[LogEvent]) -> None:
    class Broken(Resource):
        isLeaf = True

        def render_GET(self, request: Any) -> bytes:
            raise RuntimeError("the password is hunter2")

    peer = connected(LimitedSite(Clock(), Broken(), WebSettings(access_log=False)))
    peer.send(GET)
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (500, "internal-error")
    assert b"hunter2" not in peer.received
    assert [event["path"] for event in failures_in(logged)] == ["/"]
    peer.close()
