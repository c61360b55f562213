"""Contenders take turns, each as a process of its own; what comes out is their ratios.

In every round each contender is started anew on one core, and measured from another where there
is one: two processes of the same program differ by some per cent for as long as they live, by
where the memory of each happens to lie. Another one begins in each round, so that none has always
the same predecessor; and each is compared with the first one of its own round, so that whatever
else the machine does meets all of them.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

LEFT_OUT = {
    "aiohttp": "aiohttp",
    "httpx": "httpx",
    "aiosqlite": "aiosqlite",
    "psycopg-pool": "psycopg_pool",
    "uvloop": "uvloop",
    "python-json-logger": "pythonjsonlogger",
    "structlog": "structlog",
    "structlog-msgspec": "structlog",
}
"""The module that a contender needs, which may not be installed."""


class Server:
    """A process that serves; `words` is what it printed first, such as its port."""

    def __init__(self, process: subprocess.Popen[bytes], words: list[str]) -> None:
        self.pid = process.pid
        self.port = int(words[0])

    def cpu_seconds(self) -> float:
        """The processor time it has used (proc_pid_stat(5): utime and stime)."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status(self, name: str) -> int:
        """A number of proc_pid_status(5), such as VmRSS in KiB."""
        with open(f"/proc/{self.pid}/status") as file:
            found = next(line for line in file if line.startswith(f"{name}:"))
        return int(found.split()[1])


@contextmanager
def serving(core: int, *arguments: str) -> Iterator[Server]:
    """A process of `tests.bench.servers` on one core, for as long as the block runs."""
    command = [sys.executable, "-m", "tests.bench.servers", str(core), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield Server(process, process.stdout.readline().decode().split())
        finally:
            process.kill()


@contextmanager
def on_the_last_core() -> Iterator[int]:
    """This process on the last core, with as many open files as it may have; gives the first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 30_000)), hard))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])
    try:
        yield cores[0]
    finally:
        os.sched_setaffinity(0, cores)


def installed(contenders: Sequence[str]) -> list[str]:
    """The contenders that can be run here; the others are named."""
    there = []
    for name in contenders:
        needs = LEFT_OUT.get(name)
        if needs is not None and importlib.util.find_spec(needs) is None:
            print(f"{name} is left out: it is not installed (pip install -e '.[bench]')")
        else:
            there.append(name)
    return there


def rounds_of(
    contenders: Sequence[str], rounds: int, measure: Callable[[str], float]
) -> dict[str, list[float]]:
    """Measure each contender once a round.

    Args:
        contenders: Their names.
        rounds: How many rounds.
        measure: Gives one measurement of the contender of that name.

    Returns:
        The measurements of each, in the order of the rounds.
    """
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for name in [*contenders[first:], *contenders[:first]]:
            measured[name].append(measure(name))
    return measured


def show(
    title: str,
    unit: str,
    measured: Mapping[str, list[float]],
    bare: Mapping[str, str] | None = None,
) -> None:
    """Print a table: each one's median, and its ratio to the first and to its bare fellow.

    Args:
        title: What was measured.
        unit: The unit of a measurement.
        measured: What `rounds_of` gave.
        bare: For one that adds something to another of them, that other one's name.
    """
    first = next(iter(measured))
    print(f"\n{title}, median of {len(measured[first])} rounds")
    print(f"{'contender':<18}{unit:>14}{'to ' + first:>12}{'to bare':>10}")
    for name, values in measured.items():
        beside = "" if not bare or name not in bare else ratio(values, measured.get(bare[name]))
        print(
            f"{name:<18}{statistics.median(values):>14,.0f}{ratio(values, measured[first]):>12}"
            f"{beside:>10}",
            flush=True,
        )


def ratio(values: list[float], others: list[float] | None) -> str:
    """The median of the ratios, round by round."""
    if others is None or not all(others):
        return ""
    return f"{statistics.median(a / b for a, b in zip(values, others, strict=True)):.3f}"
