"""Connections in memory behave as those over TCP do; results, logs and leaks are told."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import LogEvent, Logger
from zope.interface import alsoProvides

from toolkit.testing import (
    connected,
    failures_in,
    is_waiting,
    leftovers,
    logged as collected,
    result_of,
)

# What a protocol does and what it is told must be the same in memory and over TCP. A script is
# what the protocol does at each event, what the peer does, and the events that follow.


class Scripted(Protocol):
    """Notes what it is told, and does what the script says."""

    transport: Any
    factory: Any

    def __init__(self) -> None:
        self.events: list[str] = []
        self.inside = 0

    def _told(self, event: str) -> None:
        self.events.append(f"{event}, inside of another call" if self.inside else event)
        self.inside += 1
        try:
            self.factory.does(self, event)
        finally:
            self.inside -= 1

    def connectionMade(self) -> None:
        self._told("made")

    def dataReceived(self, data: bytes) -> None:
        self._told(f"data {len(data)}")

    def readConnectionLost(self) -> None:
        self._told("read lost")

    def writeConnectionLost(self) -> None:
        self._told("write lost")

    def connectionLost(self, reason: Any = None) -> None:
        self._told(reason.type.__name__)


class Producer:
    """Writes a block whenever it may, a few times; then unregisters."""

    def __init__(self, protocol: Scripted, streaming: bool) -> None:
        self._protocol = protocol
        self._left = 5
        self._streaming = streaming
        self._running = True
        protocol.transport.registerProducer(self, streaming)
        if streaming:
            self.resumeProducing()

    def resumeProducing(self) -> None:
        self._running = True
        while self._running and self._left:
            self._left -= 1
            number = 4 - self._left
            if not self._left:
                self._protocol.transport.unregisterProducer()
            self._protocol.transport.write(b"%d" % number * 100_000)
            if not self._streaming:
                break

    def pauseProducing(self) -> None:
        self._running = False

    def stopProducing(self) -> None:
        self._protocol.events.append("stop producing")
        self._running = False
        self._left = 0


def answers_and_closes(self: Scripted, event: str) -> None:
    if event.startswith("data"):
        self.transport.write(b"one ")
        self.transport.writeSequence([b"two ", b"three"])
        self.transport.loseConnection()
        self.transport.write(b" four")


def aborts(self: Scripted, event: str) -> None:
    if event.startswith("data"):
        self.transport.write(b"never sent" * 10_000)
        self.transport.abortConnection()
        self.transport.abortConnection()
        self.transport.write(b"dropped")


def closes_at_once(self: Scripted, event: str) -> None:
    if event == "made":
        self.transport.write(b"bye")
        self.transport.loseConnection()


def half_closes(self: Scripted, event: str) -> None:
    if event == "made":
        self.transport.write(b"x" * 200_000)
        self.transport.loseWriteConnection()
        self.transport.write(b"y")
    elif event == "read lost":
        self.transport.loseConnection()


def answers_after_the_half_close(self: Scripted, event: str) -> None:
    if event == "read lost":
        self.transport.write(b"z" * 300_000)
        self.transport.loseConnection()


def closes_while_producing(self: Scripted, event: str) -> None:
    if event == "made":
        Producer(self, streaming=True)
        self.transport.loseConnection()


def pulls_and_closes(self: Scripted, event: str) -> None:
    if event == "made":
        Producer(self, streaming=False)
        self.transport.loseConnection()


def writes_when_lost(self: Scripted, event: str) -> None:
    if event.startswith("data"):
        self.transport.loseConnection()
    if event.startswith("Connection"):
        self.transport.write(b"too late")
        self.transport.loseConnection()
        self.transport.abortConnection()


Script = tuple[Callable[[Scripted, str], None], bool, bytes, int]
# What the protocol does; whether it knows of half-closes; what the peer sends; and after how
# many events the peer half-closes, if at all.
SCRIPTS: dict[str, Script] = {
    "answers and closes": (answers_and_closes, False, b"x", 0),
    "aborts": (aborts, False, b"x", 0),
    "closes at once": (closes_at_once, False, b"", 0),
    "half-closes": (half_closes, True, b"", 2),
    "is half-closed, and cannot": (half_closes, False, b"", 1),
    "answers after the half-close": (answers_after_the_half_close, True, b"x", 2),
    "closes while producing": (closes_while_producing, False, b"", 0),
    "pulls and closes": (pulls_and_closes, False, b"", 0),
    "writes when lost": (writes_when_lost, False, b"x", 0),
}


class Plays(ServerFactory):
    noisy = False

    def __init__(self, script: Script) -> None:
        self.does, self._half_closes, *_ = script
        self.made: list[Scripted] = []

    def buildProtocol(self, addr: object) -> Any:
        protocol = Scripted()
        protocol.factory = self
        if self._half_closes:
            alsoProvides(protocol, IHalfCloseableProtocol)
        self.made.append(protocol)
        return protocol


def in_memory(script: Script) -> tuple[list[str], bytes]:
    _, _, sends, ends = script
    peer = connected(Plays(script))
    if sends:
        peer.send(sends)
    if ends:
        peer.send_eof()
    return peer.protocol.events, peer.received


async def over_tcp(reactor: Any, script: Script) -> tuple[list[str], bytes]:
    _, _, sends, ends = script
    plays = Plays(script)
    port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(plays)
    client = socket.create_connection(("127.0.0.1", port.getHost().port))
    client.setblocking(False)
    received = b""
    if sends:
        client.send(sends)
    while not (plays.made and plays.made[0].events[-1].startswith("Connection")):
        turn: Deferred[None] = Deferred()
        reactor.callLater(0, turn.callback, None)
        await turn
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            received += client.recv(1_000_000)
        if ends and plays.made and len(plays.made[0].events) >= ends:
            client.shutdown(socket.SHUT_WR)
            ends = 0
    client.settimeout(5)
    try:
        while data := client.recv(1_000_000):
            received += data
    except ConnectionResetError:
        pass
    client.close()
    await port.stopListening()
    return plays.made[0].events, received


@pytest.mark.parametrize("name", SCRIPTS)
@pytest_twisted.ensureDeferred
async def test_in_memory_it_goes_as_over_tcp(reactor: Any, name: str) -> None:
    events, received = await over_tcp(reactor, SCRIPTS[name])
    memory_events, memory_received = in_memory(SCRIPTS[name])
    assert memory_events == events
    if name != "is half-closed, and cannot":  # how much came before is a matter of time
        assert memory_received == received


class Holds(Protocol):
    """Does nothing by itself."""

    transport: Any

    def __init__(self) -> None:
        self.paused = 0

    def pauseProducing(self) -> None:
        self.paused += 1

    def resumeProducing(self) -> None:
        self.paused -= 1

    def stopProducing(self) -> None: ...


def test_a_producer_is_paused_by_more_than_the_buffer_and_resumed_when_it_is_empty() -> None:
    peer = connected(ServerFactory.forProtocol(Holds))
    protocol = peer.protocol
    protocol.transport.registerProducer(protocol, True)
    peer.stops_reading()
    protocol.transport.write(b"x" * 65_536)
    assert protocol.paused == 0
    protocol.transport.write(b"x")
    assert protocol.paused == 1
    peer.starts_reading()
    assert protocol.paused == 0
    assert len(peer.received) == 65_537
    peer.close()


def test_what_is_sent_while_the_protocol_does_not_read_waits_in_order() -> None:
    class Reads(Protocol):
        transport: Any
        got = b""

        def dataReceived(self, data: bytes) -> None:
            self.got += data

    peer = connected(ServerFactory.forProtocol(Reads))
    peer.transport.pauseProducing()
    peer.send(b"one ")
    peer.send(b"two")
    assert peer.protocol.got == b""
    peer.transport.resumeProducing()
    assert peer.protocol.got == b"one two"
    peer.close()


def test_text_is_refused_as_over_tcp() -> None:
    peer = connected(ServerFactory.forProtocol(Holds))
    text: Any = "text"
    with pytest.raises(TypeError, match="bytes"):
        peer.transport.write(text)
    peer.close()


def test_the_socket_options_of_tcp_are_kept() -> None:
    peer = connected(ServerFactory.forProtocol(Holds))
    peer.transport.setTcpNoDelay(True)
    peer.transport.setTcpKeepAlive(True)
    assert peer.transport.getTcpNoDelay()
    assert peer.transport.getTcpKeepAlive()
    peer.close()


# Results


def test_the_result_of_a_deferred_is_given_and_stays() -> None:
    deferred = succeed(3)
    assert result_of(deferred) == 3
    assert result_of(deferred) == 3


def test_a_failure_is_raised_and_handled() -> None:
    with pytest.raises(ZeroDivisionError):
        result_of(fail(ZeroDivisionError()))


def test_without_a_result_it_says_so_and_takes_nothing_away() -> None:
    deferred: Deferred[int] = Deferred()
    assert is_waiting(deferred)
    with pytest.raises(AssertionError, match="no result yet"):
        result_of(deferred)
    deferred.callback(3)
    assert not is_waiting(deferred)
    assert result_of(deferred) == 3


def test_one_that_waits_for_another_is_waiting() -> None:
    inner: Deferred[int] = Deferred()
    outer = succeed(None).addCallback(lambda _: inner)
    assert is_waiting(outer)
    inner.callback(4)
    assert not is_waiting(outer)
    assert result_of(outer) == 4


def test_events_are_collected_inside_the_with_and_not_after() -> None:
    log = Logger()
    with collected() as outer:
        with collected() as inner:
            log.info("both")
        log.info("outer")
    log.info("none")
    assert [event["log_format"] for event in inner] == ["both"]
    assert [event["log_format"] for event in outer] == ["both", "outer"]


def test_failures_are_told_from_other_events(logged: list[LogEvent]) -> None:
    log = Logger()
    with collected() as events:
        log.info("fine")
        log.error("an error that was handled")
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            log.failure("a bug")
    assert [event["log_format"] for event in failures_in(events)] == ["a bug"]


@pytest_twisted.ensureDeferred
async def test_timers_sockets_and_processes_are_left_over_until_they_are_gone(reactor: Any) -> None:
    from twisted.internet.protocol import ProcessProtocol

    assert leftovers(reactor) == []
    timer = reactor.callLater(1000, int)
    assert leftovers(reactor)[0].startswith("timer: ")
    timer.cancel()
    port = reactor.listenTCP(0, ServerFactory(), interface="127.0.0.1")
    assert leftovers(reactor)[0].startswith("reader: ")
    await port.stopListening()

    class Ends(ProcessProtocol):
        def __init__(self) -> None:
            self.ended: Deferred[None] = Deferred()

        def processEnded(self, reason: object) -> None:
            self.ended.callback(None)

    protocol = Ends()
    reactor.spawnProcess(protocol, sys.executable, [sys.executable, "-c", ""], env={})
    assert any(line.startswith("process: ") for line in leftovers(reactor))
    await protocol.ended
    assert leftovers(reactor) == []


# The fixture that every test has

LEAKS = """
import pytest, socket
from twisted.internet.defer import fail
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

def test_timer(reactor):
    reactor.callLater(1000, int)

def test_port(reactor):
    reactor.listenTCP(0, ServerFactory(), interface="127.0.0.1")

def test_socket():
    socket.socket()

def test_deferred():
    fail(ZeroDivisionError())

def test_deferred_in_a_cycle():
    held = [fail(ZeroDivisionError())]
    held.append(held)

def test_failure():
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        Logger().failure("a bug")

def test_collected(logged):
    fail(ZeroDivisionError())

def test_clean(reactor):
    reactor.callLater(0, int)
"""


def test_a_test_that_leaves_something_behind_fails_and_the_next_does_not(tmp_path: Path) -> None:
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "tests.conftest", "-W", "error",
            "-p", "no:cacheprovider", "-q", "-rA", str(tmp_path),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )  # fmt: skip
    told = [line.split() for line in done.stdout.splitlines()]
    outcomes = {(words[0], words[1].partition("::")[2]) for words in told if len(words) > 1}
    failed = {name for outcome, name in outcomes if outcome in ("ERROR", "FAILED")}
    passed = {name for outcome, name in outcomes if outcome == "PASSED"} - failed
    assert failed == {
        "test_timer",
        "test_port",
        "test_socket",
        "test_deferred",
        "test_deferred_in_a_cycle",
        "test_failure",
    }, done.stdout
    assert passed == {"test_collected", "test_clean"}, done.stdout
