"""What the prompt reactor must not make slower, or larger, than stock Twisted has it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from tests.bench.contest import Server, on_the_last_core, rounds_of, serving, show
from tests.bench.load import MESSAGE, Load, rate

CONTENDERS = ("stock", "wrapped", "prompt")
MANY = 9_000


def compare(
    seconds: float, rounds: int, contenders: Sequence[str] = CONTENDERS, many: int = MANY
) -> None:
    """Measure all contenders and print a table for each quality.

    Args:
        seconds: How long one measurement takes.
        rounds: How many measurements of each contender.
        contenders: Which ones; the first is what the others are compared with.
        many: The most connections at once.
    """
    few, busy = min(50, many), min(1000, many)

    def connections(server: Server) -> float:
        served, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            with socket.create_connection(("127.0.0.1", server.port)) as one:
                one.sendall(MESSAGE)
                one.recv(len(MESSAGE), socket.MSG_WAITALL)
            served += 1
        return served / seconds

    def large(server: Server) -> float:
        with Load(server.port, few, b"x" * 65_536) as load:
            return rate(load, seconds, seconds / 2)

    def alone(server: Server) -> float:
        with Load(server.port, 1) as load:
            return rate(load, seconds, seconds / 2)

    def fairness(server: Server) -> float:
        with Load(server.port, busy) as load:
            load.run(seconds)
            counts = load.run(4 * seconds).values()
        return 100 * min(counts) / (sum(counts) / len(counts))

    def memory(server: Server) -> float:
        before = server.status("VmRSS")
        with Load(server.port, many):
            return (server.status("VmRSS") - before) * 1024 / many

    def wakeups(server: Server) -> float:
        time.sleep(min(0.3, seconds))  # it is done with its start
        before = server.status("voluntary_ctxt_switches")
        time.sleep(2 * seconds)
        return server.status("voluntary_ctxt_switches") - before

    qualities: list[tuple[Callable[[Server], float], str, str]] = [
        (connections, "new connections, 1 KB each, one after another", "connections/s"),
        (large, f"echo of 64 KiB, {few} connections", "messages/s"),
        (alone, "echo of 1 KB, one connection", "messages/s"),
        (fairness, f"the slowest of {busy:,} busy connections, to their mean", "per cent"),
        (memory, f"memory of {many:,} connections, once used", "bytes each"),
        (wakeups, f"an idle reactor's wake-ups in {2 * seconds:g} s", "wake-ups"),
    ]
    with on_the_last_core() as core:
        for quality, title, unit in qualities:

            def measure(how: str, quality: Callable[[Server], float] = quality) -> float:
                with serving(core, "echo", how) as server:
                    return quality(server)

            show(title, unit, rounds_of(contenders, rounds, measure))
