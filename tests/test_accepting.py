"""A port that has no file descriptor left says so seldom, rests, and serves again."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent

from toolkit.accepting import REST_SECONDS, Accepting


class Reactor(Clock):
    """A Clock that knows who reads."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None: ...


class Full:
    """A listening socket whose accept does these things, one after another, then blocks."""

    def __init__(self, real: socket.socket, *outcomes: int) -> None:
        self._real = real
        self._outcomes = list(outcomes)

    def accept(self) -> Any:
        outcome = self._outcomes.pop(0) if self._outcomes else errno.EWOULDBLOCK
        if outcome:
            raise OSError(outcome, errno.errorcode[outcome])
        one, self._other = socket.socketpair()
        self._other.close()
        return one, ("192.0.2.1", 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def port(reactor: Reactor) -> Iterator[Any]:
    port: Any = Accepting(0, Factory.forProtocol(Protocol), 5, "127.0.0.1", reactor)
    port.factory.noisy = False
    port.startListening()
    yield port
    if port.connected:
        port.stopListening()
        reactor.advance(0)
    assert reactor.getDelayedCalls() == []


def warnings(logged: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in logged if event["log_level"] is LogLevel.warn]


def test_those_closed_with_the_descriptor_in_reserve_are_one_line_a_second(
    port: Any, reactor: Reactor, logged: list[LogEvent]
) -> None:
    real = port.socket
    for _ in range(5):
        port.socket, port.numberAccepts = Full(real, errno.EMFILE, *[0] * 20), 100
        port.doRead()
        assert port in reactor.readers
        reactor.advance(0)
    assert [line.partition(": ")[2][:19] for line in warnings(logged)] == ["20 closed unserved;"]
    reactor.advance(1)
    assert [line.partition(": ")[2][:19] for line in warnings(logged)][1:] == [
        "80 closed unserved;"
    ]
    reactor.advance(10)
    assert len(warnings(logged)) == 2
    assert "has no file descriptor for new connections (EMFILE)" in warnings(logged)[0]
    assert warnings(logged)[0].startswith(f"tcp:127.0.0.1:{port.getHost().port} has no")
    port.socket = real


@pytest.mark.parametrize("error", [errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_one_that_cannot_accept_at_all_rests_and_tries_again(
    port: Any, reactor: Reactor, logged: list[LogEvent], error: int
) -> None:
    real = port.socket
    for _ in range(10):
        port.socket = Full(real, error)
        port.doRead()
        assert port not in reactor.readers
        reactor.advance(0)
        reactor.advance(REST_SECONDS)
        assert port in reactor.readers
    port.socket = real
    said = warnings(logged)
    assert 1 <= len(said) <= 10 * REST_SECONDS + 1
    assert f"({errno.errorcode[error]}): 0 closed unserved, others wait;" in said[0]
    assert logged[-1]["log_level"] is LogLevel.warn or len(said) == 1
    reactor.advance(10)
    assert len(warnings(logged)) == len(said)


def test_without_the_descriptor_in_reserve_it_rests_too(port: Any, reactor: Reactor) -> None:
    real = port.socket
    port.socket = Full(real, errno.EMFILE)
    with tcp._reservedFD:  # it is closed in there, as if something else had taken it
        port.doRead()
    assert port not in reactor.readers
    port.socket = real


def test_a_port_that_rests_can_be_closed(port: Any, reactor: Reactor) -> None:
    real = port.socket
    port.socket = Full(real, errno.ENFILE)
    port.doRead()
    port.socket = real
    port.stopListening()
    reactor.advance(0)
    assert not port.connected
    assert reactor.getDelayedCalls() == []
    assert port not in reactor.readers


def test_the_last_ones_are_told_at_the_close(
    port: Any, reactor: Reactor, logged: list[LogEvent]
) -> None:
    real = port.socket
    for _ in range(2):
        port.socket, port.numberAccepts = Full(real, errno.EMFILE, 0, 0), 100
        port.doRead()
        reactor.advance(0)
    port.socket = real
    port.stopListening()
    reactor.advance(0)
    assert [" 2 closed unserved;" in line for line in warnings(logged)] == [True, True]


def test_a_peer_that_gives_up_meanwhile_is_no_lack(
    port: Any, reactor: Reactor, logged: list[LogEvent]
) -> None:
    real = port.socket
    port.socket = Full(real, errno.ECONNABORTED)
    port.doRead()
    port.socket = real
    assert port in reactor.readers
    assert warnings(logged) == []
