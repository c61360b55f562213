"""Timers keep their time when the machine's clock is set, an hour either way."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred

from tests.processes import Start
from toolkit.steady import steady

LOCAL = "tcp:0:interface=127.0.0.1"


class Reactor(ReactorBase):
    """Twisted's own timers, run by hand."""

    def installWaker(self) -> None: ...


def set_back(reactor: Any) -> None:
    """Be a reactor whose clock was a million seconds ahead of the monotonic one."""
    reactor.seconds = lambda: time.monotonic() + 1e6


def test_timers_that_were_scheduled_before_keep_the_time_they_have_left() -> None:
    reactor = Reactor()
    set_back(reactor)
    fired: list[str] = []
    soon = reactor.callLater(0, fired.append, "soon")
    late = reactor.callLater(500, fired.append, "late")
    reactor.callLater(200, fired.append, "later").delay(100)
    reactor.runUntilCurrent()
    assert fired == ["soon"]
    steady(reactor)
    assert reactor.seconds is time.monotonic
    assert not soon.active()
    assert 499 < late.getTime() - time.monotonic() <= 500
    left = sorted(call.getTime() - time.monotonic() for call in reactor.getDelayedCalls())
    assert 299 < left[0] <= 300
    reactor.runUntilCurrent()
    assert fired == ["soon"]
    late.reset(0)
    reactor.runUntilCurrent()
    assert fired == ["soon", "late"]


def test_timers_that_are_due_are_still_due_and_in_order() -> None:
    reactor = Reactor()
    set_back(reactor)
    fired: list[int] = []
    for number in range(20):
        reactor.callLater(number / 1e6, fired.append, number)
    reactor.timeout()  # the reactor has seen them
    steady(reactor)
    while len(fired) < 20:
        reactor.runUntilCurrent()
    assert fired == sorted(fired)


def test_twice_is_once() -> None:
    reactor = Reactor()
    steady(reactor)
    call = reactor.callLater(10, print)
    at = call.getTime()
    steady(reactor)
    assert call.getTime() == at


# The machine's clock as a real process sees it, set while it runs (libfaketime).

_FAKETIME = shutil.which("faketime")
_CLOCK = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"
stepped = pytest.mark.skipif(
    _FAKETIME is None or not _CLOCK.exists(), reason="needs libfaketime (Debian: faketime)"
)


class MachinesClock:
    """The wall clock of the processes that get `env`; the monotonic one stays as it is."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._file.write_text("+0\n")
        self.env = {
            "LD_PRELOAD": str(_CLOCK),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, hours: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{hours:+d}h\n")
        new.rename(self._file)  # whole or not at all: the process reads it at any time


@pytest.fixture
def clock(tmp_path: Path) -> MachinesClock:
    return MachinesClock(tmp_path)


PROGRAM = """
import sys, time
from toolkit import Periodic, run
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

async def main(reactor):
    began = time.time()
    print("begun", flush=True)
    while abs(time.time() - began) < 1800:  # until the clock has been set
        await deferLater(reactor, 0.01)
    print("stepped", flush=True)
    ticks = []
    periodic = Periodic(reactor, 0.1, lambda: ticks.append(time.monotonic()))
    periodic.startService()
    await deferLater(reactor, 0.55)
    await periodic.stopService()
    print(len(ticks), flush=True)

run(main)
"""


@stepped
@pytest_twisted.ensureDeferred
async def test_a_program_goes_on_at_its_pace(start: Start, clock: MachinesClock) -> None:
    program = start("python", "-c", PROGRAM, env=clock.env)
    await program.line("begun")
    began = time.monotonic()
    clock.step(-1)
    await program.line("stepped")  # its timer of 10 ms has fired: it is not an hour late
    assert await program.ended() == 0
    assert 0.55 <= time.monotonic() - began < 20
    assert 2 <= int(program.out.split()[-1]) <= 7


SITE = f"""
[site]
stop_seconds = 1
[service.echo]
listen = "{LOCAL}"
idle_seconds = 0.6
drain_seconds = 0.5
[service.holds]
"""
HOLDS = """
import time
from toolkit import Declaration, Settings
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

class HoldsSettings(Settings):
    '''Prints the machine's hour when it changes, and holds up the stop.'''

class Holds(Service):
    def __init__(self, shared, settings):
        self.began = time.time()
        self.looks = LoopingCall(self.look)
        self.looks.clock = shared.reactor
    def startService(self):
        self.looks.start(0.02)
    def look(self):
        hours = round((time.time() - self.began) / 3600)
        if hours:
            print("stepped by", hours, flush=True)
            self.looks.stop()
    def stopService(self):
        print("stopping", flush=True)
        return Deferred()

SERVICE = Declaration(HoldsSettings, Holds)
"""


@stepped
@pytest.mark.parametrize("hours", [1, -1])
@pytest_twisted.ensureDeferred
async def test_a_site_keeps_its_limits_and_the_bound_of_its_stop(
    start: Start, reactor: Any, tmp_path: Path, clock: MachinesClock, hours: int
) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "holds.py").write_text(HOLDS)
    program = start("twistd", "-n", "toolkit", "--config", "site.toml", env=clock.env)
    port = int((await program.line(r"echo listening on tcp:127\.0\.0\.1:(\d+)"))[1])
    await program.line("ready")
    kept = await connect(reactor, port)
    clock.step(hours)
    began = time.monotonic()
    await program.line(f"stepped by {hours}")
    await kept.lost  # for being idle: neither at once nor in an hour
    assert 0.4 < time.monotonic() - began < 15
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    await program.line("stopping\n")
    clock.step(0)
    assert await program.ended() == 0
    # Its share of the time for stopping: it is given up then, not at once, and not in an hour.
    assert 0.5 < time.monotonic() - began < 15


async def connect(reactor: Any, port: int) -> Any:
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
    from twisted.internet.protocol import Protocol

    class Kept(Protocol):
        def __init__(self) -> None:
            self.lost: Deferred[None] = Deferred()

        def connectionLost(self, reason: Any = None) -> None:
            self.lost.callback(None)

    return await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Kept())
