"""twisted.web answering five bytes, on stock Twisted, the prompt transports and the reactor."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tests.bench.contest import on_the_last_core, rounds_of, serving, show
from tests.bench.load import Load, rate

CONTENDERS = ("stock", "wrapped", "prompt")
ACCESS = ("silent", "logged")
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def compare(
    connections: Sequence[int], seconds: float, rounds: int, contenders: Sequence[str] = CONTENDERS
) -> None:
    """Measure all contenders and print a table; see `echo.compare` for the arguments."""
    _compare("hello", "twisted.web hello", connections, seconds, rounds, contenders)


def compare_access_log(connections: Sequence[int], seconds: float, rounds: int) -> None:
    """The same of the toolkit's site, without an access log and with one, as JSON to a file."""
    _compare("site", "toolkit.web hello", connections, seconds, rounds, ACCESS)


def _compare(
    what: str,
    title: str,
    connections: Sequence[int],
    seconds: float,
    rounds: int,
    contenders: Sequence[str],
) -> None:
    with on_the_last_core() as first_core:
        for count in connections:

            def measure(how: str, count: int = count) -> float:
                with serving(first_core, what, how) as server:
                    size = _answer_bytes(server.port)
                    with Load(server.port, count, REQUEST, size) as load:
                        return rate(load, seconds, seconds / 2)

            measured = rounds_of(contenders, rounds, measure)
            show(f"{title}, {count:,} connections", "requests/s", measured)


def _answer_bytes(port: int) -> int:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(REQUEST)
        while not answer.endswith(b"hello"):
            answer += one.recv(65_536)
    return len(answer)
