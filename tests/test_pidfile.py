"""Each process keeps its own pid file, and leaves another's alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from toolkit._pidfile import PidFile
from toolkit.errors import ToolkitError

NOBODY = 2**31 - 1
"""No process has this id (proc_sys_kernel(5), pid_max)."""


def options(folder: Path, content: str | None = None) -> dict[str, Any]:
    path = folder / "the.pid"
    if content is not None:
        path.write_text(content)
    return {"pidfile": str(path)}


def test_one_of_a_process_that_lives_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError, match=rf"process {os.getppid()} has the pid file .*the\.pid"):
        PidFile(options(tmp_path, str(os.getppid()))).refuse_another()


@pytest.mark.parametrize("content", [None, "", "no number", str(NOBODY), "9" * 20])
def test_one_that_is_nobodys_is_not(tmp_path: Path, content: str | None) -> None:
    PidFile(options(tmp_path, content)).refuse_another()


@pytest.mark.parametrize("content", [None, str(NOBODY)])
def test_one_that_another_has_taken_is_written_anew(tmp_path: Path, content: str | None) -> None:
    PidFile(options(tmp_path, content)).keep()
    assert (tmp_path / "the.pid").read_text() == str(os.getpid())


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
        one.refuse_another()
        one.keep()
        one.spare_another()
        one.remove(os.getpid())
    assert not list(tmp_path.iterdir())
