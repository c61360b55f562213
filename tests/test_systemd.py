"""systemd is told through the socket it names, and a socket that is not there costs a line."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import LogEvent, LogLevel, formatEvent

from toolkit.systemd import notify


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
