"""Peers of a real process that are slow on purpose: each is dropped, and others are served."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater

from tests.end_to_end.peers import ADDRESS, LOCAL, RemotePeer, connect
from tests.processes import Start

BIG = """
from toolkit import Declaration
from toolkit.web.site import WebSettings, serving
from twisted.web.resource import Resource

class BigSettings(WebSettings):
    '''Answers / shortly, /big with 16 MiB.'''

class Big(Resource):
    isLeaf = True
    def render_GET(self, request):
        return b"x" * (2 ** 24 if request.path == b"/big" else 10)
    render_POST = render_GET

def make(shared, settings):
    return serving(shared, Big(), settings)

SERVICE = Declaration(BigSettings, make)
"""
LIMIT_SECONDS = 1.0


async def dropped(peer: RemotePeer, since: float) -> tuple[bytes, float]:
    return await peer.lost(), time.monotonic() - since


@pytest_twisted.ensureDeferred
async def test_slow_heads_bodies_and_readers_are_dropped_while_others_are_served(
    start: Start, reactor: Any, tmp_path: Path
) -> None:
    (tmp_path / "big.py").write_text(BIG)
    (tmp_path / "site.toml").write_text(
        f'[log]\nlevel = "debug"\n[service.big]\nlisten = "{LOCAL}"\n'
        f"head_seconds = {LIMIT_SECONDS}\n"
        f"body_seconds = {LIMIT_SECONDS}\nwrite_stall_seconds = {LIMIT_SECONDS}\n"
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    port = int((await program.line(ADDRESS.format("big")))[1])
    began = time.monotonic()
    heads = [await connect(reactor, port) for _ in range(20)]
    bodies = [await connect(reactor, port) for _ in range(20)]
    readers = [await connect(reactor, port) for _ in range(5)]
    for peer in heads:
        peer.transport.write(b"GET / HTTP/1.1\r\nX: ")
    for peer in bodies:
        peer.transport.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    for peer in readers:
        peer.transport.write(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        peer.transport.pauseProducing()

    def trickle() -> None:
        for peer in [*heads, *bodies]:
            if peer.connected_still:
                peer.transport.write(b"x")

    trickling = LoopingCall(trickle)
    trickling.start(0.1)
    ends: list[Deferred[tuple[bytes, float]]] = [
        Deferred.fromCoroutine(dropped(peer, began)) for peer in [*heads, *bodies]
    ]
    good = await connect(reactor, port)
    answered = 0
    while answered < 10 or time.monotonic() - began < 1.5 * LIMIT_SECONDS:
        await answer(reactor, good, answered)
        answered += 1
        await deferLater(reactor, 0.02)
    for end in ends:
        received, seconds = await end
        # The line may have been cut by a reset: the peer was still sending.
        assert received.startswith(b"HTTP/1.1 408 Request Timeout\r\n") or received == b""
        assert 0.9 * LIMIT_SECONDS < seconds < 15
    trickling.stop()
    await program.line("(?s)" + ".*it takes nothing of what was sent to it" * len(readers))
    for peer in readers:
        peer.transport.resumeProducing()
        assert len(await peer.lost()) < 2**24
    good.transport.loseConnection()
    await good.lost()
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0


async def answer(reactor: Any, peer: RemotePeer, number: int) -> None:
    peer.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    while peer.received.count(b"x" * 10) <= number:
        assert peer.connected_still
        await deferLater(reactor, 0)
