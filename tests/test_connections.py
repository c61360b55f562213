"""The limits of connections: how many, how long idle, how long stalled, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from toolkit.connections import Connections
from toolkit.listen import ListenSettings
from toolkit.services.echo import EchoFactory
from toolkit.testing import Peer, connected, is_waiting


class Sink(Protocol):
    """Reads, and answers nothing."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.lost = 0

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost += 1


class Builds(ServerFactory):
    """A quiet factory of these protocols."""

    noisy = False

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return self._build()


def limited(
    clock: Clock, protocol: Callable[[], Any] = Sink, **settings: Any
) -> tuple[Connections, Callable[..., Peer]]:
    """The limits round a factory of these protocols, and a function that connects to it."""
    connections = Connections(clock, Builds(protocol), ListenSettings(**settings), "sink")

    def connect(address: IAddress | None = None) -> Peer:
        return connected(connections, address or IPv4Address("TCP", "192.0.2.1", 1000))

    return connections, connect


def pass_time(clock: Clock, seconds: float, each: Callable[[], object] = lambda: None) -> None:
    """Let time go by in quarters of a second, and do something at each."""
    for _ in range(int(seconds * 4)):
        each()
        clock.advance(0.25)


def addresses(*hosts: str) -> list[IAddress]:
    kinds = {True: IPv6Address, False: IPv4Address}
    return [kinds[":" in host]("TCP", host, 1000) for host in hosts]


# How many


def test_one_too_many_in_all_is_closed_at_once_and_the_others_stay() -> None:
    connections, connect = limited(Clock(), max_connections=2)
    first, second, third = connect(), connect(), connect()
    assert (first.connected, second.connected, third.connected) == (True, True, False)
    assert connections.refused_in_all == 1
    assert len(connections) == 2


def test_a_slot_is_free_again_when_its_connection_ends() -> None:
    connections, connect = limited(Clock(), max_connections=1, max_connections_per_peer=1)
    for _ in range(3):
        peer = connect()
        assert peer.connected
        peer.close()
    assert len(connections) == 0
    assert connections.refused_in_all == 0
    assert not connections._by_peer  # a million peers that have gone cost nothing


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::1", "::ffff:127.0.0.1", False),
    ],
)
def test_a_peer_is_an_ipv4_address_or_an_ipv6_64(one: str, another: str, same: bool) -> None:
    _, connect = limited(Clock(), max_connections_per_peer=1)
    first, second = (connect(address) for address in addresses(one, another))
    assert first.connected
    assert second.connected is not same


def test_connections_over_a_unix_socket_are_not_counted_by_peer() -> None:
    _, connect = limited(Clock(), max_connections_per_peer=1)
    peers = [connect(UNIXAddress(b"")) for _ in range(3)]
    assert all(peer.connected for peer in peers)


def test_many_refusals_are_one_line_a_second_that_counts_them(logged: list[LogEvent]) -> None:
    clock = Clock()
    connections, connect = limited(clock, max_connections=1)
    connect()
    for _ in range(500):
        connect()
    clock.advance(1)
    clock.advance(1)
    connect()
    counts = [event["refused"] for event in logged if "refused" in event]
    assert counts == [1, 499, 1]
    assert connections.refused_in_all == 501


def test_the_last_refusals_are_told_at_the_close(logged: list[LogEvent]) -> None:
    clock = Clock()
    connections, connect = limited(clock, max_connections=1)
    peer = connect()
    for _ in range(3):
        connect()
    peer.close()
    connections.close()
    assert [event["refused"] for event in logged if "refused" in event] == [1, 2]
    assert clock.getDelayedCalls() == []


def test_the_line_about_a_refusal_says_which_limit(logged: list[LogEvent]) -> None:
    clock = Clock()
    _, connect = limited(clock, max_connections=3, max_connections_per_peer=2)
    one, other = addresses("192.0.2.1", "192.0.2.2")
    for address in (one, one, one):
        connect(address)
    clock.advance(2)
    connect(other)
    connect(other)
    formats = [str(event["log_format"]) for event in logged if "refused" in event]
    assert "peer has {limit}" in formats[0]
    assert "there are {limit}" in formats[1]


# What a factory or a protocol may do


class Broken(Sink):
    def connectionMade(self) -> None:
        raise ZeroDivisionError


def test_a_protocol_whose_beginning_raises_is_disconnected_and_frees_its_slot() -> None:
    connections, connect = limited(Clock(), Broken, max_connections=1)
    with pytest.raises(ZeroDivisionError):
        connect()
    # In memory nobody is there to end it; the abort has been asked for.
    (connection,) = connections._open
    assert connection.transport.aborting
    connection.transport._peer.pump()
    assert len(connections) == 0
    assert connection.protocol.lost == 1


def test_a_factory_that_builds_nothing_has_the_connection_closed() -> None:
    connections, connect = limited(Clock(), lambda: None)
    assert not connect().connected
    assert len(connections) == 0


def test_a_factory_that_raises_has_the_connection_closed_and_the_failure_logged(
    logged: list[LogEvent],
) -> None:
    def fails() -> Protocol:
        raise ZeroDivisionError

    connections, connect = limited(Clock(), fails)
    assert not connect().connected
    assert len(connections) == 0
    (event,) = (event for event in logged if "log_failure" in event)
    assert event["log_failure"].check(ZeroDivisionError)


def test_an_end_that_raises_frees_the_slot_all_the_same() -> None:
    class BadEnd(Sink):
        def connectionLost(self, reason: object = None) -> None:
            raise ZeroDivisionError

    connections, connect = limited(Clock(), BadEnd)
    peer = connect()
    with pytest.raises(ZeroDivisionError):
        peer.close()
    assert len(connections) == 0


def test_a_connection_that_is_given_another_protocol_frees_its_slot() -> None:
    connections, connect = limited(Clock(), idle_seconds=10)
    peer = connect()
    replacement = Sink()
    replacement.makeConnection(peer.transport)
    peer.transport.protocol = peer.protocol = replacement
    peer.close()
    assert replacement.lost == 1
    assert len(connections) == 0


def test_nothing_of_ours_is_left_on_protocol_or_transport_when_it_is_over() -> None:
    clock = Clock()
    _, connect = limited(clock)
    peer = connect()
    before = {"makeConnection", "connectionLost", "dataReceived", "doRead", "write"}
    pass_time(clock, 6)
    peer.close()
    assert not before & {*vars(peer.protocol), *vars(peer.transport)}
    assert clock.getDelayedCalls() == []


def test_between_two_looks_a_busy_connection_carries_no_hook() -> None:
    clock = Clock()
    _, connect = limited(clock)
    peer = connect()
    watched = {"doRead", "write", "writeSequence"}
    pass_time(clock, 3)
    assert watched <= {*vars(peer.transport)}
    peer.send(b"x")
    assert not watched & {*vars(peer.transport)}
    assert "dataReceived" not in vars(peer.protocol)
    peer.close()


def test_methods_that_a_protocol_has_of_its_own_are_called_and_kept() -> None:
    calls: list[str] = []
    protocol = Sink()
    own: dict[str, Callable[..., None]] = {
        "makeConnection": lambda transport: calls.append("made"),
        "dataReceived": lambda data: calls.append("data"),
        "connectionLost": lambda reason: calls.append("lost"),
    }
    vars(protocol).update(own)
    clock = Clock()
    connections, connect = limited(clock, lambda: protocol)
    peer = connect()
    pass_time(clock, 6)
    peer.send(b"x")
    peer.close()
    assert calls == ["made", "data", "lost"]
    assert {name: vars(protocol)[name] for name in own} == own
    assert len(connections) == 0


def test_a_protocol_may_replace_its_own_dataReceived_at_any_time() -> None:
    clock = Clock()
    connections, connect = limited(clock, idle_seconds=8)
    peer = connect()
    got: list[bytes] = []
    pass_time(clock, 6)
    vars(peer.protocol)["dataReceived"] = got.append
    pass_time(clock, 20, lambda: peer.send(b"x"))
    assert len(got) == 80
    assert peer.connected
    pass_time(clock, 11)
    assert not peer.connected
    assert len(connections) == 0


def test_a_method_kept_from_before_still_writes_after_the_hook_has_gone() -> None:
    clock = Clock()
    _, connect = limited(clock)
    peer = connect()
    pass_time(clock, 3)
    kept = peer.transport.write
    kept(b"one ")
    kept(b"two ")
    pass_time(clock, 3)
    kept(b"three")
    assert peer.received == b"one two three"
    peer.close()


class Modes(LineReceiver):
    delimiter = b"\n"
    transport: Any

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self.got.append(line)
        if line == b"raw":
            self.setRawMode()

    def rawDataReceived(self, data: bytes) -> None:
        self.got.append(data)
        self.setLineMode(b"")


def test_a_line_receiver_that_changes_its_mode_gets_every_byte() -> None:
    clock = Clock()
    _, connect = limited(clock, Modes)
    peer = connect()
    for data in (b"a\nraw\n", b"\x00\x01", b"b\n"):
        pass_time(clock, 6)
        peer.send(data)
    assert peer.protocol.got == [b"a", b"raw", b"\x00\x01", b"b"]
    peer.close()


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        return b"hello"


def test_a_site_answers_within_limits_and_frees_its_slot() -> None:
    clock = Clock()
    site = Site(Hello(), reactor=clock)
    site.noisy = False
    connections = Connections(clock, site, ListenSettings(idle_seconds=40), "site")
    peer = connected(connections)
    for number in range(1, 4):
        pass_time(clock, 30)
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.received.count(b"hello") == number
    assert len(connections) == 1
    pass_time(clock, 51)
    assert not peer.connected
    assert len(connections) == 0
    site.stopFactory()


def test_an_end_that_is_told_twice_is_one_end() -> None:
    connections, connect = limited(Clock())
    peer, other = connect(), connect()
    end = peer.transport.connectionLost  # what an abort has asked the reactor to call
    peer.close()
    end(Failure(ConnectionAborted()))
    assert peer.protocol.lost == 1
    assert len(connections) == 1
    other.close()


def test_what_others_put_on_a_transport_stays() -> None:
    clock = Clock()
    _, connect = limited(clock)
    peer = connect()
    pass_time(clock, 3)
    written: list[bytes] = []
    vars(peer.transport)["write"] = written.append
    peer.send(b"x")
    peer.transport.write(b"y")
    assert written == [b"y"]
    peer.close()


# Idle


def test_a_connection_without_a_byte_is_closed_after_idle_seconds_and_not_before() -> None:
    clock = Clock()
    _, connect = limited(clock, idle_seconds=40)
    peer = connect()
    pass_time(clock, 39.75)
    assert peer.connected
    pass_time(clock, 5.5)
    assert not peer.connected
    assert peer.protocol.lost == 1


@pytest.mark.parametrize("last", [0.0, 0.25, 2.25, 2.5, 4.75])
def test_it_is_idle_since_its_last_byte(last: float) -> None:
    clock = Clock()
    _, connect = limited(clock, idle_seconds=40)
    peer = connect()
    pass_time(clock, last)
    peer.send(b"x")
    pass_time(clock, 39.75)
    assert peer.connected
    pass_time(clock, 5.5)
    assert not peer.connected


def test_a_limit_of_next_to_nothing_is_looked_at_some_times_a_second() -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=1e-9, idle_seconds=1e-9)
    peer = connect()
    [look] = clock.getDelayedCalls()
    assert look.getTime() >= 0.02
    clock.pump([0.02, 0.02])
    assert not peer.connected


def test_one_that_only_sends_lives() -> None:
    clock = Clock()
    _, connect = limited(clock, idle_seconds=4)
    peer = connect()
    pass_time(clock, 60, lambda: peer.send(b"x"))
    assert peer.connected
    peer.close()


@pytest.mark.parametrize("method", ["write", "writeSequence"])
def test_one_that_only_receives_lives(method: str) -> None:
    clock = Clock()
    _, connect = limited(clock, idle_seconds=4)
    peer = connect()
    data: Any = b"x" if method == "write" else [b"x"]
    pass_time(clock, 60, lambda: getattr(peer.transport, method)(data))
    assert peer.connected
    peer.close()


@pytest.mark.parametrize("pause", [3.75, 2.0, 1.0])
def test_one_that_sends_a_byte_now_and_then_lives(pause: float) -> None:
    clock = Clock()
    _, connect = limited(clock, idle_seconds=4)
    peer = connect()
    for _ in range(20):
        pass_time(clock, pause)
        peer.send(b"x")
    assert peer.connected
    peer.close()


@given(st.lists(st.integers(0, 39).map(lambda tenths: tenths / 10), max_size=30))
def test_whatever_the_rhythm_only_a_pause_as_long_as_idle_seconds_closes(
    pauses: list[float],
) -> None:
    clock = Clock()
    _, connect = limited(clock, idle_seconds=4)
    peer = connect()
    for pause in pauses:
        clock.pump([pause / 4] * 4)
        peer.send(b"x")
        assert peer.connected
    clock.pump([0.25] * 21)
    assert not peer.connected
    assert clock.getDelayedCalls() == []


# A peer that does not read


def test_a_peer_that_reads_nothing_is_aborted_after_write_stall_seconds() -> None:
    clock = Clock()
    connections, connect = limited(clock, write_stall_seconds=20, idle_seconds=1000)
    peer = connect()
    peer.stops_reading()
    peer.transport.write(b"x")
    pass_time(clock, 19.75)
    assert peer.connected
    pass_time(clock, 5.5)
    assert not peer.connected
    assert len(connections) == 0


def test_a_stalled_peer_that_goes_on_sending_is_aborted_all_the_same() -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=20)
    peer = connect()
    peer.stops_reading()
    peer.transport.write(b"x")
    pass_time(clock, 25.25, lambda: peer.send(b"x"))
    assert not peer.connected


@pytest.mark.parametrize("method", ["write", "writeSequence"])
def test_a_stalled_peer_that_is_written_to_is_aborted_all_the_same(method: str) -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=20)
    peer = connect()
    peer.stops_reading()
    data: Any = b"x" if method == "write" else [b"x"]
    pass_time(clock, 25.25, lambda: getattr(peer.transport, method)(data))
    assert not peer.connected


class SlowPeer:
    """Takes a few bytes now and then; the rest waits in the transport."""

    def __init__(self, peer: Peer) -> None:
        self._transport: Any = peer.transport
        peer.stops_reading()
        vars(self._transport)["writeSomeData"] = self._takes
        self.taken = 0

    def _takes(self, data: bytes) -> int:
        self.taken += min(len(data), 100)
        return min(len(data), 100)

    def takes_some(self) -> None:
        assert self._transport.doWrite() is None


@pytest.mark.parametrize("pause", [15.0, 5.0, 2.5])
def test_one_that_reads_slowly_lives(pause: float) -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=20, idle_seconds=4)
    peer = connect()
    slow = SlowPeer(peer)
    peer.transport.write(b"x" * 1_000_000)
    for _ in range(20):
        pass_time(clock, pause)
        slow.takes_some()
    assert slow.taken == 2000
    assert peer.connected
    peer.vanish()


def test_one_that_has_just_taken_the_last_byte_is_not_idle_yet() -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=20, idle_seconds=8)
    peer = connect()
    slow = SlowPeer(peer)
    peer.transport.write(b"x" * 300)
    for _ in range(3):
        pass_time(clock, 12)
        slow.takes_some()
    assert slow.taken == 300
    peer.starts_reading()
    pass_time(clock, 7.75)
    assert peer.connected
    pass_time(clock, 2.25)
    assert not peer.connected


def test_one_that_is_owed_something_is_not_idle_but_stalled() -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=60, idle_seconds=4)
    peer = connect()
    peer.stops_reading()
    peer.transport.write(b"x")
    pass_time(clock, 50)
    assert not peer.transport.disconnecting
    pass_time(clock, 11)
    assert not peer.connected


def test_one_whose_every_turn_leaves_fresh_bytes_waiting_is_not_stalled() -> None:
    # A transport that sends at the turn's end has bytes waiting whenever one looks.
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=4)
    peer = connect()
    transport = peer.transport
    peer.stops_reading()

    def turn() -> None:
        transport._tempDataBuffer, transport._tempDataLen = [], 0  # sent, past doWrite
        transport.write(bytes(bytearray(b"fresh")))

    pass_time(clock, 30, turn)
    assert peer.connected
    peer.vanish()


def test_what_waits_only_since_a_moment_ago_is_not_stalled() -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=8, idle_seconds=1000)
    peer = connect()
    pass_time(clock, 30.75)
    peer.stops_reading()
    peer.transport.write(b"x")
    pass_time(clock, 7.75)
    assert peer.connected
    pass_time(clock, 2.5)
    assert not peer.connected


def test_a_close_that_waits_for_a_stalled_peer_ends() -> None:
    clock = Clock()
    _, connect = limited(clock, write_stall_seconds=20, idle_seconds=1000)
    peer = connect()
    peer.stops_reading()
    peer.transport.write(b"x")
    peer.transport.loseConnection()
    assert peer.connected
    pass_time(clock, 25.25)
    assert not peer.connected


def test_a_close_that_a_paused_producer_holds_up_ends() -> None:
    clock = Clock()
    connections = Connections(
        clock, EchoFactory(), ListenSettings(write_stall_seconds=20, idle_seconds=1000), "echo"
    )
    peer = connected(connections)
    peer.stops_reading()
    peer.send(b"x" * 100_000)
    peer.transport.loseConnection()
    peer.starts_reading()
    assert peer.connected  # Twisted waits for the producer to say that it is done
    pass_time(clock, 25.25)
    assert not peer.connected


# The end


def test_when_draining_one_is_closed_that_is_quiet_for_a_second_and_owed_nothing() -> None:
    clock = Clock()
    connections, connect = limited(clock)
    quiet, owed = connect(), connect()
    owed.stops_reading()
    owed.transport.write(b"x")
    for _ in range(4):
        connections.close_quiet()
        assert quiet.connected
        clock.advance(0.25)
    connections.close_quiet()
    assert not quiet.connected
    clock.advance(5)
    connections.close_quiet()
    assert owed.connected
    assert not owed.transport.disconnecting
    owed.starts_reading()
    for _ in range(6):
        connections.close_quiet()
        clock.advance(0.25)
    assert not owed.connected


@implementer(IHalfCloseableProtocol)
class Drains(Sink):
    asked = 0

    def drain(self) -> None:
        self.asked += 1

    def readConnectionLost(self) -> None: ...

    def writeConnectionLost(self) -> None: ...


def test_a_protocol_with_a_drain_of_its_own_is_asked_once_and_left_alone() -> None:
    clock = Clock()
    connections, connect = limited(clock, Drains)
    peer = connect()
    pass_time(clock, 10)
    connections.close_quiet()
    pass_time(clock, 3)
    connections.close_quiet()
    assert peer.protocol.asked == 1
    assert peer.connected
    peer.close()


def test_a_drain_that_raises_is_logged_and_the_others_are_asked(logged: list[LogEvent]) -> None:
    class Bad(Drains):
        def drain(self) -> None:
            super().drain()
            raise ZeroDivisionError

    connections, connect = limited(Clock(), Bad)
    peers = [connect(), connect()]
    connections.close_quiet()
    assert [peer.protocol.asked for peer in peers] == [1, 1]
    assert not any(peer.connected for peer in peers)
    assert sum("log_failure" in event for event in logged) == 2


def test_emptied_fires_when_the_last_connection_is_lost_and_its_protocol_told() -> None:
    connections, connect = limited(Clock())
    peer = connect()
    emptied = connections.emptied()
    told: list[int] = []
    emptied.addCallback(lambda _: told.append(peer.protocol.lost))
    assert is_waiting(emptied)
    peer.close()
    assert told == [1]
    assert not is_waiting(connections.emptied())


def test_the_end_of_one_may_end_others_in_the_middle_of_a_look() -> None:
    clock = Clock()
    peers: list[Peer] = []

    class Chained(Sink):
        def connectionLost(self, reason: object = None) -> None:
            super().connectionLost(reason)
            for peer in peers:
                peer.transport.abortConnection()

    connections, connect = limited(clock, Chained, idle_seconds=4)
    peers += [connect() for _ in range(3)]
    pass_time(clock, 6)
    assert [peer.protocol.lost for peer in peers] == [1, 1, 1]
    assert len(connections) == 0
    assert clock.getDelayedCalls() == []
