"""The root service: what it does when the reactor runs, when the start fails, and at the end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.application.service import Application, Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent

from tests.processes import Start
from toolkit._daemon import Launcher
from toolkit._process import Process
from toolkit.group import Group


class Reactor(Clock):
    """A reactor that runs when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.stopped = 0
        self._when_running: list[Callable[[], object]] = []

    def callWhenRunning(self, function: Callable[[], object]) -> None:
        self._when_running.append(function)

    def callFromThread(self, function: Callable[..., object], *arguments: Any) -> None:
        self.callLater(0, function, *arguments)

    def run(self) -> None:
        self.running = True
        for function in self._when_running:
            function()

    def stop(self) -> None:
        self.stopped += 1


class Slow(Service):
    """Starts when it is let."""

    def __init__(self) -> None:
        self.prepared = False
        self.starts: list[Deferred[None]] = []

    def privilegedStartService(self) -> None:
        self.prepared = True

    def startService(self) -> Any:
        self.starts.append(Deferred())
        return self.starts[-1]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The handlers of signals, as they were before the test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Running:
    """A process with one service, on a reactor in memory."""

    def __init__(self, **options: Any) -> None:
        self.reactor = Reactor()
        self.group = Group(self.reactor)
        self.service = Slow()
        self.group.add("slow", self.service)
        options.setdefault("environment", {})
        self.guards: list[float] = []
        options["guard"] = self.guard
        self.process = Process(self.reactor, self.group, 10.0, 60.0, **options)

    def guard(self, seconds: float, _end: Callable[[], None]) -> Callable[[], None]:
        """None that runs: it would end the process of the tests."""
        self.guards.append(seconds)
        return lambda: self.guards.remove(seconds)

    def run(self) -> None:
        self.process.startService()
        self.reactor.run()


def messages(logged: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in logged]


def test_the_services_start_when_the_reactor_runs_and_privileges_are_used_before() -> None:
    running = Running()
    running.process.privilegedStartService()
    running.process.startService()
    assert running.service.prepared
    assert running.service.starts == []
    running.reactor.run()
    assert len(running.service.starts) == 1


def test_ready_is_logged_and_told_to_systemd_when_every_service_is(
    tmp_path: Path, logged: list[LogEvent]
) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.setblocking(False)
        running = Running(environment={"NOTIFY_SOCKET": path})
        running.run()
        assert "ready" not in messages(logged)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        running.service.starts[0].callback(None)
        assert messages(logged)[-1] == "ready"
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_reactor_from_its_own_turn(
    number: signal.Signals, logged: list[LogEvent]
) -> None:
    running = Running()
    running.run()
    running.service.starts[0].callback(None)
    assert running.guards == []
    signal.raise_signal(number)
    assert running.reactor.stopped == 0
    assert running.guards == [11.0]
    running.reactor.advance(0)
    assert running.reactor.stopped == 1
    assert f"stopping on {number.name}" in messages(logged)
    running.process.stopService()
    assert running.guards == [11.0]


def test_a_signal_that_comes_twice_at_once_is_one(logged: list[LogEvent]) -> None:
    running = Running()
    running.run()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)  # or this would be the end of the tests
    running.reactor.advance(0)
    assert running.reactor.stopped == 1
    assert messages(logged).count("stopping on SIGTERM") == 1


def test_the_start_is_guarded_from_where_privileges_are_used_until_it_is_over() -> None:
    running = Running()
    running.process.privilegedStartService()
    assert running.guards == [60.0]
    running.run()
    assert running.guards == [60.0]
    running.service.starts[0].callback(None)
    assert running.guards == []


def test_sighup_reopens_the_log_from_the_reactors_turn() -> None:
    reopened: list[int] = []
    running = Running(reopen=lambda: reopened.append(1))
    running.run()
    signal.raise_signal(signal.SIGHUP)
    assert reopened == []
    running.reactor.advance(0)
    assert reopened == [1]


def test_without_a_log_to_reopen_sighup_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGHUP)
    Running().run()
    assert signal.getsignal(signal.SIGHUP) is before


def test_the_application_is_given_the_log_if_there_is_one() -> None:
    root = Application("test")
    Running().process.setServiceParent(root)
    assert ILogObserver(root, None) is None
    log: Any = [].append
    Running(log=log).process.setServiceParent(root)
    assert ILogObserver(root) is log


def test_a_limit_too_low_for_the_connections_is_told_before_the_services_start(
    logged: list[LogEvent],
) -> None:
    running = Running(connections={"echo": 10**9})
    running.run()
    [line] = [line for line in messages(logged) if "too few for the connections" in line]
    assert "echo" in line
    assert "ready" not in messages(logged)


class Pipe:
    """The pipe on which a launcher waits."""

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._writing = writing
        self.launcher = Launcher({}, writing)

    def read(self) -> bytes:
        return os.read(self._reading, 1000)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._writing)
        os.close(self._reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_a_daemons_launcher_waits_until_every_service_is_ready(pipe: Pipe) -> None:
    running = Running(launcher=pipe.launcher)
    running.run()
    with pytest.raises(BlockingIOError):
        pipe.read()
    running.service.starts[0].callback(None)
    assert pipe.read() == b"ready\n"


def test_a_daemons_launcher_hears_of_a_stop_during_the_start(pipe: Pipe) -> None:
    running = Running(launcher=pipe.launcher)
    running.run()
    running.process.stopService()
    assert pipe.read() == b"it was stopped before it was ready\n"


# What ends the process, or would a while later, is done in another one.

PROGRAM = """
from twisted.application.service import Service
from twisted.internet import reactor
from twisted.logger import eventAsText, globalLogBeginner
from toolkit._process import Process
from toolkit.errors import ListenFailed
from toolkit.group import Group

show = lambda event: print(eventAsText(event))
globalLogBeginner.beginLoggingTo([show], redirectStandardIO=False)

class Fails(Service):
    def startService(self):
        {start}
    def stopService(self):
        print("the service stops")

group = Group(reactor)
group.add("fails", Fails())
process = Process(reactor, group, 10.0, log_is_elsewhere={elsewhere}, environment={{}})
{before}
process.startService()
reactor.addSystemEventTrigger("before", "shutdown", process.stopService)
reactor.run()
print("the reactor has ended")
"""


STOP = "reactor.callWhenRunning(reactor.callLater, 0.01, reactor.stop)"


def program(error: str = "", elsewhere: bool = False, before: str = "") -> str:
    start = f"raise {error}" if error else "pass"
    return PROGRAM.format(start=start, elsewhere=elsewhere, before=before)


@pytest_twisted.ensureDeferred
async def test_a_start_that_fails_ends_the_reactor_and_then_the_process_with_1(
    start: Start,
) -> None:
    ended = start("python", "-c", program("ListenFailed('the port is taken')"))
    assert await ended.ended() == 1
    assert ended.out.count("fails could not start: the port is taken") == 1
    assert ended.out.endswith("the reactor has ended\n")
    assert (ended.err, "Traceback" in ended.out) == ("", False)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_bug_in_the_start_ends_the_process_too(start: Start, elsewhere: bool) -> None:
    bug = "group.startService = lambda: {}['url']"
    ended = start("python", "-c", program(elsewhere=elsewhere, before=bug))
    assert await ended.ended() == 1
    line = "the services could not be started: KeyError: 'url' at <string>:"
    assert ended.out.count(line) == 1
    assert "Traceback (most recent call last)" in ended.out
    assert ended.err.count(f"toolkit: {line}") == elsewhere


@pytest_twisted.ensureDeferred
async def test_it_is_told_on_stderr_too_when_the_log_is_elsewhere(start: Start) -> None:
    ended = start("python", "-c", program("ListenFailed('taken')", elsewhere=True))
    assert await ended.ended() == 1
    assert ended.err == "toolkit: fails could not start: taken\n"


@pytest_twisted.ensureDeferred
async def test_the_end_stops_the_services_and_is_status_0(start: Start) -> None:
    ended = start("python", "-c", program(before=STOP))
    assert await ended.ended() == 0
    assert ended.out.index("the service stops\n") < ended.out.index("the reactor has ended\n")


@pytest_twisted.ensureDeferred
async def test_one_that_was_stopped_before_the_reactor_ran_starts_nothing(start: Start) -> None:
    before = f"reactor.callWhenRunning(process.stopService)\n{STOP}"
    ended = start("python", "-c", program("OSError('it was started')", before=before))
    assert await ended.ended() == 0
    assert "it was started" not in ended.out
