"""Routes answer in JSON, and so does everything that goes wrong on the way to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from klein import Klein
from twisted.logger import LogEvent

from tests.web.calls import Caller, answers_in
from tests.web.notes import Notes
from toolkit.errors import SettingsError
from toolkit.log import context_fields
from toolkit.web.handler import as_json
from toolkit.web.resource import JsonSettings


def test_options_tells_what_is_allowed(caller: Caller) -> None:
    answer = caller.asks("OPTIONS", "/notes/7")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


def test_a_method_that_a_path_has_not_is_405_and_told_which_it_has(caller: Caller) -> None:
    answer = caller.asks("PATCH", "/notes")
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("path", ["/", "/nothing", "/notes/x", "//evil.example", "/%00", "/\x80"])
@pytest.mark.parametrize("method", ["GET", "POST", "BREW", "OPTIONS"])
def test_a_path_that_is_not_there_is_an_error_in_json(
    caller: Caller, path: str, method: str
) -> None:
    answer = caller.asks(method, path)
    assert answer.status in (404, 400, 501)
    assert answer.code in ("unknown-path", "invalid-path", "unknown-method")


def test_a_path_that_is_not_utf_8_is_a_bad_request_and_not_logged(caller: Caller) -> None:
    answer = caller.asks("GET", "/%ff")
    assert (answer.status, answer.code) == (400, "invalid-path")


def test_a_slash_that_is_missing_is_told_without_what_host_says(caller: Caller) -> None:
    answer = caller.asks("GET", "/folder?a=b", headers={"Host": "evil.example"})
    assert (answer.status, answer.code) == (308, "moved")
    assert answer.headers["location"] == "/folder/?a=b"


@pytest.mark.parametrize("target", ["//evil.example//folder", "/%2Fevil.example/%2Ffolder"])
def test_a_redirect_never_leads_to_another_host(caller: Caller, target: str) -> None:
    answer = caller.asks("GET", target)
    location = answer.headers.get("location", "/")
    assert not location.startswith(("//", "http"))


def test_a_request_has_an_id_in_its_answer_and_its_lines_of_the_log(
    notes: Notes, caller: Caller
) -> None:
    peer = caller.sends("GET", "/logs", headers={"X-Request-ID": "seven-7"})
    notes.waiting.callback(None)
    assert b"\r\nX-Request-Id: seven-7\r\n" in peer.received
    assert peer.received.endswith(b'[{"request_id":"seven-7"},{"request_id":"seven-7"}]')
    peer.close()
    assert dict(context_fields()) == {}


def test_the_access_log_has_the_id_too(notes: Notes, logged: list[LogEvent]) -> None:
    caller = Caller(notes.app, settings=JsonSettings())
    peer = caller.sends("GET", "/wait", headers={"X-Request-ID": "seven"})
    notes.waiting.callback(1)
    peer.close()
    [event] = [one for one in logged if one["log_namespace"] == "toolkit.web.access"]
    assert (event["status"], event["request_id"]) == (200, "seven")


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é", 'a"b', "<script>"])
def test_an_id_that_is_not_well_formed_is_replaced(caller: Caller, given: str) -> None:
    ids = [
        caller.asks("GET", "/notes/1", headers={"X-Request-ID": given}).headers["x-request-id"]
        for _ in range(2)
    ]
    assert all(len(one) == 16 for one in ids)
    assert ids[0] != ids[1]


def test_errors_have_an_id_and_the_usual_headers(caller: Caller) -> None:
    for answer in (caller.asks("GET", "/nothing"), caller.asks("POST", "/notes", b"{}")):
        assert len(answer.headers["x-request-id"]) == 16
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_a_route_that_is_not_json_is_kleins_own(caller: Caller) -> None:
    answer = caller.asks("GET", "/text")
    # Klein gives no length: the body comes in chunks.
    assert (answer.status, answer.headers["transfer-encoding"]) == (200, "chunked")


def test_a_handler_longer_than_the_idle_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be less than idle_seconds"):
        JsonSettings(handler_seconds=30, idle_seconds=20.0)


METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"BREW", b"get", b"G(T"])


TARGETS = st.sampled_from(
    [
        b"/notes",
        b"/notes?author=a",
        b"/notes/1",
        b"/folder",
        b"/%ff",
        b"*",
        b"//",
        b"http://a/notes",
    ]
)


VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b""])


HEADERS = st.sampled_from(
    [
        *[b"Host: b", b"Content-Length: 0", b"Content-Length: 2", b"Content-Length: x"],
        *[b"Content-Type: application/json", b"Transfer-Encoding: chunked", b"Connection: close"],
        *[b"X-Request-ID: a\x00", b"X-Request-ID: seven", b"no colon", b" folded", b"\xff: a"],
        *[b"Transfer-Encoding: gzip", b"Content-Encoding: gzip", b"Content-Length: " + b"9" * 5000],
    ]
)


BODIES = st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"x\r\n"]) | st.binary(max_size=5)


@given(st.lists(st.tuples(METHODS, TARGETS, VERSIONS, st.lists(HEADERS, max_size=4), BODIES)))
def test_whatever_is_sent_each_answer_is_json(sent: list[Any]) -> None:
    peer = Caller(Notes().app).connects()
    for method, target, version, headers, body in sent:
        first = b"%s %s %s" % (method, target, version)
        if peer.connected:
            peer.send(b"\r\n".join([first, b"Host: a", *headers, b"", body]))
    if peer.connected:
        peer.close()
    for answer in answers_in(peer.received):
        assert answer.status < 500 or answer.status in (501, 505)
        assert answer.status < 400 or answer.code
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["get", "Get", "FOO", "post", "PROPFIND"])
@pytest.mark.parametrize("path", ["/notes", "/nothing", "/text"])
def test_a_method_that_is_none_is_not_implemented(caller: Caller, method: str, path: str) -> None:
    answer = caller.asks(method, path)
    assert (answer.status, answer.code) == (501, "unknown-method")
    assert answer.json["error"] == f"there is no method {method} here"


def test_a_method_of_ones_own_is_served() -> None:
    app = Klein()

    @app.route("/", methods=["BREW"])
    @as_json()
    def brew(request: Any) -> str:
        return "coffee"

    assert Caller(app).asks("BREW", "/").json == "coffee"
    assert Caller(app).asks("brew", "/").status == 501
    assert Caller(app).asks("GET", "/").status == 405


@pytest.mark.parametrize(
    "path", ["//notes/1", "/notes//1", "/%2Fnotes/1", "/notes%2F1", "/notes%2f1", "/notes/1/", "//"]
)
def test_a_slash_too_many_or_escaped_is_another_path(caller: Caller, path: str) -> None:
    answer = caller.asks("GET", path)
    assert (answer.status, answer.code) == (404, "unknown-path")


def test_other_letters_of_a_path_may_be_escaped(caller: Caller) -> None:
    assert caller.asks("GET", "/n%6Ftes/7").json == 7
