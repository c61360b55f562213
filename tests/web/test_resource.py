"""Routes answer in JSON, and so does everything that goes wrong on the way to them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from klein import Klein
from msgspec import Meta
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, Logger
from werkzeug.exceptions import Gone

from tests.web.calls import Caller, answers_in
from toolkit.errors import SettingsError
from toolkit.log import context_fields
from toolkit.testing import failures_in
from toolkit.waiting import shielded
from toolkit.web.answers import JsonResponse
from toolkit.web.errors import Conflict, NotFound
from toolkit.web.handler import as_json
from toolkit.web.resource import JsonSettings


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1)]
    stars: Annotated[int, Meta(ge=0, le=5)] = 0


class Which(msgspec.Struct, forbid_unknown_fields=True):
    author: str
    most: int = 10
    tag: list[str] = []


class Notes:
    """An app of every kind of route."""

    app = Klein()
    log = Logger()

    def __init__(self) -> None:
        self.waiting: Deferred[Any] = Deferred(self._cancelled)
        self.was_cancelled = False
        self.is_finished = False

    def _cancelled(self, _: object) -> None:
        self.was_cancelled = True

    @app.route("/notes", methods=["GET"])
    @as_json(query=Which)
    def find(self, request: Any, query: Which) -> Any:
        return {"author": query.author, "most": query.most, "tags": query.tag}

    @app.route("/notes", methods=["POST"])
    @as_json(body=Note)
    async def add(self, request: Any, body: Note) -> JsonResponse:
        return JsonResponse({"text": body.text}, 201, {"Location": "/notes/1"})

    @app.route("/notes/<int:number>", methods=["GET"])
    @as_json()
    def one(self, request: Any, number: int) -> Any:
        if number == 404:
            raise NotFound("there is no note 404", "no-such-note")
        if number == 409:
            raise Conflict("it is so already")
        if number == 410:
            raise Gone
        return number

    @app.route("/notes/<int:number>", methods=["DELETE"])
    @as_json()
    def remove(self, request: Any, number: int) -> None:
        return None

    @app.route("/bug", methods=["GET"])
    @as_json()
    def bug(self, request: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    @app.route("/slow-bug", methods=["GET"])
    @as_json()
    async def slow_bug(self, request: Any) -> Any:
        await self.waiting
        raise RuntimeError("the password is hunter2")

    @app.route("/unencodable", methods=["GET"])
    @as_json()
    def unencodable(self, request: Any) -> Any:
        return object()

    @app.route("/half", methods=["GET"])
    @as_json()
    def half(self, request: Any) -> Any:
        request.write(b"half")
        raise RuntimeError("in the midst of it")

    @app.route("/wait", methods=["GET"])
    @as_json()
    async def wait(self, request: Any) -> Any:
        return await self.waiting

    @app.route("/write", methods=["PUT"])
    @as_json()
    async def write(self, request: Any) -> Any:
        await shielded(self._write())
        self.is_finished = True

    async def _write(self) -> None:
        await self.waiting

    @app.route("/logs", methods=["GET"])
    @as_json()
    async def logs(self, request: Any) -> Any:
        before = dict(context_fields())
        await self.waiting
        return [before, dict(context_fields())]

    @app.route("/folder/", methods=["GET"])
    @as_json()
    def folder(self, request: Any) -> Any:
        return "here"

    @app.route("/text", methods=["GET"])
    def text(self, request: Any) -> str:
        return "plain"

    @app.route("/text-bug", methods=["GET"])
    def text_bug(self, request: Any) -> str:
        raise RuntimeError("the password is hunter2")


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def caller(notes: Notes) -> Caller:
    return Caller(notes.app)


def test_a_value_is_answered_as_json(caller: Caller) -> None:
    answer = caller.asks("GET", "/notes?author=ann&most=3&tag=a&tag=b")
    assert answer.status == 200
    assert answer.json == {"author": "ann", "most": 3, "tags": ["a", "b"]}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_answer_may_have_a_status_and_headers(caller: Caller) -> None:
    answer = caller.asks("POST", "/notes", b'{"text": "hello"}')
    assert (answer.status, answer.json) == (201, {"text": "hello"})
    assert answer.headers["location"] == "/notes/1"


def test_none_is_an_answer_without_a_body(caller: Caller) -> None:
    answer = caller.asks("DELETE", "/notes/1")
    assert (answer.status, answer.body) == (204, b"")
    assert not {"content-type", "content-length", "transfer-encoding"} & set(answer.headers)


def test_head_is_get_without_the_body(caller: Caller) -> None:
    answer = caller.asks("HEAD", "/notes/7")
    assert (answer.status, answer.headers["content-length-told"]) == (200, "1")


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
    assert answer.status in (404, 400, 308)
    assert answer.code in ("unknown-path", "invalid-path", "moved")


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


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("/notes", "query: author: it is missing"),
        ("/notes?author=a&most=x", "query: most: expected int, got str"),
        ("/notes?author=a&author=b", "query: author: given 2 times"),
        ("/notes?author=a&auther=b", "query: auther: unknown field; did you mean 'author'?"),
        ("/notes?author=%ff", "query: it is not UTF-8"),
    ],
)
def test_a_wrong_query_is_told_by_its_field(caller: Caller, target: str, sentence: str) -> None:
    answer = caller.asks("GET", target)
    assert (answer.status, answer.code) == (400, "invalid-query")
    assert answer.json["error"] == sentence


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (b"{}", "invalid-body", "body: text: it is missing"),
        (b'{"text": 3}', "invalid-body", "body: text: expected str, got int"),
        (b'{"text": ""}', "invalid-body", "body: text: expected str of length >= 1"),
        (b'{"text": "a", "stars": 6}', "invalid-body", "body: stars: expected int <= 5"),
        (b'{"text": "a", "star": 1}', "invalid-body", "body: star: unknown field; did you mean"),
        (b"[]", "invalid-body", "body: expected object, got array"),
        (b"", "invalid-json", "the body is empty; expected JSON"),
        (b"{", "invalid-json", "the body is not JSON: "),
        (b'{"text": "\xff"}', "invalid-json", "the body is not UTF-8"),
        (b"[" * 100_000, "invalid-body", "body: expected object, got array"),
    ],
)
def test_a_wrong_body_is_told_by_its_field(
    caller: Caller, body: bytes, code: str, sentence: str
) -> None:
    answer = caller.asks("POST", "/notes", body)
    assert (answer.status, answer.code) == (400, code)
    assert answer.json["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("Application/JSON;charset=UTF-8", 201),
        ("application/problem+json", 201),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_refused(
    caller: Caller, media: str, status: int
) -> None:
    answer = caller.asks("POST", "/notes", b'{"text": "a"}', {"Content-Type": media})
    assert answer.status == status
    assert status == 201 or answer.code == "unsupported-media-type"


@pytest.mark.parametrize(
    ("number", "code"), [(404, "no-such-note"), (409, "conflict"), (410, "gone")]
)
def test_an_error_of_a_handler_has_its_status_and_code(
    caller: Caller, number: int, code: str
) -> None:
    answer = caller.asks("GET", f"/notes/{number}")
    assert (answer.status, answer.code) == (number, code)


def test_a_bug_is_logged_and_not_shown(
    caller: Caller, notes: Notes, logged: list[LogEvent]
) -> None:
    answers = [caller.asks("GET", path) for path in ("/bug", "/unencodable", "/text-bug")]
    peer = caller.sends("GET", "/slow-bug")
    notes.waiting.callback(None)
    peer.close()
    for answer in answers:
        assert (answer.status, answer.code) == (500, "internal-error")
        assert b"hunter2" not in answer.body
        assert "content-encoding" not in answer.headers
    assert peer.received.startswith(b"HTTP/1.1 500 ")
    assert b"hunter2" not in peer.received
    failures = [event["log_failure"].type for event in failures_in(logged)]
    assert failures == [RuntimeError, TypeError, RuntimeError, RuntimeError]


def test_an_answer_that_broke_in_its_midst_is_cut_off(
    caller: Caller, logged: list[LogEvent]
) -> None:
    peer = caller.sends("GET", "/half")
    assert not peer.connected
    assert b"half" in peer.received
    assert b"error" not in peer.received
    assert not peer.received.endswith(b"0\r\n\r\n")
    assert len(failures_in(logged)) == 1


def test_a_handler_that_takes_too_long_is_cancelled_and_answered_for(
    notes: Notes, caller: Caller
) -> None:
    peer = caller.sends("GET", "/wait")
    caller.clock.advance(29.9)
    assert peer.received == b""
    caller.clock.advance(0.2)
    assert notes.was_cancelled
    assert peer.received.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"handler-deadline"' in peer.received
    peer.close()


def test_an_answer_in_time_leaves_no_timer(notes: Notes, caller: Caller) -> None:
    peer = caller.sends("GET", "/wait")
    notes.waiting.callback("late")
    assert peer.received.endswith(b'\r\n\r\n"late"')
    peer.close()
    assert caller.clock.getDelayedCalls() == []


def test_a_peer_that_leaves_cancels_the_handler(notes: Notes, caller: Caller) -> None:
    peer = caller.sends("GET", "/wait")
    peer.vanish()
    assert notes.was_cancelled
    assert caller.clock.getDelayedCalls() == []


def test_a_write_that_has_begun_is_finished_when_the_peer_leaves(
    notes: Notes, caller: Caller
) -> None:
    caller.sends("PUT", "/write").vanish()
    assert not notes.was_cancelled
    notes.waiting.callback(None)
    assert not notes.is_finished  # what comes after the write is not


def test_a_write_that_fails_when_the_peer_has_left_is_logged(
    notes: Notes, caller: Caller, logged: list[LogEvent]
) -> None:
    caller.sends("PUT", "/write", headers={"X-Request-ID": "seven"}).vanish()
    notes.waiting.errback(RuntimeError("no room"))
    [failure] = failures_in(logged)
    assert failure["path"] == "/write"


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


def test_an_app_without_an_instance_is_served() -> None:
    app = Klein()

    @app.route("/", methods=["GET"])
    @as_json()
    def root(request: Any) -> Any:
        return {"path": request.path.decode()}

    assert Caller(app).asks("GET", "/").json == {"path": "/"}


def test_a_handler_longer_than_the_idle_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be less than idle_seconds"):
        JsonSettings(handler_seconds=30, idle_seconds=20.0)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400, "invalid-host"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "invalid-host"),
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
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
    assert answer.headers["connection"] == "close"


def test_what_is_refused_of_head_has_no_body(caller: Caller) -> None:
    peer = caller.connects()
    peer.send(b"HEAD / HTTP/1.1\r\nHost: a..b\r\n\r\n")
    assert peer.received.startswith(b"HTTP/1.1 400 ")
    assert peer.received.endswith(b"\r\n\r\n")


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


METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"BREW", b"G(T"])
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
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b""])
HEADERS = st.sampled_from(
    [
        *[b"Host: b", b"Content-Length: 0", b"Content-Length: 2", b"Content-Length: x"],
        *[b"Content-Type: application/json", b"Transfer-Encoding: chunked", b"Connection: close"],
        *[b"X-Request-ID: a\x00", b"X-Request-ID: seven", b"no colon", b" folded", b"\xff: a"],
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
        assert answer.status < 500
        assert answer.status < 400 or answer.code
