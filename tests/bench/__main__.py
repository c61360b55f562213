"""Run benchmarks: `python -m tests.bench echo startup`."""

from __future__ import annotations

import argparse

from tests.bench import echo, startup
from tests.bench.echo import CONTENDERS


def main() -> None:
    """Read the arguments, measure, print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "benchmarks",
        nargs="+",
        choices=["echo", "startup"],
        help="echo: 1 KB there and back again; startup: --help as a whole process",
    )
    parser.add_argument(
        "--connections", type=int, nargs="+", default=[50, 1000], help="at once (50 and 1000)"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement (1)")
    parser.add_argument("--rounds", type=int, default=9, help="of which the median is taken (9)")
    parser.add_argument(
        "--beside",
        nargs="*",
        default=CONTENDERS[1:],
        choices=CONTENDERS[1:],
        help="what is measured beside the bare protocol (all)",
    )
    options = parser.parse_args()
    if "startup" in options.benchmarks:
        startup.compare(options.rounds)
    if "echo" in options.benchmarks:
        contenders = ["bare", *options.beside]
        echo.compare(options.connections, options.seconds, options.rounds, contenders)


if __name__ == "__main__":
    main()
