"""Whoever started a daemon hears whether it is up, once."""

from __future__ import annotations

import os
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
