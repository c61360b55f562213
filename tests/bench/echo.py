"""Echo of 1 KB: stock Twisted, the prompt transports and reactor, the service; asyncio, uvloop."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.contest import installed, on_the_last_core, rounds_of, serving, show
from tests.bench.load import Load, rate

CONTENDERS = (
    "stock", "wrapped", "wrapped-service", "prompt", "prompt-service", "asyncio", "uvloop",
)  # fmt: skip
BARE = {"wrapped-service": "wrapped", "prompt-service": "prompt"}
WARM_UP_SECONDS = 0.5


def compare(
    connections: Sequence[int], seconds: float, rounds: int, contenders: Sequence[str] = CONTENDERS
) -> None:
    """Measure all contenders and print a table for each number of connections.

    Args:
        connections: How many connections at once; one table for each.
        seconds: How long one measurement takes.
        rounds: How many measurements of each contender.
        contenders: Which ones; the first is what the others are compared with. `wrapped` is
            `prompt(reactor)` on Twisted's own reactor; `-service` is the toolkit's echo service
            with every limit in force, bare a protocol of three lines.
    """
    with on_the_last_core() as first_core:
        for count in connections:

            def measure(how: str, count: int = count) -> float:
                with serving(first_core, "echo", how) as server, Load(server.port, count) as load:
                    return rate(load, seconds, min(WARM_UP_SECONDS, seconds))

            measured = rounds_of(installed(contenders), rounds, measure)
            show(f"echo of 1 KB, {count:,} connections", "messages/s", measured, BARE)
