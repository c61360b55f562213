"""A start that fails, whatever fails and whoever starts it: one line, status 1, nothing left."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.end_to_end.peers import ADDRESS, LOCAL, refused
from tests.processes import Start

FAILING = """
from toolkit import Declaration, Settings
from twisted.application.service import Service
from twisted.internet.defer import Deferred

class FailingSettings(Settings):
    '''Does not start.'''
    how: str = "raise"

class Failing(Service):
    def __init__(self, shared, settings):
        self.how = settings.how
    async def startService(self):
        if self.how == "hang":
            await Deferred()
        raise RuntimeError("it is broken")
    def stopService(self):
        print("stopped, and had never started")

SERVICE = Declaration(FailingSettings, Failing)
"""
COMMANDS = {"twistd": ["-n"], "twist": ["--log-format", "text"], "daemon": []}
LAST = {
    "port": (
        'kind = "echo"\nlisten = "tcp:{port}:interface=127.0.0.1"',
        r"cannot listen on tcp:\d+:interface=127.0.0.1: the address is in use; ",
    ),
    "coroutine": ('kind = "failing"', "it is broken"),
    "hang": ('kind = "failing"\nhow = "hang"', r"not ready after 0\.\d+ s"),
}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", LAST)
@pytest_twisted.ensureDeferred
async def test_it_is_one_line_and_status_1_and_leaves_neither_port_nor_pid_file(
    start: Start, reactor: Any, tmp_path: Path, taken: int, command: str, what: str
) -> None:
    table, told = LAST[what]
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "site.toml").write_text(
        "[site]\nstart_seconds = 0.5\n"
        f'[service.first]\nkind = "echo"\nlisten = "{LOCAL}"\n'
        f"[service.last]\n{table.format(port=taken)}\n"
    )
    name = "twist" if command == "twist" else "twistd"
    program = start(name, *COMMANDS[command], "toolkit", "--config", "site.toml")
    assert await program.ended() == 1
    pid, log = tmp_path / "twistd.pid", tmp_path / "twistd.log"
    assert not pid.exists()
    said = log.read_text() if command == "daemon" else program.out
    lines = [line for line in said.splitlines() if "could not start" in line]
    assert len(lines) == 1
    assert re.search(f"last could not start: .*{told}", lines[0])
    assert "never started" not in said
    port = re.search(ADDRESS.format("first"), said)
    assert port is not None
    assert await refused(reactor, int(port[1]))
    if command == "daemon":
        [reason] = program.err.splitlines()
        assert re.match(f"toolkit: last could not start: .*{told}", reason)
        assert program.out == ""


@pytest.mark.parametrize("command", COMMANDS)
@pytest_twisted.ensureDeferred
async def test_a_certificate_that_cannot_be_read_ends_it_before_anything_starts(
    start: Start, tmp_path: Path, command: str
) -> None:
    (tmp_path / "site.toml").write_text(
        f'[service.first]\nkind = "echo"\nlisten = "{LOCAL}"\n'
        '[service.last]\nkind = "echo"\nlisten = "ssl:0:privateKey=none.pem"\n'
    )
    name = "twist" if command == "twist" else "twistd"
    program = start(name, *COMMANDS[command], "toolkit", "--config", "site.toml")
    assert await program.ended() == 1
    [line] = (program.out + program.err).splitlines()
    assert line.startswith("toolkit: site.toml:6: [service.last] listen: expected ")
    assert "none.pem" in line
    assert not (tmp_path / "twistd.pid").exists()
