"""A start or a stop that hangs is ended by force, and the line says what was waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from toolkit._bounds import LATE_SECONDS, Bounds, after
from toolkit._daemon import Launcher
from toolkit._pidfile import PidFile
from toolkit.group import Group


class Turning:
    """A reactor that turns, until the start is over."""

    def __init__(self) -> None:
        self.turns = 0
        self.end: Callable[[], None] = lambda: None

    def callFromThread(self, function: Callable[[], object]) -> None:
        self.turns += 1
        function()
        if self.turns == 2:
            self.end()


class Guarded:
    """Bounds whose time does not run; what it would call is called by the test."""

    def __init__(self, reactor: Any = None) -> None:
        self.guards: dict[float, Callable[[], None]] = {}
        group = Group(Clock())
        self.bounds = Bounds(reactor, group, (60.0, 10.0), PidFile({}), Launcher({}), self._guard)

    def _guard(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        assert seconds not in self.guards
        self.guards[seconds] = function
        return lambda: self.guards.__delitem__(seconds)


def test_the_start_is_bounded_once_and_until_it_is_over() -> None:
    guarded = Guarded()
    guarded.bounds.begin_start()
    guarded.bounds.begin_start()
    assert list(guarded.guards) == [60.0]
    guarded.bounds.end_start()
    assert not guarded.guards


def test_a_start_that_was_never_begun_can_be_over() -> None:
    guarded = Guarded()
    guarded.bounds.end_start()
    assert not guarded.guards


def test_the_stop_is_bounded_once_and_has_a_second_more_than_its_time() -> None:
    guarded = Guarded()
    guarded.bounds.begin_stop()
    guarded.bounds.begin_stop()
    assert list(guarded.guards) == [10.0 + LATE_SECONDS]


def test_a_start_that_takes_long_is_left_to_the_group_while_the_reactor_turns() -> None:
    turning = Turning()
    guarded = Guarded(turning)
    guarded.bounds.begin_start()
    look = guarded.guards[60.0]
    turning.end = guarded.bounds.end_start
    look()  # or this would be the end of the tests
    assert turning.turns == 2


# The end by force is done in another process.

PROGRAM = """
import os, sys
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogBeginner
from toolkit._bounds import Bounds
from toolkit._daemon import Launcher
from toolkit._pidfile import PidFile
from toolkit.group import Group

show = lambda event: print(event["reason"], flush=True) if "reason" in event else None
globalLogBeginner.beginLoggingTo([show], redirectStandardIO=False)

class Slow(Service):
    def __init__(self, starts, stops):
        self.starts, self.stops = starts, stops
    def startService(self):
        return None if self.starts else Deferred()
    def stopService(self):
        return None if self.stops else Deferred()

class Hangs(Clock):
    def callFromThread(self, function):
        pass

with open("pid", "w") as file:
    file.write(str(os.getpid()))
clock = Hangs()
group = Group(clock)
at_once = lambda seconds, function: function
bounds = Bounds(
    clock, group, (3.0, 2.0), PidFile({"pidfile": "pid"}), Launcher({}, 1), at_once, show
)
"""


def ended(folder: Path, code: str) -> list[str]:
    """Run the program; what it said before it was ended by force."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert list(folder.iterdir()) == []  # its pid file has gone
    said, told_the_launcher = done.stdout.splitlines()
    assert said == told_the_launcher
    return said.split("; ")


@pytest.mark.parametrize(
    ("code", "waited_for"),
    [
        (
            "group.add('first', Slow(True, True)); group.add('slow', Slow(False, True))\n"
            "group.startService()\n",
            "slow was still starting",
        ),
        (
            "group.add('one', Slow(True, False)); group.startService(); group.stopService()\n",
            "one was still stopping",
        ),
        (
            "group.add('one', Slow(True, True)); group.startService()\n",
            "the reactor did not turn, so that no service was asked to stop",
        ),
        (
            "group.add('one', Slow(True, True)); group.startService(); group.stopService()\n",
            "the services had stopped, but a thread or the reactor had not",
        ),
    ],
)
def test_the_end_by_force_says_what_was_waited_for(
    tmp_path: Path, code: str, waited_for: str
) -> None:
    assert ended(tmp_path, code + "bounds.end_now('why')\n") == ["why", waited_for]


def test_a_stop_that_takes_too_long_is_the_end(tmp_path: Path) -> None:
    code = (
        "bounds._guard = lambda seconds, function: function()\n"
        "bounds.begin_stop()\nprint('it went on')\n"
    )
    assert ended(tmp_path, code)[0] == "ended by force: it has not stopped after 3 s"


def test_a_start_in_which_the_reactor_hangs_is_the_end(tmp_path: Path) -> None:
    code = (
        "bounds._guard = lambda seconds, function: function()\n"
        "bounds.begin_start()\nprint('it went on')\n"
    )
    assert ended(tmp_path, code)[0] == "ended by force: not ready after 3 s"


def test_two_threads_that_would_end_it_do_so_once(tmp_path: Path) -> None:
    code = (
        "tell = bounds._launcher.tell\n"
        "bounds._launcher.tell = lambda reason: (bounds.end_now('again'), tell(reason))\n"
        "bounds.end_now('why')\n"
    )
    assert ended(tmp_path, code)[0] == "why"


def timers() -> list[threading.Timer]:
    return [one for one in threading.enumerate() if isinstance(one, threading.Timer)]


def test_after_so_many_seconds_a_thread_calls_which_no_end_waits_for() -> None:
    called: list[bool] = []
    rang = threading.Event()

    def ring() -> None:
        called.append(threading.current_thread().daemon)
        rang.set()

    after(0.01, ring)
    assert rang.wait(10)
    assert called == [True]


def test_what_is_called_off_is_not_called() -> None:
    before = timers()
    called: list[int] = []
    call_off = after(3600, lambda: called.append(1))
    [timer] = [one for one in timers() if one not in before]
    call_off()
    timer.join(10)
    assert (timer.is_alive(), called) == (False, [])
