"""Contacts over HTTP: every answer is JSON, and what fails has a status and a code."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_twisted
import treq
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogEvent
from twisted.web.client import Agent, HTTPConnectionPool

from tests.database.cluster import cluster
from tests.end_to_end.peers import RemotePeer, connect
from tests.processes import Program, Start
from tests.web.calls import Answered, Caller, answers_in
from toolkit.contacts import USERNAME, Contacts
from toolkit.database import errors
from toolkit.database.calls import Calls
from toolkit.database.job import Kind
from toolkit.database.migrating import migrate, numbered
from toolkit.database.session import Session
from toolkit.database.settings import DatabaseSettings, Place
from toolkit.database.sql import Statements
from toolkit.database.sqlite import SQLiteSession
from toolkit.services.contacts import ContactsApi
from toolkit.testing import failures_in, result_of


class ImmediateDatabase(Calls):
    """SQLite in memory, without threads: every call has ended when it returns.

    Unless the test says what is `wrong`, or that calls are `held`.
    """

    def __init__(self) -> None:
        self._statements = Statements("?")
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self._session = SQLiteSession(
            self.connection, Place("sqlite", ":memory:"), DatabaseSettings()
        )
        self.wrong: Exception | None = None
        self.held: Deferred[None] | None = None

    def _submit(self, call: Callable[[Session], Any], kind: Kind, sql: str) -> Deferred[Any]:
        if self.wrong is not None:
            return fail(self.wrong)
        if self.held is not None:
            return self.held.addCallback(lambda _: self._done(call))
        try:
            return succeed(self._done(call))
        except Exception:  # noqa: BLE001 - whatever the call raises
            return fail()

    def _done(self, call: Callable[[Session], Any]) -> Any:
        with self.connection:
            self.connection.execute("BEGIN")
            return call(self._session)

    def migrate(self, steps: Any, name: str) -> Deferred[Any]:
        def call(session: Any) -> list[int]:
            return migrate(session, numbered(steps), name)

        return self._submit(call, Kind.TRANSACTION, "")


@pytest.fixture
def database() -> Iterator[ImmediateDatabase]:
    made = ImmediateDatabase()
    yield made
    made.connection.close()


@pytest.fixture
def caller(database: Any) -> Caller:
    contacts = Contacts(database)
    result_of(contacts.prepare(seed=True))
    return Caller(ContactsApi(contacts).app)


def sent(value: Any) -> bytes:
    return msgspec.json.encode(value)


def test_the_contacts_of_a_user(caller: Caller) -> None:
    answer = caller.asks("GET", "/contacts?username=ann")
    assert (answer.status, answer.json) == (200, {"contacts": ["ben", "cleo", "dora"]})
    assert caller.asks("GET", "/contacts?username=emil").json == {"contacts": []}


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("GET", "/contacts", None, 400, "invalid-query"),
        ("GET", "/contacts?username=", None, 400, "invalid-query"),
        ("GET", "/contacts?username=a%00b", None, 400, "invalid-query"),
        ("GET", "/contacts?username=ann&username=ben", None, 400, "invalid-query"),
        ("GET", "/contacts?user=ann", None, 400, "invalid-query"),
        ("GET", "/contacts?username=zoe", None, 404, "unknown-user"),
        ("POST", "/contacts", {"username": "ann", "contact": "zoe"}, 404, "unknown-user"),
        ("POST", "/contacts", {"username": "ann", "contact": "ben"}, 409, "already-there"),
        ("POST", "/contacts", {"username": "ann"}, 400, "invalid-body"),
        ("PUT", "/contacts", {"username": "ann", "contacts": ["zoe"]}, 404, "unknown-user"),
        ("PUT", "/contacts", {"username": "ann", "contacts": "ben"}, 400, "invalid-body"),
        ("DELETE", "/contacts?username=ann&contact=emil", None, 404, "unknown-contact"),
        ("DELETE", "/contacts?username=ann&contact=zoe", None, 404, "unknown-contact"),
        ("DELETE", "/contacts?username=zoe&contact=ann", None, 404, "unknown-user"),
        ("DELETE", "/contacts?username=ann", None, 400, "invalid-query"),
        ("PATCH", "/contacts", {}, 405, "method-not-allowed"),
        ("GET", "/users/zoe", None, 404, "unknown-user"),
        ("GET", "/users/a%20b", None, 400, "invalid-username"),
        ("POST", "/users", {"username": "ann", "name": "Ann"}, 409, "already-there"),
        ("POST", "/users", {"username": "ann", "name": "A\nB"}, 400, "invalid-body"),
        ("DELETE", "/users/zoe", None, 404, "unknown-user"),
        ("GET", "/users", None, 405, "method-not-allowed"),
        ("GET", "/", None, 404, "unknown-path"),
        ("GET", "//contacts?username=ann", None, 404, "unknown-path"),
        ("GET", "/contacts/?username=ann", None, 404, "unknown-path"),
        ("GET", "/users/", None, 404, "unknown-path"),
        ("GET", "/users/a/b", None, 404, "unknown-path"),
        ("GET", "/users/a%2Fb", None, 404, "unknown-path"),
        ("GET", "/users%2Fann", None, 404, "unknown-path"),
        ("GET", "/users/ann%ff", None, 400, "invalid-path"),
        ("get", "/contacts?username=ann", None, 501, "unknown-method"),
        ("FOO", "/contacts", None, 501, "unknown-method"),
        ("POST", "/users", {"username": "", "name": "A"}, 400, "invalid-body"),
        ("POST", "/users", {"username": "a" * 65, "name": "A"}, 400, "invalid-body"),
        ("POST", "/users", {"username": "a" * 100_000, "name": "A"}, 400, "invalid-body"),
        ("POST", "/users", {"username": "zoe", "name": "A" * 100_000}, 400, "invalid-body"),
        ("POST", "/users", {"username": "zoe", "name": ""}, 400, "invalid-body"),
        ("POST", "/users", {"username": "zoe", "name": None}, 400, "invalid-body"),
        ("POST", "/users", {"username": 7, "name": "A"}, 400, "invalid-body"),
        ("POST", "/users", None, 415, "unsupported-media-type"),
        ("PUT", "/contacts", {"username": "ann", "contacts": [None]}, 400, "invalid-body"),
        ("PUT", "/contacts", {"username": "ann", "contacts": ["ben"] * 1001}, 400, "invalid-body"),
    ],
)
def test_what_cannot_be_done_is_told(
    caller: Caller, method: str, target: str, body: Any, status: int, code: str
) -> None:
    answer = caller.asks(method, target, None if body is None else sent(body))
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("method", "target", "body", "sentence"),
    [
        ("GET", "/contacts?username=", None, f"query: username: expected {USERNAME}"),
        ("GET", "/users/a%20b", None, f"username: expected {USERNAME}"),
        (
            "PUT",
            "/contacts",
            {"username": "ann", "contacts": ["ben", "a b"]},
            f"body: contacts[1]: expected {USERNAME}",
        ),
        (
            "PUT",
            "/users/ann",
            {"name": "A\x07"},
            "body: name: expected text without control characters",
        ),
        ("DELETE", "/contacts?username=zoe&contact=ann", None, "there is no user 'zoe'"),
        ("DELETE", "/contacts?username=ann&contact=zoe", None, "'ann' has no contact 'zoe'"),
    ],
)
def test_what_is_wrong_is_told_in_words(
    caller: Caller, method: str, target: str, body: Any, sentence: str
) -> None:
    answer = caller.asks(method, target, None if body is None else sent(body))
    assert answer.json["error"] == sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[" * 10_000, "body: expected object, got array"),
        (b'{"username": ' + b"[" * 10_000, "body: username: expected str, got array"),
        (rb'{"username": "zoe", "name": "\ud800"}', "the body has half a character: "),
        (b'{"username": "zoe", "name": "a', "the body is not JSON: "),
        (b'{"username": "zoe", "name": "a", "nmae": "b"}', "body: nmae: unknown field; did you"),
    ],
)
def test_a_body_that_is_none_is_told_why(caller: Caller, body: bytes, sentence: str) -> None:
    answer = caller.asks("POST", "/users", body)
    assert answer.status == 400
    assert answer.json["error"].startswith(sentence)


def test_a_name_may_be_in_any_script(caller: Caller) -> None:
    body = sent({"username": "zoë.Ωμέγα", "name": "Zoë 😀 Ωμέγα"})
    assert caller.asks("POST", "/users", body).status == 201
    path = "/users/zo%C3%AB.%CE%A9%CE%BC%CE%AD%CE%B3%CE%B1"
    assert caller.asks("GET", path).json["name"] == "Zoë 😀 Ωμέγα"
    assert caller.asks("DELETE", path).status == 204


def test_users_are_added_renamed_and_removed(caller: Caller) -> None:
    added = caller.asks("POST", "/users", sent({"username": "zoe", "name": "Zoe"}))
    assert (added.status, added.json) == (201, {"username": "zoe", "name": "Zoe"})
    renamed = caller.asks("PUT", "/users/zoe", sent({"name": "Zoe Zeller"}))
    assert (renamed.status, renamed.json["name"]) == (200, "Zoe Zeller")
    assert caller.asks("PUT", "/users/yan", sent({"name": "Yan"})).status == 201
    assert caller.asks("GET", "/users/zoe").json == {"username": "zoe", "name": "Zoe Zeller"}
    assert caller.asks("DELETE", "/users/zoe").status == 204
    assert caller.asks("GET", "/users/zoe").status == 404


def test_contacts_are_added_replaced_and_removed(caller: Caller) -> None:
    assert (
        caller.asks("POST", "/contacts", sent({"username": "emil", "contact": "ann"})).status == 201
    )
    replaced = caller.asks("PUT", "/contacts", sent({"username": "emil", "contacts": ["ben"]}))
    assert (replaced.status, replaced.json) == (200, {"contacts": ["ben"]})
    assert caller.asks("DELETE", "/contacts?username=emil&contact=ben").status == 204
    assert caller.asks("GET", "/contacts?username=emil").json == {"contacts": []}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Unavailable("secret-host cannot be reached"), "database-away"),
        (errors.ConnectionLost("secret-host"), "database-away"),
        (errors.Busy("secret-host"), "database-busy"),
        (errors.QueueFull("secret-host"), "database-busy"),
        (errors.DeadlinePassed("secret-host"), "database-busy"),
        (errors.Closed("secret-host"), "database-away"),
        (errors.OutOfResources("secret-host"), "database-away"),
        (errors.StorageFailed("secret-host"), "database-away"),
        (errors.ReadOnly("secret-host"), "read-only"),
        (errors.DiskFull("secret-host"), "disk-full"),
        (errors.OutcomeUnknown("secret-host"), "outcome-unknown"),
    ],
)
def test_a_database_that_is_away_is_503_and_no_more_is_told(
    caller: Caller, database: ImmediateDatabase, error: Exception, code: str
) -> None:
    database.wrong = error
    for answer in (
        caller.asks("GET", "/contacts?username=ann"),
        caller.asks("PUT", "/users/ann", sent({"name": "Ann"})),
    ):
        assert (answer.status, answer.code) == (503, code)
        assert b"secret" not in answer.body


def test_a_write_that_has_begun_is_done_although_the_peer_leaves(
    caller: Caller, database: ImmediateDatabase
) -> None:
    held: Deferred[None] = Deferred()
    database.held = held
    caller.sends("PUT", "/users/zoe", sent({"name": "Zoe"})).vanish()
    database.held = None
    held.callback(None)
    assert caller.asks("GET", "/users/zoe").json["name"] == "Zoe"


def test_a_statement_that_fails_is_a_bug_of_which_a_peer_is_told_nothing(
    caller: Caller, database: ImmediateDatabase, logged: list[LogEvent]
) -> None:
    database.connection.execute("DROP TABLE contacts")
    answer = caller.asks("GET", "/contacts?username=ann")
    assert (answer.status, answer.code) == (500, "internal-error")
    assert b"contacts" not in answer.body
    assert len(failures_in(logged)) == 1


@pytest.fixture
def config(tmp_path: Path) -> Path:
    site = tmp_path / "site.toml"
    site.write_text(
        '[database]\nurl = "sqlite:people.db"\n[service.contacts]\nseed = true\n'
        'listen = "tcp:0:interface=127.0.0.1"\n'
    )
    return site


async def started(start: Start) -> tuple[Program, str]:
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    found = await program.line(r"contacts listening on tcp:127\.0\.0\.1:(\d+)")
    await program.line("ready")
    return program, f"http://127.0.0.1:{found[1]}"


@pytest_twisted.ensureDeferred
async def test_what_was_written_is_there_after_a_restart(
    start: Start, config: Path, reactor: Any
) -> None:
    agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
    program, url = await started(start)
    response: Any = await treq.put(
        f"{url}/contacts", json={"username": "ann", "contacts": ["emil"]}, agent=agent
    )
    assert response.code == 200
    await treq.content(response)
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    program, url = await started(start)
    response = await treq.get(f"{url}/contacts?username=ann", agent=agent)
    assert await treq.json_content(response) == {"contacts": ["emil"]}
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert program.err == ""


JSON = b"Host: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ANN = b"/contacts?username=ann"


def asked(method: bytes, target: bytes, rest: bytes = b"\r\n") -> bytes:
    """A request, all but its body."""
    return b"%s %s HTTP/1.1\r\n%s%s" % (method, target, JSON, rest)


RAW = [
    (asked(b"GET", ANN), 200, ""),
    (b"nonsense\r\n\r\n", 400, "malformed-request"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "invalid-host"),
    (b"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400, "invalid-host"),
    (asked(b"GET", ANN, b" folded\r\n\r\n"), 400, "malformed-request"),
    (asked(b"GET", b"/%ff"), 400, "invalid-path"),
    (asked(b"GET", b"/contacts"), 400, "invalid-query"),
    (asked(b"POST", b"/users"), 400, "invalid-json"),
    (asked(b"GET", b"/nothing"), 404, "unknown-path"),
    (asked(b"GET", b"/contacts?username=zoe"), 404, "unknown-user"),
    (asked(b"PATCH", b"/contacts"), 405, "method-not-allowed"),
    (b"GET / HT", 408, "request-timeout"),
    (asked(b"PUT", b"/contacts", b"Content-Length: 2\r\n\r\n{"), 408, "request-timeout"),
    (
        asked(b"POST", b"/users", b"Content-Length: 31\r\n\r\n")
        + b'{"username":"ann","name":"Ann"}',
        409,
        "already-there",
    ),
    (asked(b"PUT", b"/contacts", b"Content-Length: 1048577\r\n\r\n"), 413, "body-too-large"),
    (asked(b"PUT", b"/contacts", CHUNKED + b"100001\r\n"), 413, "body-too-large"),
    (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "uri-too-long"),
    (
        b"PUT /contacts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        415,
        "unsupported-media-type",
    ),
    (
        asked(b"PUT", b"/contacts", b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
        415,
        "unsupported-content-encoding",
    ),
    (asked(b"GET", ANN, b"A: " + b"x" * 20_000 + b"\r\n\r\n"), 431, "head-too-large"),
    (asked(b"get", ANN), 501, "unknown-method"),
    (asked(b"PUT", b"/contacts", b"Transfer-Encoding: br\r\n\r\n"), 501, "unknown-transfer-coding"),
    (b"GET / HTTP/2.0\r\n\r\n", 505, "other-http-version"),
]


async def told(reactor: Any, port: int, request: bytes) -> tuple[RemotePeer, Answered]:
    """What a request is answered on a connection of its own, when that has ended."""
    peer = await connect(reactor, port)
    peer.transport.write(request)
    received = await peer.lost()
    is_head = request.startswith(b"HEAD ")
    [answer] = answers_in(
        received.replace(b"ontent-Length", b"old-Length") if is_head else received
    )
    return peer, answer


@pytest_twisted.ensureDeferred
async def test_every_error_of_every_route_is_json_on_a_real_socket(
    start: Start, config: Path, reactor: Any
) -> None:
    config.write_text(f"{config.read_text()}head_seconds = 0.3\nbody_seconds = 0.3\n")
    program, url = await started(start)
    port = int(url.rpartition(":")[2])
    for request, status, code in RAW:
        _, answer = await told(reactor, port, request)
        assert answer.status == status
        assert status == 200 or answer.code == code
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-length"] == str(len(answer.body))
        assert len(answer.headers["x-request-id"]) == 16
        assert status != 405 or answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST, PUT"
        if b"\r\n" in request and request.startswith(b"GET "):
            _, head = await told(reactor, port, b"HEAD" + request[3:])
            assert (head.status, head.body) == (status, b"")
            assert head.headers["cold-length"] == str(len(answer.body))
    with sqlite3.connect(config.parent / "people.db") as other:
        other.execute("DROP TABLE contacts")
    other.close()
    _, answer = await told(reactor, port, asked(b"GET", ANN))
    assert (answer.status, answer.code) == (500, "internal-error")
    assert len(answer.headers["x-request-id"]) == 16
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert program.err == ""


@pytest_twisted.ensureDeferred
async def test_a_database_that_is_locked_is_503_on_a_real_socket(
    start: Start, config: Path, reactor: Any
) -> None:
    config.write_text(config.read_text().replace("[service", "busy_seconds = 0.1\n[service"))
    program, url = await started(start)
    body = sent({"username": "zoe", "name": "Zoe"})
    request = asked(b"POST", b"/users", b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    with sqlite3.connect(config.parent / "people.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        _, answer = await told(reactor, int(url.rpartition(":")[2]), request)
        other.execute("ROLLBACK")
    other.close()
    assert (answer.status, answer.code) == (503, "database-busy")
    _, answer = await told(reactor, int(url.rpartition(":")[2]), request)
    assert answer.status == 201
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_away_is_503_until_it_is_back(
    start: Start, config: Path, reactor: Any
) -> None:
    ann = asked(b"GET", ANN)
    put = asked(b"PUT", b"/users/ann", b'Content-Length: 15\r\n\r\n{"name":"Anna"}')
    with cluster() as server:
        site = config.read_text().replace("sqlite:people.db", server.url)
        config.write_text(site.replace("[service", "connect_seconds = 0.5\n[service"))
        program, url = await started(start)
        port = int(url.rpartition(":")[2])
        assert (await told(reactor, port, ann))[1].status == 200
        server.stop()
        for request in (ann, put, ann):
            _, answer = await told(reactor, port, request)
            assert (answer.status, answer.code) == (503, "database-away")
            assert str(server.port) not in answer.json["error"]
        server.start()
        until = time.monotonic() + 5
        while (answer := (await told(reactor, port, ann))[1]).status != 200:
            assert answer.code == "database-away"
            assert time.monotonic() < until
        program.signal(signal.SIGTERM)
        assert await program.ended() == 0
