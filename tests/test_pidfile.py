"""Each process keeps its own pid file, and leaves another's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toolkit._pidfile import PidFile
from toolkit.errors import StartFailed, ToolkitError

NOBODY = 2**31 - 1
"""No process has this id (proc_sys_kernel(5), pid_max)."""


def options(folder: Path, content: str | None = None) -> dict[str, Any]:
    path = folder / "the.pid"
    if content is not None:
        path.write_text(content)
    return {"pidfile": str(path)}


def test_one_of_a_process_that_lives_is_refused(tmp_path: Path) -> None:
    one = PidFile(options(tmp_path, str(os.getppid())))
    for looks in (one.look, one.refuse_another):
        with pytest.raises(
            StartFailed, match=rf"process {os.getppid()} has the pid file .*the\.pid"
        ):
            looks()


TAKEN = """
import os, subprocess, sys
from toolkit._pidfile import PidFile
from toolkit.errors import StartFailed, ToolkitError
try:
    PidFile({options!r}).refuse_another()
except ToolkitError as error:
    print(error)
else:
    print("taken", os.getpid(), flush=True)
    if {again!r}:
        subprocess.run([sys.executable, "-c", {again!r}])
"""


def taken(options: dict[str, Any], again: str = "") -> list[str]:
    """What a process prints that takes a pid file, and then another, by `again`, while it lives."""
    code = TAKEN.format(options=options, again=again)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=15)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("content", [None, "", "no number", str(NOBODY), "9" * 20])
def test_one_that_is_nobodys_is_taken(tmp_path: Path, content: str | None) -> None:
    [line] = taken(options(tmp_path, content))
    assert line == f"taken {(tmp_path / 'the.pid').read_text()}"


def test_one_that_another_holds_is_refused_whatever_is_in_it_and_is_left_alone(
    tmp_path: Path,
) -> None:
    mine = options(tmp_path)
    first, second = taken(mine, TAKEN.format(options=mine, again=""))
    assert second.startswith(f"process {first.split()[1]} has the pid file ")
    assert (tmp_path / "the.pid").read_text() == first.split()[1]


def test_one_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none" / "the.pid"
    with pytest.raises(ToolkitError) as raised:
        PidFile({"pidfile": str(path)}).refuse_another()
    assert str(raised.value) == (
        f"the pid file {path} cannot be written: No such file or directory; "
        "name another file by twistd's option --pidfile"
    )


def test_one_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    PidFile(options(tmp_path)).look()
    (tmp_path / "the.pid").mkdir()
    with pytest.raises(ToolkitError, match="cannot be read: Is a directory; name another"):
        PidFile(options(tmp_path)).look()


@pytest.mark.parametrize("content", [None, str(NOBODY)])
def test_one_that_is_gone_or_of_a_dead_process_is_written_anew(
    tmp_path: Path, content: str | None
) -> None:
    PidFile(options(tmp_path, content)).keep()
    assert (tmp_path / "the.pid").read_text() == str(os.getpid())


def test_one_that_a_living_process_has_by_now_is_left_to_it(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=rf"process {os.getppid()} has the pid file"):
        PidFile(options(tmp_path, str(os.getppid()))).keep()
    assert (tmp_path / "the.pid").read_text() == str(os.getppid())


def test_twistd_is_not_to_remove_anothers(tmp_path: Path) -> None:
    mine = options(tmp_path, str(os.getpid()))
    PidFile(mine).spare_another()
    assert mine["pidfile"] == str(tmp_path / "the.pid")
    another = options(tmp_path, str(NOBODY))
    PidFile(another).spare_another()
    assert another["pidfile"] == ""


def test_one_that_cannot_be_read_is_taken_for_ones_own(tmp_path: Path) -> None:
    (tmp_path / "the.pid").mkdir()  # which even root cannot read as a file
    unread = options(tmp_path)
    PidFile(unread).spare_another()
    assert unread["pidfile"] == str(tmp_path / "the.pid")
    empty = tmp_path / "empty.pid"
    empty.touch()
    PidFile({"pidfile": str(empty)}).remove(os.getpid())
    assert not empty.exists()


def test_it_is_removed_for_the_process_that_it_names_only(tmp_path: Path) -> None:
    one = PidFile(options(tmp_path, "123"))
    one.remove(NOBODY)
    assert (tmp_path / "the.pid").exists()
    one.remove(123)
    assert not (tmp_path / "the.pid").exists()
    one.remove(123)


def test_without_a_pid_file_nothing_is_done(tmp_path: Path) -> None:
    for none in ({}, {"pidfile": ""}, {"pidfile": None}):
        one = PidFile(none)
        one.look()
        one.refuse_another()
        one.keep()
        one.spare_another()
        one.remove(os.getpid())
    assert not list(tmp_path.iterdir())
