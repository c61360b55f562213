"""python -m apps.collect prints what servers send, and tells a clean end from a broken one."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

from toolkit.services.countdown import CountdownFactory
from toolkit.services.echo import EchoFactory

PROGRAM = [sys.executable, "-W", "error", "-m", "apps.collect"]
BINARY = bytes(range(256))


class Sends(Protocol):
    """Sends bytes of every value, and closes."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.write(BINARY)
        self.transport.loseConnection()


class Resets(Protocol):
    """Sends five bytes, and resets the connection when the peer has said that it has them."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.write(b"half\n")

    def dataReceived(self, data: bytes) -> None:
        linger = struct.pack("ii", 1, 0)
        self.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abortConnection()


class Endless(Protocol):
    """Sends lines for as long as they are taken."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        self.transport.write(b"endless\n" * 1000)

    def stopProducing(self) -> None:
        """Nothing to do: it was told to write no more."""


class Running(ProcessProtocol):
    """The program, to which something is done when its first bytes have come."""

    transport: Any

    def __init__(self, react: Callable[[Any], object]) -> None:
        self._react = react
        self.out = b""
        self.err = b""
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        if not self.out:
            self._react(self.transport)
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        value: Any = reason.value
        self.ended.callback(value.exitCode)


def serve(reactor: Any, factory: Any) -> tuple[Any, str]:
    if not isinstance(factory, Factory):
        factory = Factory.forProtocol(factory)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    return port, f"tcp:127.0.0.1:{port.getHost().port}"


async def run(*arguments: str, stdin: bytes = b"") -> tuple[bytes, str, int]:
    out, err, status = await getProcessOutputAndValue(
        PROGRAM[0], [*PROGRAM[1:], *arguments], env=os.environ, stdinBytes=stdin
    )
    return out, err.decode(), status


async def shell(command: str) -> tuple[bytes, str, int]:
    out, err, status = await getProcessOutputAndValue("bash", ["-c", command], env=os.environ)
    return out, err.decode(), status


COMMAND = " ".join(PROGRAM)


@pytest_twisted.ensureDeferred
async def test_one_server_s_bytes_are_printed_unchanged(reactor: Any) -> None:
    port, endpoint = serve(reactor, Sends)
    out, err, status = await run(endpoint)
    assert (out, status) == (BINARY, 0)
    assert err == f"{endpoint}: 256 bytes, closed cleanly\n"
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_broken_connection_is_told_and_what_came_is_printed(reactor: Any) -> None:
    port, endpoint = serve(reactor, Resets)
    process = Running(lambda transport: transport.write(b"I have them"))
    reactor.spawnProcess(process, PROGRAM[0], [*PROGRAM, "--send", "-", endpoint], env=os.environ)
    assert await process.ended == 1
    assert process.out == b"half\n"
    assert process.err.decode() == f"broken: the connection to {endpoint} was lost after 5 bytes\n"
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_several_are_printed_under_their_names_in_order(reactor: Any) -> None:
    slow, first = serve(reactor, CountdownFactory(reactor, 3, 0.1))
    quick, second = serve(reactor, Sends)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        third = f"tcp:127.0.0.1:{unused.getsockname()[1]}"
        out, err, status = await run(first, second, third)
    assert out == (
        f"==> {first} <==\n3\n2\n1\n==> {second} <==\n".encode()
        + BINARY
        + f"\n==> {third} <==\n".encode()
    )
    assert err.splitlines() == [
        f"{first}: 6 bytes, closed cleanly",
        f"{second}: 256 bytes, closed cleanly",
        f"broken: cannot connect to {third}: Connection refused",
    ]
    assert status == 1
    await slow.stopListening()
    await quick.stopListening()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ENDPOINT", "http://localhost/"],
        ["ENDPOINT", "tcp:localhost"],
        ["ENDPOINT", "--timeout", "0"],
        ["ENDPOINT", "--timeout", "soon"],
        ["ENDPOINT", "--max-bytes", "16X"],
        ["ENDPOINT", "--max-bytes", "0"],
        ["ENDPOINT", "--nonsense"],
        ["ENDPOINT", "ENDPOINT", "--send", "/dev/null"],
        ["ENDPOINT", "--send", "/no/such/file"],
        ["ENDPOINT", "--send", "/"],
    ],
)
@pytest_twisted.ensureDeferred
async def test_wrong_usage_is_one_line_and_connects_nothing(
    reactor: Any, arguments: list[str]
) -> None:
    connected = list[object]()
    factory: Any = Factory.forProtocol(Sends)
    factory.doStart = factory.doStop = lambda: None
    factory.buildProtocol = connected.append
    port, endpoint = serve(reactor, factory)
    out, err, status = await run(*(endpoint if one == "ENDPOINT" else one for one in arguments))
    assert (out, status, connected) == (b"", 2, [])
    assert err.startswith("collect: "), err
    assert err.count("\n") == 1
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_too_much_and_too_long_are_broken(reactor: Any) -> None:
    port, endpoint = serve(reactor, Endless)
    out, err, status = await run("--max-bytes", "64K", endpoint)
    assert (len(out), status) == (65536, 1)
    assert err == f"broken: {endpoint} sent more than 65536 bytes\n"
    await port.stopListening()
    port, endpoint = serve(reactor, Protocol)
    out, err, status = await run("--timeout", "0.2", endpoint)
    assert (out, status) == (b"", 1)
    assert err == f"broken: no end of what {endpoint} sends within 0.2 s; 0 bytes came\n"
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_reader_that_has_enough_ends_it_quietly_with_141(reactor: Any) -> None:
    port, endpoint = serve(reactor, Endless)
    out, err, status = await shell(f"{COMMAND} {endpoint} | head -n 1; exit ${{PIPESTATUS[0]}}")
    assert (out, err, status) == (b"endless\n", "", 141)
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_full_disk_is_one_line(reactor: Any) -> None:
    port, endpoint = serve(reactor, Sends)
    out, err, status = await shell(f"{COMMAND} {endpoint} > /dev/full")
    assert (out, status) == (b"", 1)
    assert err == "collect: cannot write to standard output: No space left on device\n"
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_each_line_comes_at_once_and_an_interrupt_ends_it_with_130(reactor: Any) -> None:
    # The second line is due after an hour: what comes before has not waited for the end.
    port, endpoint = serve(reactor, CountdownFactory(reactor, 2, 3600.0))
    process = Running(lambda transport: transport.signalProcess(signal.SIGINT))
    reactor.spawnProcess(process, PROGRAM[0], [*PROGRAM, endpoint], env=os.environ)
    assert await process.ended == 130
    assert process.err == b""
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_file_of_64_mib_comes_back_equal_from_echo(reactor: Any, tmp_path: Path) -> None:
    port, endpoint = serve(reactor, EchoFactory())
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(1 << 20) * 64)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    out, err, status = await shell(
        f"{COMMAND} --max-bytes 64M --send {path} {endpoint} | sha256sum; exit ${{PIPESTATUS[0]}}"
    )
    assert (out.split()[0].decode(), status) == (expected, 0)
    assert err == f"{endpoint}: 67108864 bytes, closed cleanly\n"
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_standard_input_is_sent_as_it_comes(reactor: Any) -> None:
    port, endpoint = serve(reactor, EchoFactory())
    out, _, status = await run("--send", "-", endpoint, stdin=BINARY * 4096)
    assert (out, status) == (BINARY * 4096, 0)
    command = f"(echo one; sleep 0.2; echo two) | {COMMAND} --send - {endpoint}"
    assert (await shell(command))[0] == b"one\ntwo\n"
    assert (await shell(f"{COMMAND} --send - {endpoint} < /dev/null"))[::2] == (b"", 0)
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_help_loads_no_twisted() -> None:
    out, err, status = await getProcessOutputAndValue(
        sys.executable, ["-X", "importtime", "-m", "apps.collect", "--help"], env=os.environ
    )
    assert out.startswith(b"usage: collect ")
    assert b" argparse\n" in err
    assert b"twisted" not in err
    assert status == 0
