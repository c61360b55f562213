"""A real process without enough file descriptors, or with more peers than it takes."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest_twisted

from tests.end_to_end.peers import ADDRESS, LOCAL, RemotePeer, connect, cut_off
from tests.processes import BIN, Start

LIMIT = 50
LIMITED = (
    "import os, resource, sys\n"
    f"resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT - 10}, {LIMIT}))\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


async def echoes(peer: RemotePeer, line: bytes) -> None:
    peer.transport.write(line)
    await peer.until(line)


def processor_seconds(pid: int) -> float:
    """What a process has used so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest_twisted.ensureDeferred
async def test_without_descriptors_those_connected_are_served_and_others_when_there_are_some(
    start: Start, reactor: Any
) -> None:
    program = start(
        "python", "-c", LIMITED, str(BIN / "twistd"), "-n", "toolkit", "echo", "--listen", LOCAL
    )
    port = int((await program.line(ADDRESS.format("echo")))[1])
    await program.line("ready")
    assert f"{LIMIT} files may be open, too few for the connections that echo may have" in (
        program.out
    )
    peers = [await connect(reactor, port) for _ in range(LIMIT)]
    for number, peer in enumerate(peers):
        peer.transport.write(b"%d." % number)
    await program.line("has no file descriptor for new connections")
    used, began = processor_seconds(program.transport.pid), time.monotonic()
    served = [peer for number, peer in enumerate(peers) if await is_served(peer, number)]
    # More than the soft limit at the start would have let in, with what the process needs itself.
    assert LIMIT - 25 < len(served) < LIMIT
    for _ in range(3):
        for peer in served:
            await echoes(peer, b"still here.")
        for _ in range(20):
            assert await cut_off(reactor, port)
    took = time.monotonic() - began
    assert processor_seconds(program.transport.pid) - used < max(1.0, 0.9 * took)
    lines = [line for line in program.out.splitlines() if "no file descriptor" in line]
    assert 1 <= len(lines) <= took + 2
    for peer in served:
        peer.transport.loseConnection()
    for peer in served:
        await peer.lost()
    for _ in range(1000):  # until the process, too, knows that they have gone
        again = await connect(reactor, port)
        again.transport.write(b"0.")
        if await is_served(again, 0):
            break
    else:
        raise AssertionError("nobody is served any more")
    again.transport.loseConnection()
    await again.lost()
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert "Traceback" not in program.out + program.err


async def is_served(peer: RemotePeer, number: int) -> bool:
    try:
        await peer.until(b"%d." % number)
    except AssertionError:
        return False
    return True


@pytest_twisted.ensureDeferred
async def test_peers_beyond_the_limits_are_closed_at_once_and_counted(
    start: Start, reactor: Any
) -> None:
    program = start(
        "twistd", "-n", "toolkit", "echo", "--listen", LOCAL, "--max-connections-per-peer", "2"
    )
    port = int((await program.line(ADDRESS.format("echo")))[1])
    began = time.monotonic()
    kept = [await connect(reactor, port) for _ in range(2)]
    for peer in kept:
        await echoes(peer, b"kept")
    for _ in range(100):
        assert await cut_off(reactor, port)
    for peer in kept:
        await echoes(peer, b"still")
        peer.transport.loseConnection()
        await peer.lost()
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    lines = [line for line in program.out.splitlines() if "echo refused" in line]
    assert 1 <= len(lines) <= time.monotonic() - began + 2
    assert sum(int(line.partition("refused ")[2].split()[0]) for line in lines) == 100
