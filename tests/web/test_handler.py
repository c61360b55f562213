"""as_json: what a handler is given, and what becomes of what it returns or raises."""

from __future__ import annotations

from typing import Any

import pytest
from klein import Klein
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent

from tests.web.calls import Caller
from tests.web.notes import Notes, Which
from toolkit.errors import ToolkitError
from toolkit.testing import failures_in
from toolkit.web.handler import answers_json, as_json, check_routes


def test_an_app_without_an_instance_is_served() -> None:
    app = Klein()

    @app.route("/", methods=["GET"])
    @as_json()
    def root(request: Any) -> Any:
        return {"path": request.path.decode()}

    assert Caller(app).asks("GET", "/").json == {"path": "/"}


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


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("/notes", "query: author: it is missing"),
        ("/notes?author=a&most=x", "query: most: expected int, got str"),
        ("/notes?author=a&author=b", "query: author: given 2 times"),
        ("/notes?author=a&auther=b", "query: auther: unknown field; did you mean 'author'?"),
        ("/notes?author=%ff", "query: it is not UTF-8"),
        ("/notes?author=a&=1", "query: '': unknown field"),
        ("/notes?author=a&most", "query: most: expected int, got str"),
        ("/notes?author=a&tag;most=3", "query: tag;most: unknown field; did you mean 'most'?"),
    ],
)
def test_a_wrong_query_is_told_by_its_field(caller: Caller, target: str, sentence: str) -> None:
    answer = caller.asks("GET", target)
    assert (answer.status, answer.code) == (400, "invalid-query")
    assert answer.json["error"] == sentence


def test_only_an_ampersand_is_between_two_values_of_a_query(caller: Caller) -> None:
    assert caller.asks("GET", "/notes?author=a;most=3&&tag=b;c&").json == {
        "author": "a;most=3",
        "most": 10,
        "tags": ["b;c"],
    }


def test_a_query_has_nothing_of_a_form() -> None:
    app = Klein()

    @app.route("/", methods=["POST"])
    @as_json(query=Which)
    def root(request: Any, query: Which) -> Any:
        return [query.author, query.most]

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert Caller(app).asks("POST", "/?author=a", b"author=b&most=3", form).json == ["a", 10]


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
        ('application/json ; charset="utf-8"', 201),
        ("application/json;", 201),
        ("application/problem+json", 415),
        ("application/merge-patch+json", 415),
        ("application/json-patch+json", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json, text/plain", 415),
        ("application/jsonp", 415),
        ("application/json" + " " * 8000 + "x", 415),
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
    ("coding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 201), ("", 201)]
)
def test_a_body_that_is_compressed_is_refused(caller: Caller, coding: str, status: int) -> None:
    answer = caller.asks("POST", "/notes", b'{"text": "a"}', {"Content-Encoding": coding})
    assert answer.status == status
    if status == 415:
        assert answer.code == "unsupported-content-encoding"
        assert answer.headers["accept-encoding"] == "identity"


def test_a_handler_may_be_a_function_a_coroutine_or_return_a_deferred() -> None:
    app = Klein()

    @app.route("/plain", methods=["GET"])
    @as_json()
    def plain(request: Any) -> str:
        return "a"

    @app.route("/coroutine", methods=["GET"])
    @as_json()
    async def coroutine(request: Any) -> str:
        return "a"

    @app.route("/deferred", methods=["GET"])
    @as_json()
    def deferred(request: Any) -> Deferred[str]:
        return succeed("a")

    for path in ("/plain", "/coroutine", "/deferred"):
        assert Caller(app).asks("GET", path).json == "a"


def test_what_is_marked_is_what_was_made_by_as_json() -> None:
    def handler(request: Any) -> None:
        """Nothing."""

    assert answers_json(as_json()(handler))
    assert not answers_json(handler)
    assert as_json()(handler).__name__ == "handler"


class Methods:
    """Handlers that are methods of an instance."""

    def root(self, request: Any) -> str:
        return "a"


def test_a_method_of_an_instance_may_be_a_handler() -> None:
    app = Klein()
    app.route("/")(as_json()(Methods().root))
    assert Caller(app).asks("GET", "/").json == "a"


def test_as_json_above_a_route_is_told_when_the_app_is_served() -> None:
    class Wrong:
        app = Klein()

        @as_json()
        @app.route("/wrong")
        def wrong(self, request: Any) -> Any:
            return {"a": 1}

    with pytest.raises(ToolkitError) as caught:
        Caller(Wrong().app)
    assert str(caught.value).endswith(
        "Wrong.wrong: @as_json stands above the route /wrong, which does not see it; "
        "write it below @app.route"
    )


def test_a_variable_of_a_path_has_another_name_than_what_as_json_gives() -> None:
    app = Klein()

    with app.subroute("/sub") as sub:

        @sub.route("/<body>/<query>", methods=["POST"])
        @as_json(body=dict)
        def clash(request: Any, body: Any, query: str) -> Any:
            return body

    with pytest.raises(ToolkitError) as caught:
        check_routes(app)
    assert str(caught.value).endswith(
        "clash: 'body' is both in the path /sub/<body>/<query> and given by @as_json; "
        "name it otherwise in the path"
    )


def test_a_variable_may_have_the_name_of_what_as_json_does_not_give() -> None:
    app = Klein()

    @app.route("/<body>", branch=True)
    @app.route("/own/<query>")
    @as_json()
    def free(request: Any, body: str = "", query: str = "") -> Any:
        return [body, query]

    assert Caller(app).asks("GET", "/a").json == ["a", ""]
    assert Caller(app).asks("GET", "/own/a").json == ["", "a"]
