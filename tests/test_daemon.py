"""Whoever started a daemon hears whether it is up, once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit._daemon import Launcher


def told(*problems: str) -> bytes:
    """What the launcher hears until the process ends."""
    reading, writing = os.pipe()
    launcher = Launcher({}, writing)
    for problem in problems:
        launcher.tell(problem)
    if problems[0]:
        os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


def test_twistd_is_left_nothing_to_answer() -> None:
    reading, writing = os.pipe()
    options: dict[str, Any] = {"statusPipe": writing}
    Launcher(options).take()
    assert options["statusPipe"] is None
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b""


def test_a_problem_is_told_on_one_line() -> None:
    assert told("") == b"ready\n"
    assert told("echo could not start: é\ntaken") == "echo could not start: é\\ntaken\n".encode()


def test_only_the_first_word_counts() -> None:
    assert told("", "it was stopped") == b"ready\n"
    assert told("it was stopped", "") == b"it was stopped\n"


@pytest.mark.parametrize("options", [{}, {"statusPipe": None}])
def test_where_nobody_waits_nothing_is_said(options: dict[str, Any]) -> None:
    launcher = Launcher(options)
    launcher.take()
    launcher.tell()
    launcher.tell("a problem")


def test_one_who_no_longer_waits_is_no_error() -> None:
    reading, writing = os.pipe()
    launcher = Launcher({}, writing)
    os.close(reading)
    launcher.tell()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


# The rest in a process of its own: its forks are watched from then on.

DAEMON = """
import os, signal, sys, time
from toolkit._daemon import Launcher
launcher = Launcher({{"nodaemon": {nodaemon}, "statusPipe": None, "pidfile": "the.pid"}})
launcher.bound({seconds})
if os.fork():
    time.sleep(30)
    os._exit(9)
os.setsid()
if os.fork():
    os._exit(0)
with open("the.pid", "w") as file:
    file.write(str(os.getpid()))
print(os.getpid(), flush=True)
os.close(1)
os.close(2)
launcher.take()
{acts}
"""


def launched(
    folder: Path, acts: str, seconds: float = 20
) -> tuple[int, str, float, Callable[[], bool]]:
    """The launcher's status, its line, how long it took, and whether the daemon lives."""
    code = DAEMON.format(nodaemon=False, seconds=seconds, acts=acts)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=15, cwd=folder
    )
    took = time.monotonic() - began
    pid = int(done.stdout)

    def lives() -> bool:
        # One that has ended may be a zombie still, if nobody is there to wait for it.
        try:
            return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False

    return done.returncode, done.stderr, took, lives


def test_the_launcher_ends_with_0_as_soon_as_the_daemon_is_ready(tmp_path: Path) -> None:
    status, line, took, lives = launched(tmp_path, "launcher.tell(); time.sleep(3)")
    assert (status, line, lives()) == (0, "", True)
    assert took < 3
    assert (tmp_path / "the.pid").exists()


def test_after_a_problem_the_daemons_end_is_waited_for(tmp_path: Path) -> None:
    acts = "launcher.tell('no port'); time.sleep(0.5); os.unlink('the.pid'); os._exit(1)"
    status, line, took, lives = launched(tmp_path, acts)
    assert (status, line, lives()) == (1, "toolkit: no port\n", False)
    assert took >= 0.5


def test_a_daemon_that_dies_without_a_word_is_noticed_at_once(tmp_path: Path) -> None:
    status, line, took, lives = launched(tmp_path, "os._exit(9)")
    assert (status, lives()) == (1, False)
    assert line == "toolkit: the daemon ended without a word; its log may say why\n"
    assert took < 5
    assert not (tmp_path / "the.pid").exists()


def test_one_that_says_nothing_is_killed_and_its_pid_file_removed(tmp_path: Path) -> None:
    status, line, _, lives = launched(tmp_path, "time.sleep(60)", seconds=0.5)
    assert (status, lives()) == (1, False)
    assert line == "toolkit: no word from the daemon for 0.5 s; it was killed\n"
    assert not (tmp_path / "the.pid").exists()


def test_what_the_daemon_forks_later_is_not_taken_for_it(tmp_path: Path) -> None:
    acts = "child = os.fork() or os._exit(0); os.waitpid(child, 0); launcher.tell('own words')"
    status, line, _, _ = launched(tmp_path, acts)
    assert (status, line) == (1, "toolkit: own words\n")


@pytest.mark.parametrize("options", [{}, {"nodaemon": True}])
def test_without_a_daemon_nobody_is_waited_for(options: dict[str, Any]) -> None:
    code = (
        "import os\n"
        "from toolkit._daemon import Launcher\n"
        f"Launcher({options!r}).bound(0.01)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(5)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
