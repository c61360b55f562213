"""A real process as systemd starts it: it tells of itself, and takes sockets that are there."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.end_to_end.peers import connect
from tests.processes import BIN, Program, Start


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(20)
        yield bound


HELD_UP = """
import time
from toolkit import Declaration, Settings
from twisted.application.service import Service

class HeldUpSettings(Settings):
    '''Holds the reactor up on SIGUSR1, for as long as the watchdog waits.'''

class HeldUp(Service):
    def __init__(self, shared, settings):
        self.reactor = shared.reactor
    def startService(self):
        import signal
        signal.signal(signal.SIGUSR1, lambda *_: self.reactor.callFromThread(self.hold))
    def hold(self):
        print("held up", flush=True)
        time.sleep(1)
        print("goes on", flush=True)

SERVICE = Declaration(HeldUpSettings, HeldUp)
"""


@pytest_twisted.ensureDeferred
async def test_the_watchdog_hears_while_the_reactor_turns_and_not_while_it_is_held_up(
    start: Start, tmp_path: Path, systemd: socket.socket
) -> None:
    (tmp_path / "heldup.py").write_text(HELD_UP)
    (tmp_path / "site.toml").write_text("[service.heldup]\n")
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    program = start("twistd", "-n", "toolkit", "--config", "site.toml", env=env)
    for told in (b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"):
        assert await deferToThread(systemd.recv, 100) == told
    program.signal(signal.SIGUSR1)
    await program.line("goes on\n")
    await program.line("systemd's watchdog is not told")
    assert await deferToThread(systemd.recv, 100) == b"WATCHDOG=1"
    program.signal(signal.SIGTERM)
    while (told := await deferToThread(systemd.recv, 100)) == b"WATCHDOG=1":
        pass
    assert told == b"STOPPING=1"
    assert await program.ended() == 0


# systemd names the process for which the sockets are (sd_listen_fds(3)): this one, before it
# becomes twistd.
ACTIVATED = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(*sys.argv[1:2], sys.argv[1:])"  # fmt: skip  # noqa: E501


def activated(start: Start, passed: list[socket.socket], names: str, *arguments: str) -> Program:
    return start(
        "python", "-c", ACTIVATED, str(BIN / "twistd"), "-n", "toolkit", "echo", *arguments,
        env={"LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": names},
        descriptors={3 + at: one.fileno() for at, one in enumerate(passed)},
    )  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_a_socket_that_systemd_passes_is_served_from_before_the_start_until_after_the_stop(
    start: Start, reactor: Any
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_server(("127.0.0.1", 0)) as passed,
    ):
        port = passed.getsockname()[1]
        early = await connect(reactor, port)  # there is no process yet: the kernel keeps it
        early.transport.write(b"early")
        listen = "systemd:domain=INET:name=echo"
        program = activated(start, [other, passed], "other:echo", "--listen", listen)
        assert await early.until(b"early")
        assert f"echo listening on tcp:127.0.0.1:{port}" in program.out
        await program.line("ready")
        program.signal(signal.SIGTERM)
        early.transport.loseConnection()
        assert await program.ended() == 0
        late = await connect(reactor, port)  # systemd's own socket is open still
        late.transport.write(b"late")
        again = activated(start, [other, passed], "other:echo", "--listen", listen)
        assert await late.until(b"late")
        late.transport.loseConnection()
        await late.lost()
        again.signal(signal.SIGTERM)
        assert await again.ended() == 0


@pytest.mark.parametrize(("which", "names"), [("name=web", "echo"), ("index=1", "echo")])
@pytest_twisted.ensureDeferred
async def test_a_socket_that_was_not_passed_is_one_line(
    start: Start, which: str, names: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        program = activated(start, [passed], names, "--listen", f"systemd:domain=INET:{which}")
        assert await program.ended() == 2
    assert "systemd passed no such socket; FileDescriptorName=" in program.err
    assert len((program.out + program.err).splitlines()) <= 3


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest_twisted.ensureDeferred
async def test_the_readmes_unit_file_is_one(tmp_path: Path) -> None:
    from twisted.internet.utils import getProcessOutputAndValue

    readme = (Path(__file__).parents[2] / "README.md").read_text()
    unit = tmp_path / "toolkit-readme-test.service"
    text = readme.partition("```ini\n")[2].partition("```")[0]
    unit.write_text(text.replace("/srv/site/.venv/bin", str(BIN)))
    out, err, status = await getProcessOutputAndValue(
        shutil.which("systemd-analyze"), ["verify", str(unit)]
    )
    assert status == 0, out + err
    assert b"toolkit-readme-test" not in err, err
