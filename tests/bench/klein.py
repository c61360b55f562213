"""JSON routes beside bare Klein: the same object from the same reactor, by requests and by work.

The bare one is a Klein app on a stock Site, without limits and access log, that sets Content-Type
and Content-Length itself.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tests.bench.contest import on_the_last_core, rounds_of, serving, show
from tests.bench.load import Load, rate

CONTENDERS = ("bare", "site", "json", "logged")
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def compare(connections: Sequence[int], seconds: float, rounds: int) -> None:
    """Measure all contenders and print tables, of requests a second and of a processor's second.

    Args:
        connections: How many at once.
        seconds: Of one measurement.
        rounds: Of which the median is taken.
    """
    with on_the_last_core() as first_core:
        for kind in ("", "-async"):
            for count in connections:
                by_work: dict[str, list[float]] = {name + kind: [] for name in CONTENDERS}

                def measure(
                    how: str, count: int = count, by_work: dict[str, list[float]] = by_work
                ) -> float:
                    with serving(first_core, "klein", how) as server:
                        size = _answer_bytes(server.port)
                        with Load(server.port, count, REQUEST, size) as load:
                            load.run(seconds / 2)
                            before = server.cpu_seconds()
                            answers = sum(load.run(seconds).values())
                            used = server.cpu_seconds() - before
                            by_work[how].append(answers / max(used, 0.01))
                            return rate(load, seconds, 0)

                title = f"Klein{kind}, {count:,} connections"
                show(title, "requests/s", rounds_of(tuple(by_work), rounds, measure))
                show(f"{title}, by processor time", "requests/s", by_work)


def _answer_bytes(port: int) -> int:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(REQUEST)
        while not answer.endswith(b"}"):
            answer += one.recv(65_536)
    return len(answer)
