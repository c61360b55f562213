"""The end by force: its reason is told wherever it can be, and connections are reset."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, formatEvent

from toolkit import _force


def test_the_reason_is_logged(logged: list[LogEvent]) -> None:
    _force.say("two\nlines", seconds=15)
    assert [formatEvent(event) for event in logged] == ["two\nlines"]


def test_where_the_log_hangs_it_is_told_on_stderr() -> None:
    code = (
        "import threading\n"
        "from twisted.logger import globalLogBeginner\n"
        "from toolkit import _force\n"
        "hangs = lambda event: threading.Event().wait()\n"
        "globalLogBeginner.beginLoggingTo([hangs], redirectStandardIO=False)\n"
        "_force.say('two\\nlines')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stderr) == (0, "toolkit: two\\nlines\n")


Pair = tuple[socket.socket, socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A socket that listens, and both ends of a connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        yield server, client, accepted


def lingers(one: socket.socket) -> bytes:
    return one.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)


def test_connections_are_reset_when_they_are_closed_and_what_listens_is_left_alone(
    pair: Pair,
) -> None:
    server, client, accepted = pair
    _force.cut_off()
    assert lingers(accepted) == struct.pack("ii", 1, 0)
    assert lingers(server) == bytes(8)
    accepted.close()
    client.settimeout(5)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
