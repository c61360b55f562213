"""systemd is told through the socket it names, and a socket that is not there costs a line."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent

from toolkit.systemd import Watchdog, notify


@pytest.fixture
def systemd() -> Iterator[socket.socket]:
    """A socket of the kind that systemd listens on, not yet bound."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(10)
        yield bound


def test_a_line_is_sent_to_the_path(systemd: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    systemd.bind(path)
    assert notify({"NOTIFY_SOCKET": path}, "READY=1") is True
    assert systemd.recv(100) == b"READY=1"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_at_is_an_abstract_name(systemd: socket.socket) -> None:
    name = f"toolkit-test-{os.getpid()}"
    systemd.bind(f"\0{name}")
    assert notify({"NOTIFY_SOCKET": f"@{name}"}, "STOPPING=1") is True
    assert systemd.recv(100) == b"STOPPING=1"


def test_a_watchdog_that_cannot_be_told_is_one_line(tmp_path: Path, logged: list[LogEvent]) -> None:
    clock = Clock()
    gone = {"NOTIFY_SOCKET": str(tmp_path / "none"), "WATCHDOG_USEC": "1000000"}
    watchdog = Watchdog(clock, gone)
    watchdog.start()
    clock.pump([0.25] * 20)
    watchdog.stop()
    [event] = logged
    assert formatEvent(event).startswith("could not tell systemd WATCHDOG=1: ")


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_socket_nothing_is_sent_or_said(
    environment: dict[str, str], logged: list[LogEvent]
) -> None:
    assert notify(environment, "READY=1") is False
    assert logged == []


@pytest.mark.parametrize("address", ["none", "x" * 200, "@" + "x" * 200])
def test_a_socket_that_cannot_be_reached_is_logged_and_not_raised(
    address: str, tmp_path: Path, logged: list[LogEvent]
) -> None:
    if not address.startswith("@"):
        address = str(tmp_path / address)
    assert notify({"NOTIFY_SOCKET": address}, "READY=1") is False
    [event] = logged
    assert event["log_level"] is LogLevel.warn
    assert formatEvent(event).startswith("could not tell systemd READY=1: ")


def test_a_socket_that_nobody_empties_does_not_hold_the_process(
    systemd: socket.socket, tmp_path: Path, logged: list[LogEvent]
) -> None:
    path = str(tmp_path / "notify")
    systemd.bind(path)
    sent = 0
    while notify({"NOTIFY_SOCKET": path}, "READY=1"):
        sent += 1
        assert sent < 100_000
    assert sent > 0
    assert len(logged) == 1


class Watched:
    """A watchdog of 8 s, and the socket that it tells."""

    def __init__(self, systemd: socket.socket, folder: Path, **environment: str) -> None:
        path = str(folder / "notify")
        systemd.bind(path)
        systemd.setblocking(False)
        self._systemd = systemd
        self.clock = Clock()
        self.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "8000000", **environment}
        self.watchdog = Watchdog(self.clock, self.environment)

    def told(self) -> int:
        """How often it was told since it was asked last."""
        count = 0
        while True:
            try:
                assert self._systemd.recv(100) == b"WATCHDOG=1"
            except BlockingIOError:
                return count
            count += 1


def test_the_watchdog_is_told_from_the_start_on_until_the_stop(
    systemd: socket.socket, tmp_path: Path
) -> None:
    watched = Watched(systemd, tmp_path)
    assert watched.told() == 0
    watched.watchdog.start()
    assert watched.told() == 1
    watched.clock.pump([0.5] * 16)
    assert watched.told() == 4
    watched.watchdog.stop()
    watched.clock.pump([0.5] * 64)
    assert watched.told() == 0
    assert watched.clock.getDelayedCalls() == []


def test_the_watchdog_is_not_told_of_a_turn_that_came_half_its_interval_late(
    systemd: socket.socket, tmp_path: Path, logged: list[LogEvent]
) -> None:
    watched = Watched(systemd, tmp_path)
    watched.watchdog.start()
    assert watched.told() == 1
    watched.clock.advance(2 + 3.9)
    assert watched.told() == 1
    watched.clock.advance(2 + 4.1)
    assert watched.told() == 0
    assert "held up for 4.1 s" in formatEvent(logged[-1])
    watched.clock.advance(2)
    assert watched.told() == 1


def test_a_watchdog_that_says_for_which_process_is_that_processes_own(
    systemd: socket.socket, tmp_path: Path
) -> None:
    watched = Watched(systemd, tmp_path, WATCHDOG_PID=str(os.getpid()))
    watched.watchdog.start()
    assert watched.told() == 1
    other = Watchdog(watched.clock, {**watched.environment, "WATCHDOG_PID": "1"})
    other.start()
    assert watched.told() == 0


@pytest.mark.parametrize("value", ["", "0", "-1", "soon", "1e6", "9" * 400, "\u0663"])
def test_without_an_interval_there_is_no_watchdog(
    systemd: socket.socket, tmp_path: Path, value: str, logged: list[LogEvent]
) -> None:
    watched = Watched(systemd, tmp_path, WATCHDOG_USEC=value)
    watched.watchdog.start()
    assert watched.told() == 0
    assert watched.clock.getDelayedCalls() == []
    assert len(logged) == (1 if value else 0)
