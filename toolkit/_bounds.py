"""The bounds of a process: a start or a stop that hangs is ended by force."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from toolkit import _force
from toolkit._daemon import Launcher
from toolkit._pidfile import PidFile
from toolkit.group import Group

LATE_SECONDS = 1.0
"""How much longer than its time a start may hang, and a stop take, before the end by force."""

Guard = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function after so many seconds, unless what it returns is called before."""


class Bounds:
    """Ends a process whose reactor hangs in the start, or that does not end after its stop.

    Args:
        reactor: The reactor.
        group: What the process runs, to tell which service was waited for.
        seconds: How long its start may take, and its stop.
        pid_file: Removed at the end by force.
        launcher: Told of the end by force.
        guard: Measures the time, whatever the reactor does.
    """

    def __init__(
        self,
        reactor: Any,
        group: Group,
        seconds: tuple[float, float],
        pid_file: PidFile,
        launcher: Launcher,
        guard: Guard,
    ) -> None:
        self._reactor = reactor
        self._group = group
        self._start_seconds, self._stop_seconds = seconds
        self._pid_file = pid_file
        self._launcher = launcher
        self._guard = guard
        self._start_is_over = threading.Event()
        self._unguard_start: Callable[[], None] | None = None
        self._stop_is_bounded = False
        self._is_ending = False

    def begin_start(self) -> None:
        """Bound the start. In the daemon, and not before the fork: threads stay behind there."""
        if self._unguard_start is None:
            self._unguard_start = self._guard(self._start_seconds, self._look_at_the_start)

    def end_start(self) -> None:
        """The start is over, one way or the other."""
        self._start_is_over.set()
        if self._unguard_start is not None:
            self._unguard_start()

    def begin_stop(self) -> None:
        """Bound the stop, up to the end of the process. Safe in a signal's handler."""
        if not self._stop_is_bounded:
            self._stop_is_bounded = True
            seconds = self._stop_seconds + LATE_SECONDS
            why = f"ended by force: it has not stopped after {seconds:g} s"
            self._guard(seconds, lambda: self.end_now(why))

    def end_now(self, why: str) -> None:
        """End the process by force, with status 1. Safe in any thread and in a signal's handler.

        Args:
            why: Said in the log, with the service that was waited for.
        """
        if self._is_ending:
            return  # another thread is at it, and done within a second
        self._is_ending = True
        reason = f"{why}; {self._waited_for()}"
        _force.say(reason)
        self._launcher.tell(reason)
        self._pid_file.remove(os.getpid())
        _force.cut_off()
        os._exit(1)

    def _look_at_the_start(self) -> None:
        # The Group keeps the time of its start itself, while the reactor turns.
        while not self._start_is_over.is_set():
            turned = threading.Event()
            self._reactor.callFromThread(turned.set)
            if not turned.wait(LATE_SECONDS) and not self._start_is_over.is_set():
                self.end_now(f"ended by force: not ready after {self._start_seconds:g} s")
            self._start_is_over.wait(LATE_SECONDS)

    def _waited_for(self) -> str:
        states = {name: state for name, (state, _) in self._group.states().items()}
        waited = [name for name, state in states.items() if state in ("starting", "stopping")]
        if waited:
            return f"{', '.join(waited)} was still {states[waited[-1]]}"
        if any(state in ("ready", "degraded") for state in states.values()):
            return "the reactor did not turn, so that no service was asked to stop"
        return "the services had stopped, but a thread or the reactor had not"


def after(seconds: float, function: Callable[[], None]) -> Callable[[], None]:
    """Call a function after some seconds, in a thread.

    What hangs may be the reactor's own thread, or one of its threads, which it joins before it
    ends.

    Args:
        seconds: When.
        function: What to call.

    Returns:
        A function that calls it off, if it has not begun.
    """
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()
    return timer.cancel
