"""Connections are bounded, used again, and given to requests in their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as some
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone

from tests.http.wires import Wires, response
from toolkit.http.failures import FetchError
from toolkit.testing import is_waiting, result_of


def status(deferred: Any) -> int:
    code: int = result_of(deferred).code
    return code


def code(deferred: Any) -> str:
    with pytest.raises(FetchError) as caught:
        result_of(deferred)
    return caught.value.code


def is_cancelled(deferred: Any) -> bool:
    with pytest.raises(CancelledError):
        result_of(deferred)
    return True


def test_a_connection_is_used_again() -> None:
    wires = Wires()
    for _ in range(3):
        answered = wires.ask()
        assert wires.opened[0].sent().startswith(b"GET / HTTP/1.1\r\n")
        wires.opened[0].connection.dataReceived(response())
        assert status(answered) == 200
    assert len(wires.opened) == 1


def test_one_to_another_origin_is_opened_and_the_last_used_is_taken_first() -> None:
    wires = Wires()
    answers = [wires.ask(), wires.ask(), wires.ask("two")]
    assert len(wires.opened) == 3
    for wire in wires.opened:
        wire.connection.dataReceived(response())
    assert list(map(status, answers)) == [200, 200, 200]
    wires.ask()
    assert [bool(wire.value().count(b"GET") == 2) for wire in wires.opened] == [False, True, False]


def test_what_exceeds_the_limit_of_an_origin_waits_its_turn() -> None:
    wires = Wires()
    answers = [wires.ask(target=b"/%d" % number) for number in range(5)]
    assert len(wires.opened) == 2
    assert [is_waiting(answer) for answer in answers] == [True] * 5
    for number, wire in ((0, 0), (2, 0), (1, 1), (3, 0)):
        assert b"GET /%d " % number in wires.opened[wire].sent()
        wires.opened[wire].connection.dataReceived(response())
        assert status(answers[number]) == 200
    assert b"GET /4 " in wires.opened[1].sent()
    assert len(wires.opened) == 2


def test_one_too_many_in_the_queue_fails_at_once() -> None:
    wires = Wires(max_waiting=1)
    answers = [wires.ask() for _ in range(4)]
    assert code(answers[3]) == "queue-full"
    assert [is_waiting(answer) for answer in answers[:3]] == [True] * 3


def test_an_idle_connection_gives_way_to_another_origin() -> None:
    wires = Wires(max_connections=2)
    for host in ("one", "two"):
        wires.ask(host)
        wires.opened[-1].connection.dataReceived(response())
    wires.ask("three")
    assert [wire.connected for wire in wires.opened] == [False, True, True]
    assert b"Host: three\r\n" in wires.opened[2].sent()


def test_who_has_waited_longest_is_next_whatever_its_origin() -> None:
    wires = Wires(max_connections=2)
    first = [wires.ask("one"), wires.ask("one")]
    wires.ask("one", target=b"/third")
    wires.ask("two", target=b"/fourth")
    wires.ask("one", target=b"/fifth")
    for wire in list(wires.opened):
        wire.sent()
        wire.connection.dataReceived(response())
    assert list(map(status, first)) == [200, 200]
    assert b"/third" in wires.opened[0].sent()
    assert not wires.opened[1].connected  # it gave way
    assert b"/fourth" in wires.opened[2].sent()
    wires.opened[2].connection.dataReceived(response())
    assert b"/fifth" in wires.opened[3].sent()
    assert len(wires.opened) == 4


@given(
    some.lists(some.tuples(some.sampled_from("abc"), some.integers(0, 5)), max_size=30),
    some.integers(1, 4),
    some.integers(1, 3),
)
def test_whatever_happens_every_request_is_answered_and_no_limit_is_passed(
    acts: list[tuple[str, int]], in_all: int, for_each: int
) -> None:
    wires = Wires(max_connections=in_all, max_per_origin=for_each, max_waiting=100, max_idle=2)
    wires.waits = True
    answers = []

    def live() -> list[Any]:
        return [wire for wire in wires.opened if wire.connected]

    def step(act: int, host: str) -> None:
        busy = [wire for wire in live() if wire.connection._request is not None]
        if act == 0:
            answers.append(wires.ask(host))
        elif act == 1 and wires.opening:
            wires.open(wires.opening[0])
        elif act == 2 and busy:
            busy[0].connection.dataReceived(response())
        elif act == 3 and live():
            live()[-1].end(ConnectionDone())
        elif act == 4 and answers:
            answers[-1].cancel()
        elif act == 5 and wires.opening:
            wires.opening.pop(0).errback(FetchError("no", "connect-refused"))
        for origin in wires.origins.values():
            assert origin.connections <= for_each
        assert len(live()) + len(wires.opening) <= in_all

    for host, act in acts:
        step(act, host)
    for _ in range(300):
        step(1, "a")
        step(2, "a")
    assert not any(map(is_waiting, answers))
    for answer in answers:
        answer.addErrback(lambda failure: failure.trap(FetchError, CancelledError))
    result = wires.pool.close()
    assert result_of(result) is None
    assert not live()
    assert not wires.clock.getDelayedCalls()


def test_idle_connections_are_closed_when_their_time_is_over() -> None:
    wires = Wires()
    wires.ask()
    wires.opened[0].connection.dataReceived(response())
    wires.clock.advance(10)
    wires.ask("two")
    wires.opened[1].connection.dataReceived(response())
    wires.clock.advance(5)
    assert [wire.connected for wire in wires.opened] == [False, True]
    wires.clock.advance(10)
    assert [wire.connected for wire in wires.opened] == [False, False]
    result_of(wires.pool.close())
    assert not wires.clock.getDelayedCalls()


def test_no_more_idle_ones_are_kept_than_allowed() -> None:
    wires = Wires(max_idle=1)
    for host in ("one", "two"):
        wires.ask(host)
        wires.opened[-1].connection.dataReceived(response())
    assert [wire.connected for wire in wires.opened] == [False, True]
    assert result_of(wires.pool.close()) is None


def test_an_idle_connection_that_its_server_closes_is_forgotten() -> None:
    wires = Wires()
    wires.ask()
    wires.opened[0].connection.dataReceived(response())
    wires.opened[0].end(ConnectionDone())
    wires.ask()
    assert len(wires.opened) == 2


def test_an_idle_connection_on_which_something_comes_is_closed() -> None:
    wires = Wires()
    wires.ask()
    wires.opened[0].connection.dataReceived(response())
    wires.opened[0].connection.dataReceived(b"HTTP/1.1 408 Too late\r\n\r\n")
    assert wires.opened[0].aborted


def test_a_failure_to_connect_is_its_requests_and_the_next_tries_again() -> None:
    wires = Wires(max_per_origin=1)
    wires.waits = True
    first, second = wires.ask(), wires.ask()
    wires.opening.pop().errback(FetchError("nobody there", "connect-refused"))
    assert code(first) == "connect-refused"
    wires.open(wires.opening[0]).connection.dataReceived(response())
    assert status(second) == 200


@pytest.mark.parametrize("when", ["waiting", "connecting", "sent"])
def test_cancelling_frees_what_a_request_held(when: str) -> None:
    wires = Wires(max_per_origin=1)
    wires.waits = when == "connecting"
    first = wires.ask()
    second = wires.ask() if when == "waiting" else first
    second.cancel()
    assert is_cancelled(second)
    if when == "waiting":
        wires.opened[0].connection.dataReceived(response())
        assert status(first) == 200
        assert wires.opened[0].sent().count(b"GET") == 1
    elif when == "sent":
        assert wires.opened[0].aborted
    wires.waits = False
    wires.ask()
    assert len(wires.opened) == {"waiting": 1, "connecting": 1, "sent": 2}[when]


def test_close_ends_everything_and_takes_nothing_more() -> None:
    wires = Wires(max_per_origin=1)
    sent, waiting = wires.ask(), wires.ask()
    wires.waits = True
    connecting = wires.ask("two")
    wires.waits = False
    wires.ask("three")
    wires.opened[-1].connection.dataReceived(response())  # idle
    closing = wires.pool.close()
    assert code(sent) == code(waiting) == "cancelled"
    assert is_cancelled(connecting)
    assert result_of(closing) is None
    assert not any(wire.connected for wire in wires.opened)
    assert code(wires.ask()) == "cancelled"
    assert result_of(wires.pool.close()) is None
