"""Answers are JSON with the usual headers, and what a handler returns is checked."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import pytest
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent

from tests.web.calls import Answered, Caller, answers_in
from toolkit.database.rows import row_class
from toolkit.testing import failures_in
from toolkit.web.answers import BytesResponse, JsonResponse
from toolkit.web.errors import HttpError, NotFound
from toolkit.web.handler import as_json


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


def test_an_answer_that_broke_in_its_midst_is_cut_off(
    caller: Caller, logged: list[LogEvent]
) -> None:
    peer = caller.sends("GET", "/half")
    assert not peer.connected
    assert b"half" in peer.received
    assert b"error" not in peer.received
    assert not peer.received.endswith(b"0\r\n\r\n")
    assert len(failures_in(logged)) == 1


def answered(value: Any) -> Answered:
    """What a handler that returns this is answered with."""
    app = Klein()

    @app.route("/", methods=["GET"])
    @as_json()
    def root(request: Any) -> Any:
        return value

    return Caller(app).asks("GET", "/")


def test_a_row_of_a_database_is_an_object_by_the_names_of_its_columns() -> None:
    row = row_class(["username", "name"])(("ann", "Ann Archer"))
    assert answered(row).json == {"username": "ann", "name": "Ann Archer"}
    assert answered({"users": [row]}).json == {"users": [dict(row)]}
    assert answered(JsonResponse([row, row], 201)).json == [dict(row), dict(row)]


def test_an_answer_may_be_other_than_json() -> None:
    answer = answered(BytesResponse(b"a,b\n", "text/csv", 203, {"Vary": "accept"}))
    assert (answer.status, answer.body) == (203, b"a,b\n")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-length"] == "4"
    assert answer.headers["vary"] == "accept"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body_is_sent_without_one(status: int) -> None:
    answer = answered(JsonResponse({"a": 1}, status))
    assert (answer.status, answer.body) == (status, b"")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {"a": object()},
        "\ud800",
        JsonResponse(1, "200"),  # type: ignore[arg-type]
        JsonResponse(1, 42),
        JsonResponse(1, 200, {"A": 3}),  # type: ignore[dict-item]
        JsonResponse(1, 200, {"A": "\udcff"}),
        JsonResponse("abc", 200, {"Content-Length": "1"}),
        JsonResponse("abc", 200, {"Transfer-Encoding": "chunked"}),
        JsonResponse("abc", 200, {"Connection": "close"}),
        BytesResponse("text"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_answer_is_an_internal_error(value: Any, logged: list[LogEvent]) -> None:
    answer = answered(value)
    assert (answer.status, answer.code) == (500, "internal-error")
    assert len(failures_in(logged)) == 1


def test_a_header_that_is_for_the_server_to_set_is_named_in_the_log(logged: list[LogEvent]) -> None:
    assert answered(JsonResponse(1, 200, {"Content-length": "9"})).headers["content-length"] != "9"
    [failure] = failures_in(logged)
    assert "the header Content-length is for the server" in str(failure["log_failure"].value)


class Mute(HttpError):
    """Its own code fails."""

    @property
    def body(self) -> bytes:
        raise RuntimeError("no body")


def changed(**attributes: Any) -> HttpError:
    """An error that can be sent no more: it was changed after it was made."""
    error = HttpError("a", "b", 404)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


UNSENDABLE = [
    *[changed(status=status) for status in ("404", 99, 1000, None)],
    *[changed(headers={"A": value}) for value in (5, "\udcff")],
    changed(headers={"content-encoding": "gzip", "\n": ""}),
    changed(code="\udcff"),
    changed(code=object()),
    Mute("a"),
]


class Unsendable:
    """Handlers whose error cannot be sent."""

    app = Klein()

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.waiting: Deferred[None] = Deferred()

    @app.route("/plain")
    @as_json()
    def plain(self, request: Any) -> None:
        raise self.error

    @app.route("/coroutine")
    @as_json()
    async def coroutine(self, request: Any) -> None:
        await self.waiting
        raise self.error

    @app.route("/deferred")
    @as_json()
    def deferred(self, request: Any) -> Deferred[None]:
        return self.waiting.addCallback(lambda _: self.plain(request))


@pytest.mark.parametrize("path", ["/plain", "/coroutine", "/deferred"])
@pytest.mark.parametrize("error", [*UNSENDABLE, SystemExit(3), CancelledError(), GeneratorExit()])
def test_no_request_is_left_without_an_answer(
    path: str, error: BaseException, logged: list[LogEvent]
) -> None:
    app = Unsendable(error)
    peer = Caller(app.app).sends("GET", path)
    app.waiting.callback(None)
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (500, "internal-error")
    assert "content-encoding" not in answer.headers
    assert len(failures_in(logged)) == 1
    peer.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")  # the connection serves on
    assert len(answers_in(peer.received)) == 2
    peer.close()


def test_what_cannot_be_answered_at_all_is_cut_off(logged: list[LogEvent]) -> None:
    app = Klein()

    @app.route("/")
    @as_json()
    def root(request: Any) -> str:
        request.etag = 5  # which breaks every head
        return "a"

    peer = Caller(app).sends("GET", "/")
    assert not peer.connected
    assert peer.received == b""
    assert failures_in(logged)


def test_a_header_cannot_begin_another() -> None:
    answer = answered(JsonResponse(1, 200, {"A": "b\r\nC: d"}))
    assert answer.headers["a"] == "b C: d"
    assert "c" not in answer.headers


class Own:
    """Handlers that write an answer, or a part of one, themselves."""

    app = Klein()

    @app.route("/whole", methods=["GET"])
    @as_json()
    def whole(self, request: Any) -> None:
        request.setHeader("content-length", "3")
        request.write(b"own")
        request.finish()

    @app.route("/unfinished", methods=["GET"])
    @as_json()
    def unfinished(self, request: Any) -> None:
        request.setHeader("content-length", "3")
        request.write(b"own")

    @app.route("/both", methods=["GET"])
    @as_json()
    def both(self, request: Any) -> str:
        self.whole(request)
        return "another"

    @app.route("/half", methods=["GET"])
    @as_json()
    def half(self, request: Any) -> str:
        request.write(b"own")
        return "another"

    @app.route("/coded", methods=["GET"])
    @as_json()
    def coded(self, request: Any) -> None:
        request.setHeader("content-encoding", "gzip")
        request.setHeader("etag", '"7"')
        request.setHeader("content-length", "3")
        raise NotFound("it is gone")


@pytest.mark.parametrize("path", ["/whole", "/unfinished"])
def test_an_answer_that_a_handler_wrote_itself_is_left_alone(path: str) -> None:
    answer = Caller(Own().app).asks("GET", path)
    assert (answer.status, answer.body) == (200, b"own")


def test_a_second_answer_is_a_bug_and_never_sent(logged: list[LogEvent]) -> None:
    answer = Caller(Own().app).asks("GET", "/both")
    assert answer.body == b"own"
    peer = Caller(Own().app).sends("GET", "/half")
    assert not peer.connected
    assert b"another" not in peer.received
    assert len(failures_in(logged)) == 2


def test_an_error_has_no_header_of_the_answer_it_stands_for() -> None:
    answer = Caller(Own().app).asks("GET", "/coded")
    assert (answer.status, answer.code) == (404, "not-found")
    assert not {"content-encoding", "etag"} & set(answer.headers)
    assert answer.headers["content-length"] == str(len(answer.body))
