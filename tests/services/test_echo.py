"""Echo keeps the bytes, the order and its own memory."""

from __future__ import annotations

import hashlib
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest_twisted
from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from toolkit.connections import Connections
from toolkit.listen import Listening
from toolkit.service import Shared
from toolkit.services import load
from toolkit.services.echo import SERVICE, EchoFactory, EchoSettings, make
from toolkit.testing import Peer, connected

MIB = 1024 * 1024


def limited(**settings: Any) -> Peer:
    return connected(Connections(Clock(), EchoFactory(), EchoSettings(**settings), "echo"))


def test_every_byte_comes_back_in_order() -> None:
    peer = connected(EchoFactory())
    peer.send(b"first, ")
    peer.send(b"second")
    assert peer.received == b"first, second"


@given(st.lists(st.binary(max_size=300)), st.lists(st.booleans()))
def test_however_the_bytes_are_split_the_same_bytes_come_back(
    pieces: list[bytes], reads: list[bool]
) -> None:
    peer = limited()
    for number, piece in enumerate(pieces):
        peer.send(piece)
        if number < len(reads):
            (peer.starts_reading if reads[number] else peer.stops_reading)()
    peer.send_eof()
    peer.starts_reading()
    assert peer.received == b"".join(pieces)
    assert not peer.connected


def test_reading_pauses_while_the_peer_does_not_read() -> None:
    peer = connected(EchoFactory())
    peer.stops_reading()
    peer.send(b"x" * 1_000_000)
    assert peer.transport.producerState == "paused"


def test_a_stalled_reader_costs_at_most_64_kib() -> None:
    peer = limited()
    peer.stops_reading()
    peer.send(b"x" * 1_000_000)
    transport = peer.transport
    assert 0 < len(transport.dataBuffer) + transport._tempDataLen <= 64 * 1024
    peer.starts_reading()
    assert peer.received == b"x" * 1_000_000
    peer.close()


def test_what_is_owed_still_goes_out_after_a_half_close() -> None:
    peer = connected(EchoFactory())
    peer.stops_reading()
    peer.send(b"x" * 40_000)
    peer.send_eof()
    assert peer.connected
    peer.starts_reading()
    assert peer.received == b"x" * 40_000
    assert not peer.connected


def test_a_half_close_behind_a_pause_is_seen_when_all_has_been_read() -> None:
    peer = limited()
    peer.stops_reading()
    peer.send(b"x" * 1_000_000)
    peer.send_eof()
    assert peer.connected
    peer.starts_reading()
    assert peer.received == b"x" * 1_000_000
    assert not peer.connected


def test_a_half_close_without_a_byte_ends_the_connection() -> None:
    peer = connected(EchoFactory())
    peer.send_eof()
    assert not peer.connected


def test_a_peer_that_vanishes_ends_the_connection() -> None:
    peer = connected(EchoFactory())
    peer.send(b"x")
    peer.vanish()
    assert not peer.connected


def test_it_is_in_the_registry_and_listens_on_this_machine_alone_by_default() -> None:
    assert load("echo") is SERVICE
    assert EchoSettings().listen.endswith("interface=127.0.0.1")


@asynccontextmanager
async def serving(reactor: Any, **settings: Any) -> AsyncIterator[tuple[Listening, int]]:
    service: Any = make(
        Shared(reactor, "echo"),
        EchoSettings(listen="tcp:0:interface=127.0.0.1", drain_seconds=0, **settings),
    )
    await service.startService()
    try:
        yield service, service.address.port
    finally:
        await service.stopService()


def _send_64_mib(port: int) -> tuple[str, str, int]:
    """Send all, half-close, read all; the checksums of both directions, and how much came."""
    sent, received = hashlib.sha256(), hashlib.sha256()
    block = bytes(range(256)) * 256
    left, came, chunk = 64 * MIB, 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        while True:
            client.setblocking(False)
            with suppress(BlockingIOError):
                while left or chunk:
                    if not chunk:
                        chunk = block[left % 251 :][:left]
                        left -= len(chunk)
                        sent.update(chunk)
                    chunk = chunk[client.send(chunk) :]
                    if not (left or chunk):
                        client.shutdown(socket.SHUT_WR)
            client.settimeout(30)
            data = client.recv(MIB)
            if not data:
                return sent.hexdigest(), received.hexdigest(), came
            received.update(data)
            came += len(data)


@pytest_twisted.ensureDeferred
async def test_64_mib_and_a_half_close_come_back_equal(reactor: Any) -> None:
    async with serving(reactor) as (_, port):
        sent, received, came = await deferToThread(_send_64_mib, port)
    assert came == 64 * MIB
    assert sent == received


@pytest_twisted.ensureDeferred
async def test_200_peers_that_never_read_cost_bounded_memory(reactor: Any) -> None:
    async with serving(reactor, max_connections_per_peer=200) as (service, port):
        peers = []
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(200):
            peer = socket.create_connection(("127.0.0.1", port))
            peer.setblocking(False)
            peers.append(peer)
        quiet = 0
        while quiet < 20:  # till for a while nobody can send any more
            sent = 0
            for peer in peers:
                with suppress(BlockingIOError):
                    sent += peer.send(b"x" * 65536)
            quiet = 0 if sent else quiet + 1
            turn: Deferred[None] = Deferred()
            reactor.callLater(0.002, turn.callback, None)
            await turn
        held = [connection.owed() for connection in service._connections._open]
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        for peer in peers:
            peer.close()
    assert len(held) == 200
    assert 0 < max(held) <= 64 * 1024
    assert grown < 40 * 1024  # KiB: 64 KiB each, and as much again for the objects
