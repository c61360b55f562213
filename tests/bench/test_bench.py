"""The benchmarks can be run; what they measure is for people to read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_echo_benchmark_measures_every_contender() -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.bench", "echo",
            "--connections", "3", "20", "--seconds", "0.05", "--rounds", "1",
        ],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    tables = done.stdout.split("\necho of 1 KB, ")[1:]
    assert [table.split()[0] for table in tables] == ["3", "20"]
    for table in tables:
        rows = {words[0]: words[1:] for words in map(str.split, table.splitlines()[2:])}
        assert {"bare", "toolkit", "asyncio"} <= set(rows)
        for numbers in rows.values():
            assert all(float(number.replace(",", "")) > 0 for number in numbers)
        assert rows["bare"][1] == rows["bare"][3] == "1.000"


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
