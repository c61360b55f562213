"""A handler that waits: its deadline, a peer that leaves, a write that is finished all the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest_twisted
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent

from tests.web.calls import Caller, answers_in
from tests.web.notes import Notes
from toolkit.testing import failures_in
from toolkit.web.handler import as_json


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


def test_what_changes_nothing_may_be_asked_for_again(caller: Caller) -> None:
    peer = caller.sends("GET", "/wait")
    caller.clock.advance(31)
    [answer] = answers_in(peer.received)
    assert answer.json["error"] == "there was no answer within 30 s"
    peer.close()


def test_a_canceller_that_raises_is_logged_and_its_request_answered(logged: list[LogEvent]) -> None:
    app = Klein()

    def broken(_: object) -> None:
        raise RuntimeError("it cannot be cancelled")

    @app.route("/", methods=["GET"])
    @as_json()
    def root(request: Any) -> Deferred[Any]:
        return Deferred(broken)

    caller = Caller(app)
    peer = caller.sends("GET", "/")
    caller.clock.advance(31)
    assert [one.status for one in answers_in(peer.received)] == [503]
    peer.close()
    caller.sends("GET", "/").vanish()
    assert len(failures_in(logged)) == 2


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


def test_a_peer_that_ends_its_side_of_the_connection_has_left(notes: Notes, caller: Caller) -> None:
    peer = caller.sends("GET", "/wait")
    peer.send_eof()
    assert notes.was_cancelled
    assert peer.received == b""


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


def test_a_write_that_takes_too_long_is_answered_for_and_goes_on(
    notes: Notes, caller: Caller
) -> None:
    peer = caller.sends("PUT", "/write")
    caller.clock.advance(31)
    [answer] = answers_in(peer.received)
    assert (answer.status, answer.code) == (503, "handler-deadline")
    assert answer.json["error"] == (
        "there was no answer within 30 s; what was asked for may still be done: "
        "look before you ask again"
    )
    assert not notes.was_cancelled
    notes.waiting.callback(None)
    assert len(answers_in(peer.received)) == 1
    peer.close()


def test_a_write_that_fails_after_its_deadline_is_logged(
    notes: Notes, caller: Caller, logged: list[LogEvent]
) -> None:
    peer = caller.sends("PUT", "/write")
    caller.clock.advance(31)
    notes.waiting.errback(RuntimeError("no room"))
    peer.close()
    [failure] = failures_in(logged)
    assert str(failure["log_failure"].value) == "no room"


@pytest_twisted.ensureDeferred
async def test_a_handler_in_a_thread_goes_on_after_its_deadline(reactor: Any) -> None:
    may_end = threading.Event()
    ended: Deferred[str] = Deferred()
    app = Klein()

    def work() -> str:
        may_end.wait(10)
        reactor.callFromThread(ended.callback, "done")
        return "too late"

    @app.route("/", methods=["GET"])
    @as_json()
    async def root(request: Any) -> Any:
        return await deferToThread(work)

    caller = Caller(app)
    peer = caller.sends("GET", "/")
    caller.clock.advance(31)
    assert answers_in(peer.received)[0].status == 503
    may_end.set()
    assert await ended == "done"
    assert b"too late" not in peer.received
    peer.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")  # the connection serves on
    assert [one.status for one in answers_in(peer.received)] == [503, 404]
    peer.close()


def test_the_deadline_of_one_request_is_not_that_of_the_next(notes: Notes, caller: Caller) -> None:
    peer = caller.sends("GET", "/wait")
    caller.clock.advance(20)
    notes.waiting.callback("first")
    notes.waiting = Deferred()
    peer.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    caller.clock.advance(20)
    assert len(answers_in(peer.received)) == 1
    caller.clock.advance(10)
    assert [one.status for one in answers_in(peer.received)] == [200, 503]
    peer.close()
