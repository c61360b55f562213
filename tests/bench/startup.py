"""Starting: how long `--help` takes as a whole process, beside Python and twistd themselves."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "twistd --help": [str(BIN / "twistd"), "--help"],
    "twistd -n toolkit --help": [str(BIN / "twistd"), "-n", "toolkit", "--help"],
    "python -m apps.fetch --help": [sys.executable, "-m", "apps.fetch", "--help"],
}


def compare(rounds: int) -> None:
    """Run each command in every round, in turn, and print a table.

    Args:
        rounds: How many measurements of each command.
    """
    # Compiled modules are kept, as where the package is installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    measured: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, command in COMMANDS.items():
            began = time.monotonic()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
            measured[name].append(time.monotonic() - began)
    print(f"\nwhole processes, median of {rounds} rounds")
    print(f"{'command':<30}{'ms':>8}{'over pass':>12}{'to twistd':>12}")
    runs = {name: values[1:] for name, values in measured.items()}  # the first one compiles
    for name, values in runs.items():
        over = statistics.median(
            one - bare for one, bare in zip(values, runs["python -c pass"], strict=True)
        )
        ratio = statistics.median(
            one / twistd for one, twistd in zip(values, runs["twistd --help"], strict=True)
        )
        median = statistics.median(values)
        print(f"{name:<30}{median * 1000:>8.0f}{over * 1000:>12.0f}{ratio:>12.2f}")
