"""What becomes of the requests of a real process when it is told to stop."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.error import ConnectionLost

from tests.end_to_end.peers import ADDRESS, LOCAL, connect, refused
from tests.processes import Program, Start

REQUESTS = 200
HOLDING = """
import os
from toolkit import Declaration
from toolkit.web.site import WebSettings, serving
from twisted.internet.task import LoopingCall
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

class HoldingSettings(WebSettings):
    '''Answers /now at once, the others when there is a file "release".'''

class Holding(Resource):
    isLeaf = True
    def __init__(self, reactor):
        super().__init__()
        self.held = []
        self.looks = LoopingCall(self.look)
        self.looks.clock = reactor
        self.looks.start(0.02)
    def look(self):
        if os.path.exists("release"):
            held, self.held = self.held, []
            for request in held:
                request.write(b"first half, " + b"x" * 50_000)
                request.write(b"second half.")
                request.finish()
    def render_GET(self, request):
        if request.path == b"/now":
            return b"now"
        self.held.append(request)
        print("held", len(self.held), flush=True)
        return NOT_DONE_YET

def make(shared, settings):
    return serving(shared, Holding(shared.reactor), settings)

SERVICE = Declaration(HoldingSettings, make)
"""


@pytest.fixture
def holding(tmp_path: Path) -> Path:
    (tmp_path / "holding.py").write_text(HOLDING)
    return tmp_path


async def started(start: Start, folder: Path, drain_seconds: float) -> tuple[Program, int]:
    (folder / "site.toml").write_text(
        "[site]\nstop_seconds = 50\n"
        f'[service.holding]\nlisten = "{LOCAL}"\ndrain_seconds = {drain_seconds}\n'
        f"max_connections_per_peer = {REQUESTS + 1}\n"
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    port = int((await program.line(ADDRESS.format("holding")))[1])
    await program.line("ready")
    return program, port


@pytest_twisted.ensureDeferred
async def test_requests_in_flight_are_answered_whole_and_nothing_else_is_waited_for(
    start: Start, reactor: Any, holding: Path
) -> None:
    program, port = await started(start, holding, drain_seconds=40)
    idle = await connect(reactor, port)
    idle.transport.write(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
    await idle.until(b"now")
    peers = [await connect(reactor, port) for _ in range(REQUESTS)]
    for peer in peers:
        peer.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await program.line(f"held {REQUESTS}\n")
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    await idle.lost()
    for _ in range(100):  # one the kernel took before the port was closed is cut off unserved
        if await refused(reactor, port):
            break
    else:
        raise AssertionError("connections are still accepted")
    assert program.status is None
    assert not any(peer.received for peer in peers)
    (holding / "release").touch()
    for answer in await gatherResults([peer.lost() for peer in peers]):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert re.search(rb"(?i)^connection: close\r?$", head, re.MULTILINE)
        assert b"first half, " in body
        assert b"second half." in body
        assert body.count(b"x") == 50_000
    assert await program.ended() == 0
    assert time.monotonic() - began < 20  # and not the 40 s that it might have waited
    assert "abort" not in program.out


@pytest_twisted.ensureDeferred
async def test_one_that_is_never_answered_is_aborted_when_the_time_is_over(
    start: Start, reactor: Any, holding: Path
) -> None:
    program, port = await started(start, holding, drain_seconds=0.5)
    peer = await connect(reactor, port)
    peer.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await program.line("held 1\n")
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    assert await peer.lost() == b""
    assert await program.ended() == 0
    assert 0.4 < time.monotonic() - began < 0.5 + 3  # 1, on a machine that has nothing else to do
    assert "aborts 1 connections still open after 0.5 s" in program.out


@pytest_twisted.ensureDeferred
async def test_at_a_stop_no_port_stays_open_and_every_service_has_its_time(
    start: Start, reactor: Any, tmp_path: Path
) -> None:
    names = ["first", "second", "third"]
    (tmp_path / "site.toml").write_text(
        "".join(
            f'[service.{name}]\nkind = "echo"\nlisten = "{LOCAL}"\ndrain_seconds = 3\n'
            for name in names
        )
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    ports = [int((await program.line(ADDRESS.format(name)))[1]) for name in names]
    await program.line("ready")
    peers = [await connect(reactor, port) for port in ports]
    for peer in peers:
        peer.transport.write(b"served")
        await peer.until(b"served")
    program.signal(signal.SIGTERM)
    await program.line("stopping on")
    began = time.monotonic()
    for port in ports:
        for _ in range(100):  # as above
            if await refused(reactor, port):
                break
        else:
            raise AssertionError("connections are still accepted")
    assert time.monotonic() - began < 2
    while any(peer.connected_still for peer in peers):
        for peer in peers:
            if peer.connected_still:
                peer.transport.write(b"x")
        await turn(0.05)
    assert time.monotonic() - began < 3 + 2  # and not 9
    assert await program.ended() == 0
    assert program.out.count("aborts 1 connections still open after 3 s") == 3
    assert "given up" not in program.out


HUNG = """
from toolkit import Declaration, Settings
from twisted.application.service import Service

class HungSettings(Settings):
    '''Holds the reactor for ever.'''
    how: str = "loop"

class Hung(Service):
    def __init__(self, shared, settings):
        self.shared, self.how = shared, settings.how
    def startService(self):
        self.shared.reactor.callLater(0.01, self.hang)
    def hang(self):
        import threading
        print("hangs", flush=True)
        if self.how == "loop":
            while True:
                pass
        elif self.how == "lock":
            threading.Lock().acquire() and threading.Event().wait()

SERVICE = Declaration(HungSettings, Hung)
"""


@pytest.mark.parametrize("how", ["loop", "lock"])
@pytest_twisted.ensureDeferred
async def test_a_second_signal_ends_a_process_whose_reactor_hangs(
    start: Start, tmp_path: Path, how: str
) -> None:
    (tmp_path / "hung.py").write_text(HUNG)
    (tmp_path / "site.toml").write_text(f'[site]\nstop_seconds = 50\n[service.hung]\nhow = "{how}"')
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    await program.line("hangs\n")
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    while program.status is None and time.monotonic() - began < 20:
        # Two signals of one number that come before either is handled are one (signal(7)).
        program.signal(signal.SIGTERM if how == "loop" else signal.SIGINT)
        await turn()
    assert await program.ended() == 1
    assert time.monotonic() - began < 5
    assert not (tmp_path / "twistd.pid").exists()
    assert "ended at once by a second signal, SIG" in program.out
    assert "the reactor did not turn" in program.out


SLOW = """
import threading
from toolkit import Declaration, Settings
from twisted.application.service import Service
from twisted.internet.defer import Deferred

class SlowSettings(Settings):
    'Stops never, or leaves a thread behind.'
    how: str = "service"

class Slow(Service):
    def __init__(self, shared, settings):
        self.shared, self.how = shared, settings.how
    def startService(self):
        if self.how == "thread":
            self.shared.reactor.callInThread(threading.Event().wait)
    def stopService(self):
        print("stops", flush=True)
        return Deferred() if self.how == "service" else None

SERVICE = Declaration(SlowSettings, Slow)
"""


@pytest_twisted.ensureDeferred
async def test_a_second_signal_says_what_was_waited_for_and_cuts_off_what_is_half_said(
    start: Start, reactor: Any, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "site.toml").write_text(
        f'[site]\nstop_seconds = 50\n[service.echo]\nlisten = "{LOCAL}"\ndrain_seconds = 40\n'
        "[service.slow]\n"
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    port = int((await program.line(ADDRESS.format("echo")))[1])
    await program.line("ready")
    peer = await connect(reactor, port)
    peer.transport.write(b"served")
    await peer.until(b"served")
    program.signal(signal.SIGTERM)
    program.signal(signal.SIGTERM)  # the same one, told twice
    await program.line("stops\n")
    peer.transport.write(b"still served")
    await peer.until(b"still served")
    await turn(0.5)
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    assert await program.ended() == 1
    assert time.monotonic() - began < 3  # 1, on a machine that has nothing else to do
    assert "by a second signal, SIGTERM; slow was still stopping" in program.out
    await peer.lost()
    assert peer.reason is ConnectionLost  # and not a clean end


@pytest_twisted.ensureDeferred
async def test_a_stop_that_a_thread_holds_up_says_so(start: Start, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "site.toml").write_text(
        '[site]\nstop_seconds = 0.2\n[service.slow]\nhow = "thread"\n'
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    await program.line("ready")
    program.signal(signal.SIGTERM)
    assert await program.ended() == 1
    assert (
        "ended by force: it has not stopped after 1.2 s; "
        "the services had stopped, but a thread or the reactor had not"
    ) in program.out


STUCK = """
import time
from toolkit import Declaration, Settings
from twisted.application.service import Service

class StuckSettings(Settings):
    'Blocks the process.'
    where: str = "start"

class Stuck(Service):
    def startService(self):
        time.sleep(60)

def make(shared, settings):
    if settings.where == "make":
        time.sleep(60)
    return Stuck()

SERVICE = Declaration(StuckSettings, make)
"""


@pytest.mark.parametrize("where", ["make", "start"])
@pytest.mark.parametrize("daemon", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_start_that_blocks_the_process_is_ended_by_force(
    start: Start, tmp_path: Path, where: str, daemon: bool
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    (tmp_path / "site.toml").write_text(
        f'[site]\nstart_seconds = 0.5\n[service.stuck]\nwhere = "{where}"\n'
    )
    arguments = ["toolkit", "--config", "site.toml"]
    program = start("twistd", *([] if daemon else ["-n"]), *arguments)
    began = time.monotonic()
    assert await program.ended() == 1
    assert time.monotonic() - began < 10
    if where == "make":
        assert program.err == "toolkit: stuck could not be made within 1.5 s\n"
    else:
        why = "ended by force: not ready after 0.5 s; stuck was still starting"
        assert why in (program.err if daemon else program.out)
    assert not (tmp_path / "twistd.pid").exists()


async def turn(seconds: float = 0.01) -> None:
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    await deferLater(reactor, seconds)
