"""Contacts over HTTP: every answer is JSON, and what fails has a status and a code."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_twisted
import treq
from twisted.internet.defer import Deferred, fail, succeed
from twisted.web.client import Agent, HTTPConnectionPool

from tests.processes import Program, Start
from tests.web.calls import Caller
from toolkit.contacts import Contacts
from toolkit.database import errors
from toolkit.database.calls import Calls
from toolkit.database.job import Kind
from toolkit.database.migrating import migrate, numbered
from toolkit.database.session import Session
from toolkit.database.settings import DatabaseSettings, Place
from toolkit.database.sql import Statements
from toolkit.database.sqlite import SQLiteSession
from toolkit.services.contacts import ContactsApi
from toolkit.testing import result_of


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
        ("DELETE", "/contacts?username=ann", None, 400, "invalid-query"),
        ("PATCH", "/contacts", {}, 405, "method-not-allowed"),
        ("GET", "/users/zoe", None, 404, "unknown-user"),
        ("GET", "/users/a%20b", None, 400, "invalid-username"),
        ("POST", "/users", {"username": "ann", "name": "Ann"}, 409, "already-there"),
        ("POST", "/users", {"username": "ann", "name": "A\nB"}, 400, "invalid-body"),
        ("DELETE", "/users/zoe", None, 404, "unknown-user"),
        ("GET", "/users", None, 405, "method-not-allowed"),
        ("GET", "/", None, 404, "unknown-path"),
    ],
)
def test_what_cannot_be_done_is_told(
    caller: Caller, method: str, target: str, body: Any, status: int, code: str
) -> None:
    answer = caller.asks(method, target, None if body is None else sent(body))
    assert (answer.status, answer.code) == (status, code)


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
        (errors.Busy("secret-host"), "database-away"),
        (errors.QueueFull("secret-host"), "database-away"),
        (errors.DeadlinePassed("secret-host"), "database-away"),
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
