"""Echo of 1 KB: the toolkit's service beside a bare Twisted protocol, asyncio and uvloop.

Each contender is a process of its own, new in every round, on one core; the load comes from this
process, on another where there is one. The contenders take turns within every round, so that
whatever else the machine does meets all of them, and each is compared with the bare one of its
own round.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tests.bench.load import Load

CONTENDERS = ("bare", "toolkit", "asyncio", "uvloop")
WARM_UP_SECONDS = 1.0


class Measured(NamedTuple):
    """One measurement: echoed messages a second, and a second of the server's processor time."""

    per_second: float
    per_cpu_second: float


def compare(
    connections: list[int], seconds: float, rounds: int, contenders: Sequence[str] = CONTENDERS
) -> None:
    """Measure all contenders and print a table for each number of connections.

    Args:
        connections: How many connections at once; one table for each.
        seconds: How long one measurement takes.
        rounds: How many measurements of each contender.
        contenders: Which ones; the first is what the others are compared with.
    """
    if "uvloop" in contenders and not _has_uvloop():
        print("uvloop is left out: it is not installed (pip install uvloop)")
        contenders = [name for name in contenders if name != "uvloop"]
    contenders = list(contenders)
    _raise_open_files()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])
    try:
        measured: dict[int, dict[str, list[Measured]]] = {
            count: {name: [] for name in contenders} for count in connections
        }
        for number in range(rounds):
            # Another one begins in each round: none has always the same predecessor. And each
            # measurement has a process of its own: two of the same program differ by some per
            # cent for as long as they live, by where the memory of each happens to lie.
            first = number % len(contenders)
            for name in contenders[first:] + contenders[:first]:
                with _server(name, cores[0]) as (pid, port):
                    for count in connections:
                        measured[count][name].append(_measure(pid, port, count, seconds))
        for count in connections:
            _print(count, measured[count])
    finally:
        os.sched_setaffinity(0, cores)


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))


@contextmanager
def _server(name: str, core: int) -> Iterator[tuple[int, int]]:
    """A server's process id and port."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.servers", name, str(core)], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def _cpu_seconds(pid: int) -> float:
    """The processor time a process has used (proc_pid_stat(5): utime and stime)."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _measure(pid: int, port: int, connections: int, seconds: float) -> Measured:
    with Load(port, connections) as load:
        load.run(WARM_UP_SECONDS)
        cpu, began = _cpu_seconds(pid), time.monotonic()
        messages = load.run(seconds)
        elapsed = time.monotonic() - began
        cpu = _cpu_seconds(pid) - cpu
    # The kernel counts in hundredths of a second; a very short run may see none.
    return Measured(messages / elapsed, messages / max(cpu, 0.01))


def _print(connections: int, measured: dict[str, list[Measured]]) -> None:
    print(f"\necho of 1 KB, {connections:,} connections, median of {len(measured['bare'])} rounds")
    print(f"{'contender':<12}{'messages/s':>12}{'to bare':>9}{'per CPU s':>12}{'to bare':>9}")
    for name, rounds in measured.items():
        columns = ""
        for column in range(2):
            values = [one[column] for one in rounds]
            ratios = [
                value / bare[column] for value, bare in zip(values, measured["bare"], strict=True)
            ]
            columns += f"{statistics.median(values):>12,.0f}{statistics.median(ratios):>9.3f}"
        print(f"{name:<12}{columns}", flush=True)
