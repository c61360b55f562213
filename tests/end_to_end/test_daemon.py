"""twistd without -n: whoever started the daemon learns whether it is up."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.end_to_end.peers import LOCAL, refused
from tests.processes import Start

LATE = """
import os
from toolkit import Declaration, Settings
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

class LateSettings(Settings):
    '''Starts when there is a file "go"; ends the process when there is a file "die".'''

class Late(Service):
    def __init__(self, shared, settings):
        self.reactor = shared.reactor
    async def startService(self):
        open("starting", "w").close()
        while not os.path.exists("go"):
            if os.path.exists("die"):
                os._exit(3)
            await deferLater(self.reactor, 0.02)

SERVICE = Declaration(LateSettings, Late)
"""


@pytest.fixture
def late(tmp_path: Path) -> Path:
    (tmp_path / "late.py").write_text(LATE)
    (tmp_path / "site.toml").write_text(
        "[site]\nstart_seconds = 20\nstop_seconds = 0.5\n"
        f'[service.echo]\nlisten = "{LOCAL}"\n[service.late]\n'
    )
    return tmp_path


async def until(reactor: Any, path: Path, there: bool = True) -> None:
    """Wait for a file of a process that is nobody's child."""
    for _ in range(1000):
        if path.exists() is there:
            return
        await deferLater(reactor, 0.02)
    raise AssertionError(f"{path} is{'' if path.exists() else ' not'} there")


def port_in(log: str) -> int:
    found = re.search(r"echo listening on tcp:127\.0\.0\.1:(\d+)", log)
    assert found, log
    return int(found[1])


@pytest_twisted.ensureDeferred
async def test_the_command_ends_when_the_services_have_started(
    start: Start, reactor: Any, late: Path
) -> None:
    command = start("twistd", "toolkit", "--config", "site.toml")
    await until(reactor, late / "starting")
    assert command.status is None
    ended: Deferred[int] = command.ended()
    await deferLater(reactor, 0.3)  # twistd alone would have ended before the file was there
    assert not ended.called
    (late / "go").touch()
    assert await ended == 0
    assert (command.out, command.err) == ("", "")
    log = (late / "twistd.log").read_text()
    assert "ready" in log
    pid = late / "twistd.pid"
    os.kill(int(pid.read_text()), signal.SIGTERM)
    await until(reactor, pid, there=False)


@pytest_twisted.ensureDeferred
async def test_a_start_that_fails_is_told_and_leaves_no_pid_file_and_no_port(
    start: Start, reactor: Any, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        (tmp_path / "site.toml").write_text(
            f'[service.echo]\nlisten = "{LOCAL}"\n'
            f'[service.second]\nkind = "echo"\nlisten = "{listen}"\n'
        )
        command = start("twistd", "toolkit", "--config", "site.toml")
        assert await command.ended() == 1
    assert f"second could not start: cannot listen on {listen}" in command.err
    assert not (tmp_path / "twistd.pid").exists()
    log = (tmp_path / "twistd.log").read_text()
    assert log.count("second could not start") == 1
    assert await refused(reactor, port_in(log))


@pytest.mark.parametrize("end", ["signal", "crash"])
@pytest_twisted.ensureDeferred
async def test_an_end_during_the_start_is_told_too(
    start: Start, reactor: Any, late: Path, end: str
) -> None:
    command = start("twistd", "toolkit", "--config", "site.toml")
    await until(reactor, late / "starting")
    if end == "signal":
        os.kill(int((late / "twistd.pid").read_text()), signal.SIGTERM)
    else:
        (late / "die").touch()
    assert await command.ended() == 1
    told = {"signal": "it was stopped before it was ready", "crash": "ended without a word"}
    assert told[end] in command.err
    assert not (late / "twistd.pid").exists()
    assert await refused(reactor, port_in((late / "twistd.log").read_text()))
