"""The root service of a toolkit process: signals, status, log, and the word "ready"."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import ILogObserver, Logger
from twisted.python.failure import Failure

from toolkit._bounds import Bounds, Guard, after
from toolkit._daemon import Launcher
from toolkit._pidfile import PidFile
from toolkit.descriptors import raise_limit, shortage
from toolkit.errors import StartFailed, told
from toolkit.group import Group
from toolkit.systemd import Watchdog, notify

SAME_SECONDS = 0.2
"""Two signals in so short a time are one: timeout(1) sends it to its child and to the group."""


class Process(Service):
    """Runs a Group as what a twistd or twist process is for.

    The Group starts when the reactor runs, so that a signal finds its handler in place. When it
    is ready, that is logged and told to systemd. When it cannot start, the process ends with
    status 1. SIGTERM and SIGINT stop it, with status 0; a second one ends the process at once,
    with status 1, and so does a stop that takes longer than it may, or a start that has the
    reactor hang longer than that.

    Args:
        reactor: The reactor.
        group: What to run.
        stop_seconds: How long the stop may take.
        start_seconds: How long the start may take.
        log: The log for the application, or None to leave the one that is there.
        reopen: Called on SIGHUP, or None to leave SIGHUP alone.
        pid_file: twistd's pid file, removed also when the process ends by force.
        log_is_elsewhere: Whether the log goes to a file alone: why it could not start is then
            told on stderr too.
        environment: `os.environ`, for systemd.
        guard: Calls a function after so many seconds, whatever the reactor does, unless what it
            returns is called before.
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
        start_seconds: float = 60.0,
        log: ILogObserver | None = None,
        reopen: Callable[[], None] | None = None,
        pid_file: PidFile | None = None,
        log_is_elsewhere: bool = False,
        environment: Mapping[str, str] = os.environ,
        guard: Guard | None = None,
        connections: Mapping[str, int] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self._reactor = reactor
        self._group = group
        self._observer = log
        self._reopen = reopen
        self._pid_file = pid_file or PidFile({})
        self._log_is_elsewhere = log_is_elsewhere
        self._environment = environment
        self._signalled_at: float | None = None
        self._launcher = launcher or Launcher({})
        self._bounds = Bounds(
            reactor,
            group,
            (start_seconds, stop_seconds),
            self._pid_file,
            self._launcher,
            guard or after,
        )
        self._connections = connections or {}
        self._watchdog = Watchdog(reactor, environment)

    def setServiceParent(self, parent: Any) -> None:
        """Become the application's service, and give the application its log."""
        if self._observer is not None:
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Let the children bind what needs privileges."""
        self._bounds.begin_start()
        self._group.privilegedStartService()

    def startService(self) -> None:
        """Start the group as soon as the reactor runs."""
        super().startService()
        self._bounds.begin_start()
        self._launcher.take()
        self._reactor.callWhenRunning(self._start)

    def stopService(self) -> Deferred[None]:
        """Stop the group, within its time."""
        super().stopService()
        self._watchdog.stop()
        self._launcher.tell("it was stopped before it was ready")
        notify(self._environment, "STOPPING=1")
        self._pid_file.spare_another()
        self._bounds.begin_stop()
        return self._group.stopService()

    def _start(self) -> None:
        if not self.running:
            return
        starting = maybeDeferred(self._start_group)
        starting.addCallback(self._ready).addErrback(self._failed)

    def _start_group(self) -> Deferred[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if self._reopen is not None:
            signal.signal(signal.SIGHUP, self._on_hangup)
        lack = shortage(raise_limit(), self._connections)
        if lack:
            self._log.warn("{lack}", lack=lack)
        return self._group.startService()

    def _ready(self, _result: object) -> None:
        self._bounds.end_start()
        self._pid_file.keep()
        self._log.info("ready")
        notify(self._environment, "READY=1")
        self._watchdog.start()
        self._launcher.tell()

    def _failed(self, failure: Failure) -> None:
        self._bounds.end_start()
        error: Any = failure.value
        if failure.check(CancelledError, StartFailed) and not self.running:
            return  # it was stopped while it was starting
        if failure.check(StartFailed):
            reason = str(error)
            self._log.critical("{reason}", reason=reason)
        else:
            reason = f"the services could not be started: {told(error)}"
            self._log.failure("{reason}", failure, reason=reason)
        if self._log_is_elsewhere and sys.__stderr__ is not None:
            print(f"toolkit: {reason}", file=sys.__stderr__)
        self._launcher.tell(reason)
        # The reactor's own end gives status 0, and twistd has no other way to say more.
        atexit.register(_leave, 1)
        if self._reactor.running:
            self._reactor.stop()

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        if self._reopen is not None:
            self._reactor.callFromThread(self._reopen)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now, name = time.monotonic(), signal.Signals(number).name
        if self._signalled_at is not None:
            if now - self._signalled_at >= SAME_SECONDS:
                self._bounds.end_now(f"ended at once by a second signal, {name}")
            return
        self._signalled_at = now
        # From here, and not from the stop: what hangs may be the reactor's thread itself.
        self._bounds.begin_stop()
        self._reactor.callFromThread(self._stop, name)

    def _stop(self, name: str) -> None:
        self._log.info("stopping on {signal}", signal=name)
        if self._reactor.running:
            self._reactor.stop()


def _leave(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
