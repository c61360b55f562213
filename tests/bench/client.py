"""A bare protocol that asks and parses with httptools, keep-alive: `--tls` over TLS 1.3 as well.

The client is the contender here, and a process of its own; this process answers, with bare
sockets and epoll. `python -m tests.bench.client CORE HOW PORT CONNECTIONS SECONDS [CERTIFICATE]`
is that client.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from tests.bench.contest import on_the_last_core, rounds_of, show

CONTENDERS = ("stock", "wrapped", "prompt")
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
)


def compare(
    connections: Sequence[int],
    seconds: float,
    rounds: int,
    contenders: Sequence[str] = CONTENDERS,
    over_tls: bool = False,
) -> None:
    """Measure all contenders and print a table.

    Args:
        connections: How many connections at once; one table for each.
        seconds: How long one measurement takes.
        rounds: How many measurements of each contender.
        contenders: Which ones; the first is what the others are compared with.
        over_tls: Whether over TLS 1.3.
    """
    with tempfile.TemporaryDirectory() as folder, on_the_last_core() as core:
        certificate, context = _certificate(folder) if over_tls else ("", None)
        for count in connections:

            def measure(how: str, count: int = count) -> float:
                return _measure(core, how, count, seconds, certificate, context)

            title = f"httptools client{', TLS 1.3' if over_tls else ''}, {count:,} connections"
            show(title, "requests/s", rounds_of(contenders, rounds, measure))


def _certificate(folder: str) -> tuple[str, ssl.SSLContext]:
    import trustme

    issuer = trustme.CA()
    path = f"{folder}/issuer.pem"
    issuer.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    issuer.issue_cert("localhost").configure_cert(context)
    return path, context


def _measure(
    core: int,
    how: str,
    connections: int,
    seconds: float,
    certificate: str,
    context: ssl.SSLContext | None,
) -> float:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        port = listening.getsockname()[1]
        command = [sys.executable, "-m", "tests.bench.client", str(core), how, str(port)]
        command += [str(connections), str(seconds), *([certificate] if certificate else [])]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            _answer(listening, connections, context)
            return float(process.stdout.readline())


def _answer(listening: socket.socket, connections: int, context: ssl.SSLContext | None) -> None:
    """Answer every request until all connections are closed."""
    poller = select.epoll()
    sockets: dict[int, Any] = {}
    for _ in range(connections):
        one: Any = listening.accept()[0]
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            one = context.wrap_socket(one, server_side=True)
        sockets[one.fileno()] = one
        poller.register(one.fileno(), select.EPOLLIN)
    while sockets:
        for number, _ in poller.poll():
            one = sockets[number]
            try:
                asked = one.recv(65_536)
                if asked:
                    one.sendall(ANSWER)
            except OSError:  # the client has measured for long enough, and is gone
                asked = b""
            if not asked:
                poller.unregister(number)
                sockets.pop(number).close()
    poller.close()


def ask(how: str, port: int, connections: int, seconds: float, certificate: str = "") -> None:
    """Ask on all connections, one request after another, and print how many a second."""
    from tests.bench.servers import reactor_of

    reactor = reactor_of(how)
    import time

    from httptools import HttpResponseParser
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
    from twisted.internet.protocol import Protocol
    from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

    from toolkit.transport import prompt

    answers = 0

    class Client(Protocol):
        transport: Any

        def connectionMade(self) -> None:
            self.parser = HttpResponseParser(self)
            self.transport.write(REQUEST)

        def dataReceived(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_message_complete(self) -> None:
            nonlocal answers
            answers += 1
            self.parser = HttpResponseParser(self)
            self.transport.write(REQUEST)

    endpoint: Any = TCP4ClientEndpoint(
        prompt(reactor) if how == "wrapped" else reactor, "127.0.0.1", port
    )
    if certificate:
        with open(certificate, "rb") as file:
            issuer = trustRootFromCertificates([Certificate.loadPEM(file.read())])
        endpoint = wrapClientTLS(optionsForClientTLS("localhost", issuer), endpoint)
    for _ in range(connections):
        connectProtocol(endpoint, Client())
    marks = [(0.0, 0), (0.0, 0)]

    def mark(number: int) -> None:
        marks[number] = time.monotonic(), answers

    warm_up = min(1.0, seconds)
    reactor.callLater(warm_up, mark, 0)
    reactor.callLater(warm_up + seconds, mark, 1)
    reactor.callLater(warm_up + seconds, reactor.stop)
    reactor.run()
    (began, before), (ended, after) = marks
    print((after - before) / (ended - began))


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), *sys.argv[6:])
