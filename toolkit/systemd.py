"""Telling systemd how far the process is, and that it lives (sd_notify(3))."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()


def notify(environment: Mapping[str, str], state: str) -> bool:
    """Send a line such as `READY=1` to the socket that systemd named, if it named one.

    Args:
        environment: `os.environ`; its NOTIFY_SOCKET is a path, or with `@` an abstract name.
        state: The line.

    Returns:
        Whether it was sent. That it could not be is logged; it never stops the process.
    """
    error = _send(environment, state)
    if error:
        _log.warn("could not tell systemd {state}: {error}", state=state, error=error)
    return error == ""


def _send(environment: Mapping[str, str], state: str) -> str | None:
    """Why a line could not be sent, "" if it was, and None where nobody waits for it."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return None
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)
    except OSError as error:
        return str(error)
    return ""


class Watchdog:
    """Tells systemd's watchdog that the reactor turns (sd_watchdog_enabled(3)).

    Four times in its interval, if systemd set one for this process. A turn that came later than
    half the interval is not told: a reactor that is held up for so long, again and again, is as
    good as dead, and systemd is to start another.

    Args:
        clock: The reactor, or in a test a Clock.
        environment: `os.environ`, with WATCHDOG_USEC and WATCHDOG_PID.
    """

    def __init__(self, clock: IReactorTime, environment: Mapping[str, str]) -> None:
        self._clock = clock
        self._environment = environment
        self._seconds = _watchdog_seconds(environment)
        self._due = 0.0
        self._error = ""
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Tell it now, and from now on."""
        if self._seconds:
            self._due = self._clock.seconds()
            self._tell()

    def stop(self) -> None:
        """Tell it no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _tell(self) -> None:
        now = self._clock.seconds()
        lag = now - self._due
        if lag < self._seconds / 2:
            self._notify()
        else:
            _log.warn(
                "the reactor was held up for {lag:.1f} s: systemd's watchdog is not told", lag=lag
            )
        self._due = now + self._seconds / 4
        self._call = self._clock.callLater(self._seconds / 4, self._tell)

    def _notify(self) -> None:
        error = _send(self._environment, "WATCHDOG=1") or ""
        if error and error != self._error:  # or it would be a line every time
            _log.warn("could not tell systemd {state}: {error}", state="WATCHDOG=1", error=error)
        self._error = error


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """The watchdog's interval, or 0 where there is none for this process."""
    value = environment.get("WATCHDOG_USEC", "")
    if not value or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    if not re.fullmatch(r"0*[1-9][0-9]{0,15}", value, re.ASCII):
        _log.warn("WATCHDOG_USEC: expected microseconds, found {value}", value=value)
        return 0.0
    return int(value) / 1e6
