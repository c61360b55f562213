"""The root service of a toolkit process: signals, status, log, and the word "ready"."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, Logger
from twisted.python.failure import Failure

from toolkit._daemon import Launcher
from toolkit.descriptors import raise_limit, shortage
from toolkit.errors import StartFailed
from toolkit.group import Group
from toolkit.systemd import Watchdog, notify

LATE_SECONDS = 1.0
"""How much longer than its time for stopping the process may take to be gone."""


class Process(Service):
    """Runs a Group as what a twistd or twist process is for.

    The Group starts when the reactor runs, so that a signal finds its handler in place. When it
    is ready, that is logged and told to systemd. When it cannot start, the process ends with
    status 1. SIGTERM and SIGINT stop it, with status 0; a second one ends the process at once,
    with status 1, and so does a stop that takes longer than it may.

    Args:
        reactor: The reactor.
        group: What to run.
        stop_seconds: How long the stop may take.
        log: The log for the application, or None to leave the one that is there.
        reopen: Called on SIGHUP, or None to leave SIGHUP alone.
        leaves: A file of the process, removed also when it ends by force; or "".
        log_is_elsewhere: Whether the log goes to a file alone: why it could not start is then
            told on stderr too.
        environment: `os.environ`, for systemd.
        guard: Calls a function after so many seconds, whatever the reactor does.
        connections: The most connections of each service, which the limit on open files should
            allow.
        launcher: Who waits for a daemon to be up.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        group: Group,
        stop_seconds: float,
        log: ILogObserver | None = None,
        reopen: Callable[[], None] | None = None,
        leaves: str = "",
        log_is_elsewhere: bool = False,
        environment: Mapping[str, str] = os.environ,
        guard: Callable[[float, Callable[[], None]], object] | None = None,
        connections: Mapping[str, int] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self._reactor = reactor
        self._group = group
        self._stop_seconds = stop_seconds
        self._observer = log
        self._reopen = reopen
        self._leaves = leaves
        self._log_is_elsewhere = log_is_elsewhere
        self._environment = environment
        self._signalled = False
        self._guard = guard or _from_a_thread
        self._end_is_bounded = False
        self._connections = connections or {}
        self._launcher = launcher or Launcher({})
        self._watchdog = Watchdog(reactor, environment)

    def setServiceParent(self, parent: Any) -> None:
        """Become the application's service, and give the application its log."""
        if self._observer is not None:
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Let the children bind what needs privileges."""
        self._group.privilegedStartService()

    def startService(self) -> None:
        """Start the group as soon as the reactor runs."""
        super().startService()
        self._launcher.take()
        self._reactor.callWhenRunning(self._start)

    def stopService(self) -> Deferred[None]:
        """Stop the group, within its time."""
        super().stopService()
        self._watchdog.stop()
        self._launcher.tell("it was stopped before it was ready")
        notify(self._environment, "STOPPING=1")
        self._bound_the_end()
        return self._group.stopService()

    def _start(self) -> None:
        if not self.running:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if self._reopen is not None:
            signal.signal(signal.SIGHUP, self._on_hangup)
        lack = shortage(raise_limit(), self._connections)
        if lack:
            self._log.warn("{lack}", lack=lack)
        starting = self._group.startService()
        starting.addCallbacks(self._ready, self._failed)

    def _ready(self, _result: object) -> None:
        self._log.info("ready")
        notify(self._environment, "READY=1")
        self._watchdog.start()
        self._launcher.tell()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError, StartFailed) and not self.running:
            return  # it was stopped while it was starting
        if failure.check(StartFailed):
            self._log.critical("{reason}", reason=str(failure.value))
            if self._log_is_elsewhere and sys.__stderr__ is not None:
                print(f"toolkit: {failure.value}", file=sys.__stderr__)
            self._launcher.tell(str(failure.value))
        else:
            self._launcher.tell("the services could not be started")
            self._log.failure("the services could not be started", failure)
        # The reactor's own end gives status 0, and twistd has no other way to say more.
        atexit.register(_leave, 1)
        if self._reactor.running:
            self._reactor.stop()

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        if self._reopen is not None:
            self._reactor.callFromThread(self._reopen)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._signalled:
            self._end_now()
        self._signalled = True
        # From here, and not from the stop: what hangs may be the reactor's thread itself.
        self._bound_the_end()
        self._reactor.callFromThread(self._stop, signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        self._log.info("stopping on {signal}", signal=name)
        if self._reactor.running:
            self._reactor.stop()

    def _bound_the_end(self) -> None:
        if not self._end_is_bounded:
            self._end_is_bounded = True
            self._guard(self._stop_seconds + LATE_SECONDS, self._end_now)

    def _end_now(self) -> None:
        self._launcher.tell("it was ended by force before it was ready")
        if self._leaves:
            with suppress(OSError):
                os.unlink(self._leaves)
        os._exit(1)


def _from_a_thread(seconds: float, function: Callable[[], None]) -> None:
    # What hangs may be the reactor's own thread, or one of its threads, which it joins before it
    # ends.
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()


def _leave(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
