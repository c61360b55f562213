"""Whoever started a daemon hears whether it is up, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from toolkit._daemon import Launcher


def told(*problems: str, takes: bool = True) -> tuple[bytes, Any]:
    """What the launcher reads until the pipe is closed, and what twistd finds in its options."""
    reading, writing = os.pipe()
    options: dict[str, Any] = {"statusPipe": writing}
    launcher = Launcher(options)
    launcher.take()
    for problem in problems:
        launcher.tell(problem)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read(), options["statusPipe"]


def test_twistd_is_left_nothing_to_answer() -> None:
    assert told("") == (b"0", None)


def test_a_problem_is_told_in_what_twistd_reads() -> None:
    assert told("echo could not start: taken") == (b"1 echo could not start: taken", None)
    answer, _ = told("é" * 200)
    assert answer.startswith(b"1 \\xe9\\xe9")
    assert len(answer) == 100


def test_only_the_first_word_counts() -> None:
    assert told("", "it was stopped")[0] == b"0"
    assert told("it was stopped", "")[0] == b"1 it was stopped"


@pytest.mark.parametrize("options", [{}, {"statusPipe": None}])
def test_where_nobody_waits_nothing_is_said(options: dict[str, Any]) -> None:
    launcher = Launcher(options)
    launcher.take()
    launcher.tell()
    launcher.tell("a problem")


def test_one_who_no_longer_waits_is_no_error() -> None:
    reading, writing = os.pipe()
    launcher = Launcher({"statusPipe": writing})
    launcher.take()
    os.close(reading)
    launcher.tell()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


@pytest.mark.parametrize("options", [{}, {"nodaemon": True}])
def test_without_a_daemon_no_wait_is_bounded(options: dict[str, Any]) -> None:
    Launcher(options).bound(100)
    assert signal.getitimer(signal.ITIMER_REAL)[0] < 90  # but for the test run's own


def test_the_timer_is_the_launchers_and_not_the_daemons() -> None:
    code = (
        "import os, signal, sys\n"
        "from toolkit._daemon import Launcher\n"
        "launcher = Launcher({'nodaemon': False, 'statusPipe': None})\n"
        "launcher.bound(0.3)\n"
        "daemon = os.fork()\n"
        "if not daemon:\n"
        "    os._exit(signal.getitimer(signal.ITIMER_REAL)[0] > 0)\n"
        "assert os.waitpid(daemon, 0)[1] == 0\n"
        "os.read(os.pipe()[0], 100)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, "toolkit: no word from the daemon for 0.3 s\n")
