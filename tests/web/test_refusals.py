"""What is refused before a route is reached is an error in JSON as well, each with its own code."""

from __future__ import annotations

import re

import pytest
from twisted.logger import LogEvent, globalLogPublisher

from tests.log.written import Written
from tests.web.calls import Caller, answers_in
from tests.web.notes import Notes
from toolkit.web import refusals
from toolkit.web.errors import Refusal
from toolkit.web.refusals import MALFORMED
from toolkit.web.resource import JsonSettings


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400, "invalid-host"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "invalid-host"),
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "invalid-host"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "other-http-version"),
        (
            b"POST /notes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br\r\n\r\n",
            501,
            "unknown-transfer-coding",
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n", 400, "malformed-request"),
        (
            b"POST /notes HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n",
            413,
            "body-too-large",
        ),
        (
            b"POST /notes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"100001\r\n" + b"x" * 0x100001,
            413,
            "body-too-large",
        ),
        (b"GET /" + b"x" * 17_000, 414, "uri-too-long"),
        (b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 17_000, 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"A: 0123456789\r\n" * 2_000, 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 102, 431, "head-too-large"),
    ],
)
def test_what_the_site_refuses_is_an_error_in_json_too(
    caller: Caller, sent: bytes, status: int, code: str
) -> None:
    peer = caller.connects()
    peer.send(sent)
    assert not peer.connected
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(answer.headers["x-request-id"]) == 16
    assert answer.headers["connection"] == "close"


POST = b"POST /notes HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (
            POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "it tells twice where its body ends",
        ),
        (
            POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "it tells twice where its body ends",
        ),
        (POST + b"Content-Length: 1, 1\r\n\r\n", "its Content-Length is not one number"),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
            "a chunk of its body is not as RFC 9112 has it",
        ),
        (POST + b" folded\r\n\r\n", "a line of its head begins with a blank"),
        (POST + b"Content-Length: 1\r\nno colon\r\n\r\n", MALFORMED.sentence),
        (
            "GET /é HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
            "its first line is not ASCII; percent-encode what is not",
        ),
        (
            b"GET http://[/notes HTTP/1.1\r\nHost: a\r\n\r\n",
            "its target is neither a path that begins with / nor a URL of http or https",
        ),
        (b"nonsense\r\n\r\n", MALFORMED.sentence),
    ],
)
def test_which_rule_was_broken_is_told_where_it_is_known(
    caller: Caller, sent: bytes, sentence: str
) -> None:
    peer = caller.connects()
    peer.send(sent)
    assert not peer.connected
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (400, "malformed-request")
    assert answer.json["error"] == sentence


def test_there_is_no_tunnel(caller: Caller) -> None:
    peer = caller.connects()
    peer.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    assert not peer.connected
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (501, "no-proxy")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"HEAD /" + b"x" * 17_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"HEAD /" + b"x" * 17_000, 414),
        (b"HEAD / HTTP/1.1\r\nA: " + b"x" * 17_000 + b"\r\n\r\n", 431),
        (b"HEAD / HTTP/3.0\r\n\r\n", 505),
    ],
)
def test_what_is_refused_of_head_has_no_body(caller: Caller, sent: bytes, status: int) -> None:
    peer = caller.connects()
    peer.send(sent)
    assert peer.received.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Length: " in peer.received
    assert peer.received.endswith(b"\r\n\r\n")


def test_what_the_log_has_of_a_refusal_has_the_id_that_the_peer_has(
    notes: Notes, logged: list[LogEvent]
) -> None:
    written = Written()
    globalLogPublisher.addObserver(written.log)
    peer = Caller(notes.app, settings=JsonSettings()).connects()
    try:
        peer.send(b"POST /notes HTTP/1.1\r\nHost: a\r\nX-Request-ID: seven\r\n")
        peer.send(b"Content-Length: 9999999\r\n\r\n")
    finally:
        globalLogPublisher.removeObserver(written.log)
    [answer] = answers_in(peer.received)
    assert answer.headers["x-request-id"] == "seven"
    [event] = written.events
    assert (event["status"], event["request_id"]) == (413, "seven")
    assert event["bytes"] == len(answer.body)


@pytest.mark.parametrize("given", [b"a\x1bb", b"x" * 129, b"a b", b"\xe2\x80\xa8", b"a,b"])
def test_an_id_that_a_log_would_obey_is_not_repeated(caller: Caller, given: bytes) -> None:
    peer = caller.connects()
    peer.send(b"GET /notes HTTP/1.1\r\nX-Request-ID: %s\r\n\r\n" % given)
    [answer] = answers_in(peer.received)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_each_refusal_has_a_code_of_its_own() -> None:
    found = [one for one in vars(refusals).values() if isinstance(one, Refusal)]
    assert len({one.code for one in found}) == len(found) == 9
    for one in found:
        assert re.fullmatch("[a-z0-9-]+", one.code)
        assert one.sentence[-1] != "."
