"""The benchmarks can be run; what they measure is for people to read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


def tables(*arguments: str) -> list[tuple[str, dict[str, list[str]]]]:
    """The title of each table, and its rows: the contender, and what it reached."""
    command = [sys.executable, "-m", "tests.bench", *arguments, "--rounds", "1"]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = []
    printed = re.sub(r"(?m)^\S+ is left out.*\n", "", done.stdout)
    for table in printed.split("\n\n"):
        title, _, *rows = table.strip().splitlines()
        found.append((title, {row.split()[0]: row.split()[1:] for row in rows}))
    return found


@pytest.mark.parametrize(
    ("arguments", "titles", "contenders"),
    [
        (
            ("echo", "--connections", "3"),
            ["echo of 1 KB, 3 connections"],
            {"stock", "wrapped", "wrapped-service", "prompt", "prompt-service", "asyncio"},
        ),
        (
            ("http-server", "--connections", "3"),
            ["twisted.web hello, 3 connections"],
            {"stock", "wrapped", "prompt"},
        ),
        (
            ("klein", "--connections", "3"),
            [
                "Klein, 3 connections",
                "Klein, 3 connections, by processor time",
                "Klein-async, 3 connections",
                "Klein-async, 3 connections, by processor time",
            ],
            set(),
        ),
        (
            ("access-log", "--connections", "3"),
            ["toolkit.web hello, 3 connections"],
            {"silent", "logged"},
        ),
        (
            ("log",),
            ["log events as JSON to a file"],
            {"twisted", "toolkit", "toolkit-logging", "toolkit-text"},
        ),
        (
            ("client", "--connections", "3"),
            ["httptools client, 3 connections", "httptools client, TLS 1.3, 3 connections"],
            {"stock", "wrapped", "prompt"},
        ),
        (
            ("others", "--connections", "20", "--beside", "prompt"),
            [
                "new connections, 1 KB each, one after another",
                "echo of 64 KiB, 20 connections",
                "echo of 1 KB, one connection",
                "the slowest of 20 busy connections, to their mean",
                "memory of 20 connections, once used",
                "an idle reactor's wake-ups in 0.1 s",
            ],
            {"stock", "prompt"},
        ),
    ],
)
def test_a_benchmark_measures_every_contender(
    arguments: tuple[str, ...], titles: list[str], contenders: set[str]
) -> None:
    measured = tables(*arguments, "--seconds", "0.05")
    assert [title.partition(", median")[0] for title, _ in measured] == titles
    for _, rows in measured:
        assert contenders <= set(rows)
        for numbers in rows.values():
            assert all(float(number.replace(",", "")) >= 0 for number in numbers)
        # None of memory or of wake-ups has no ratio.
        assert next(iter(rows.values()))[1:2] in ([], ["1.000"])


def test_the_startup_benchmark_measures_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "startup", "--rounds", "1"],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[3:]
    assert len(rows) == 4
    assert all(float(row.split()[-3]) > 0 for row in rows)


@pytest.mark.parametrize("what", ["read", "write"])
@pytest.mark.parametrize("contender", ["adbapi", "toolkit"])
def test_a_database_is_asked_by_each_contender(contender: str, what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.database", contender, "sqlite", what, "3", "0.05"],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) > 0
