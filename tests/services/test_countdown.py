"""Countdown gives every peer its whole countdown, in time, and stops for one that has gone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from toolkit.collecting import collect, collect_all, collect_into
from toolkit.connections import Connections
from toolkit.errors import ConnectionBroken, SettingsError
from toolkit.service import Shared
from toolkit.services import load
from toolkit.services.countdown import (
    SERVICE,
    CountdownFactory,
    CountdownSettings,
    count_down,
    make,
)
from toolkit.settings import Value, resolve
from toolkit.testing import connected, is_waiting, logged, result_of

TEN = b"10\n9\n8\n7\n6\n5\n4\n3\n2\n1\n"


# The helper


def test_the_first_number_comes_at_once_and_the_others_one_an_interval() -> None:
    clock, seen = Clock(), list[tuple[float, int]]()
    over = count_down(clock, 3, lambda number: seen.append((clock.seconds(), number)), 2.0)
    clock.pump([1.0] * 10)
    assert seen == [(0.0, 3), (2.0, 2), (4.0, 1)]
    assert result_of(over) is None


def test_it_is_over_one_interval_after_the_last_number() -> None:
    clock, seen = Clock(), list[int]()
    over = count_down(clock, 2, seen.append)
    clock.advance(1.0)
    assert seen == [2, 1]
    assert is_waiting(over)
    clock.advance(1.0)
    assert result_of(over) is None


def test_cancelling_stops_the_timer() -> None:
    clock, seen = Clock(), list[int]()
    over = count_down(clock, 10, seen.append)
    clock.advance(1.0)
    over.cancel()
    assert clock.getDelayedCalls() == []
    with pytest.raises(CancelledError):
        result_of(over)
    clock.advance(10.0)
    assert seen == [10, 9]


def test_a_tick_that_raises_fails_it_and_stops_the_timer() -> None:
    clock = Clock()

    def tick(number: int) -> None:
        if number == 9:
            raise RuntimeError("no nine")

    over = count_down(clock, 10, tick)
    clock.advance(1.0)
    with pytest.raises(RuntimeError, match="no nine"):
        result_of(over)
    assert clock.getDelayedCalls() == []


def test_a_first_tick_that_raises_fails_the_deferred_not_the_call() -> None:
    over = count_down(Clock(), 1, lambda number: 1 // (number - 1))
    with pytest.raises(ZeroDivisionError):
        result_of(over)


@pytest.mark.parametrize(("start", "interval"), [(0, 1.0), (-1, 1.0), (3, 0.0), (3, float("inf"))])
def test_what_cannot_be_counted_is_refused(start: int, interval: float) -> None:
    seen = list[int]()
    with pytest.raises(ValueError, match="cannot count down"):
        result_of(count_down(Clock(), start, seen.append, interval))
    assert seen == []


@given(late=st.lists(st.floats(0.0, 0.9), min_size=200, max_size=200))
def test_delays_do_not_add_up(late: list[float]) -> None:
    clock, seen = Clock(), list[float]()
    over = count_down(clock, 200, lambda _number: seen.append(clock.seconds()))
    for delay in late:
        # Each turn of the reactor comes late, by as much as `delay`.
        calls = clock.getDelayedCalls()
        if not calls:
            break
        clock.advance(calls[0].getTime() - clock.seconds() + delay)
    assert all(number <= when < number + 1 for number, when in enumerate(seen))
    assert len(seen) == 200
    over.addErrback(lambda failure: failure.trap(CancelledError))
    over.cancel()


def test_a_clock_that_is_set_back_delays_by_one_interval_at_most() -> None:
    clock, seen = Clock(), list[int]()
    over = count_down(clock, 3, seen.append)
    clock.advance(1.0)
    clock.rightNow -= 3600.0
    clock.getDelayedCalls()[0].reset(0)
    clock.advance(0.0)
    assert clock.getDelayedCalls()[0].getTime() <= clock.seconds() + 1.0
    over.addErrback(lambda failure: failure.trap(CancelledError))
    over.cancel()


# The protocol


def test_each_connection_gets_ten_to_one_and_is_closed() -> None:
    clock = Clock()
    peer = connected(CountdownFactory(clock))
    assert peer.received == b"10\n"
    clock.pump([1.0] * 9)
    assert peer.received == TEN
    assert peer.connected
    clock.advance(1.0)
    assert not peer.connected
    assert peer.received == TEN
    assert clock.getDelayedCalls() == []


def test_two_connections_count_by_themselves() -> None:
    clock = Clock()
    factory = CountdownFactory(clock, 3, 1.0)
    first = connected(factory)
    clock.advance(1.0)
    second = connected(factory)
    clock.advance(1.0)
    assert (first.received, second.received) == (b"3\n2\n1\n", b"3\n2\n")
    first.vanish()
    clock.pump([1.0, 1.0])
    assert second.received == b"3\n2\n1\n"
    assert not second.connected


@pytest.mark.parametrize("leaves", ["close", "vanish"])
def test_the_timer_stops_when_the_peer_leaves(leaves: str) -> None:
    clock = Clock()
    peer = connected(CountdownFactory(clock))
    clock.advance(1.0)
    getattr(peer, leaves)()
    assert clock.getDelayedCalls() == []
    assert peer.received == b"10\n9\n"


def test_a_peer_that_half_closes_at_once_gets_its_whole_countdown() -> None:
    clock = Clock()
    peer = connected(CountdownFactory(clock))
    peer.send_eof()
    assert peer.connected
    clock.pump([1.0] * 10)
    assert peer.received == TEN
    assert not peer.connected


def test_what_the_peer_sends_is_read_and_dropped() -> None:
    clock = Clock()
    peer = connected(CountdownFactory(clock, 2, 1.0))
    for _ in range(100):
        peer.send(b"x" * 100_000)
    assert len(peer._sent) == 0
    assert vars(peer.protocol).keys() <= {"factory", "transport", "connected", "_counting"}
    clock.pump([1.0, 1.0])
    assert peer.received == b"2\n1\n"
    assert not peer.connected


def test_the_last_line_goes_out_to_a_slow_reader_before_the_close() -> None:
    clock = Clock()
    peer = connected(CountdownFactory(clock))
    peer.stops_reading()
    clock.pump([1.0] * 10)
    assert peer.connected
    peer.starts_reading()
    assert peer.received == TEN
    assert not peer.connected


# The settings, and the service on a Clock


def test_the_declaration_says_what_it_does() -> None:
    assert load("countdown") is SERVICE
    assert (
        SERVICE.summary == "Count down to 1 on every connection, one line a second, and close it."
    )
    defaults = CountdownSettings()
    assert (defaults.listen, defaults.start) == ("tcp:7001:interface=127.0.0.1", 10)
    assert defaults.interval_seconds == 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [("start", 0), ("start", 10**9), ("interval_seconds", 0.0), ("interval_seconds", -1.0)],
)
def test_a_setting_out_of_bounds_is_refused(field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=rf"^site\.toml {field}: expected a"):
        resolve(CountdownSettings, "countdown", [{field: Value(value, f"site.toml {field}")}])


def test_an_interval_as_long_as_the_idle_limit_is_refused_in_one_line() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(CountdownSettings, "inbox", [{"interval_seconds": Value(300.0, "site.toml")}])
    assert str(caught.value) == (
        "inbox: interval_seconds (300) must be less than "
        "idle_seconds (300), which ends the connection"
    )
    assert CountdownSettings(interval_seconds=300.0, idle_seconds=301.0).interval_seconds == 300.0


def test_a_long_interval_is_not_taken_for_an_idle_peer() -> None:
    clock = Clock()
    settings = CountdownSettings(start=3, interval_seconds=50.0, idle_seconds=51.0)
    peer = connected(Connections(clock, CountdownFactory(clock, 3, 50.0), settings, "countdown"))
    clock.pump([0.5] * 299)
    assert peer.connected
    assert peer.received == b"3\n2\n1\n"
    clock.advance(0.5)
    assert not peer.connected
    assert clock.getDelayedCalls() == []


def test_a_stopping_service_does_not_end_a_countdown_as_if_it_were_complete() -> None:
    clock = Clock()
    connections = Connections(
        clock, CountdownFactory(clock, 3, 2.0), CountdownSettings(), "countdown"
    )
    peer = connected(connections)
    for _ in range(59):
        clock.advance(0.1)
        connections.close_quiet()
    assert peer.connected
    assert peer.received == b"3\n2\n1\n"
    clock.advance(0.2)
    assert not peer.connected
    connections.close()


# End to end


async def serving(reactor: Any, start: int, interval: float) -> tuple[Any, Callable[[], Any]]:
    settings = CountdownSettings(
        listen="tcp:0:interface=127.0.0.1",
        start=start,
        interval_seconds=interval,
        drain_seconds=0.2,
    )
    service: Any = make(Shared(reactor, "countdown"), settings)
    await service.startService()
    return service.address, service.stopService


@pytest_twisted.ensureDeferred
async def test_many_clients_are_served_at_once(reactor: Any) -> None:
    address, stop = await serving(reactor, 5, 0.02)
    results = await collect_all(reactor, [f"tcp:127.0.0.1:{address.port}"] * 50)
    assert [result.data for result in results] == [b"5\n4\n3\n2\n1\n"] * 50
    assert all(result.seconds < 5 for result in results)
    await stop()


@pytest_twisted.ensureDeferred
async def test_a_real_peer_with_nothing_to_send_gets_the_whole_countdown(reactor: Any) -> None:
    address, stop = await serving(reactor, 5, 0.02)

    def like_netcat() -> bytes:
        with socket.create_connection(("127.0.0.1", address.port), timeout=10) as peer:
            peer.shutdown(socket.SHUT_WR)
            received = b""
            while piece := peer.recv(100):
                received += piece
            return received

    assert await deferToThread(like_netcat) == b"5\n4\n3\n2\n1\n"
    await stop()


@pytest_twisted.ensureDeferred
async def test_a_peer_that_floods_until_the_end_does_not_harm_the_others(reactor: Any) -> None:
    address, stop = await serving(reactor, 5, 0.05)

    def floods() -> int:
        sent = 0
        with socket.create_connection(("127.0.0.1", address.port), timeout=10) as peer:
            try:
                while True:
                    sent += peer.send(b"x" * 65536)
            except OSError:
                return sent

    flooding = deferToThread(floods)
    assert await collect(reactor, f"tcp:127.0.0.1:{address.port}") == b"5\n4\n3\n2\n1\n"
    assert await flooding > 0
    await stop()


@pytest_twisted.ensureDeferred
async def test_a_countdown_that_outlasts_the_drain_is_broken_off_not_ended(reactor: Any) -> None:
    address, stop = await serving(reactor, 1000, 0.05)
    first: Deferred[None] = Deferred()
    received = bytearray()

    def keep(data: bytes) -> None:
        received.extend(data)
        if not first.called:
            first.callback(None)

    reading = collect_into(reactor, f"tcp:127.0.0.1:{address.port}", keep)
    await first
    await stop()
    with pytest.raises(ConnectionBroken):
        await reading
    assert received.startswith(b"1000\n")


@pytest_twisted.ensureDeferred
async def test_the_factory_serves_any_endpoint_without_the_plugin(
    reactor: Any, tmp_path: Any
) -> None:
    where = f"unix:{tmp_path}/countdown.sock"
    port = await serverFromString(reactor, where).listen(CountdownFactory(reactor, 3, 0.01))
    assert await collect(reactor, where) == b"3\n2\n1\n"
    with logged() as events:
        await port.stopListening()
    assert not [event for event in events if event.get("log_failure")]
