"""A request: its body and form keep limits, and its end is told once."""

from __future__ import annotations

import re
from typing import Any

import pytest
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


@pytest.mark.parametrize(
    ("kind", "field", "status"),
    [
        ("application/x-www-form-urlencoded", b"a=b&", 415),
        ("multipart/form-data; boundary=cut", b"--cut\r\nA: b\r\n\r\nx\r\n", 415),
    ],
)
def test_a_form_of_more_fields_than_allowed_is_refused_unread(
    caller: Caller, kind: str, field: bytes, status: int
) -> None:
    most = field * 999 + (b"a=b" if field.endswith(b"&") else field + b"--cut--")
    assert caller.asks("POST", "/notes", most, {"Content-Type": kind}).status == status
    answer = caller.asks("POST", "/notes", field + most, {"Content-Type": kind})
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


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="'],
)
def test_a_form_that_is_none_is_an_error_in_json(caller: Caller, kind: str) -> None:
    answer = caller.asks("POST", "/notes", b"--x\r\n\r\n\r\n--x--", {"Content-Type": kind})
    assert answer.status in (400, 415)
    assert answer.code in ("malformed-request", "unsupported-media-type")


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
