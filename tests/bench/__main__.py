"""Run benchmarks: `python -m tests.bench echo http-server client`."""

from __future__ import annotations

import argparse
import importlib.util

from tests.bench import (
    client,
    database,
    echo,
    fetch,
    fetch_program,
    http_server,
    klein,
    log,
    others,
    startup,
)


def main() -> None:
    """Read the arguments, measure, print tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "benchmarks",
        nargs="+",
        choices=[
            "echo",
            "http-server",
            "klein",
            "client",
            "fetch",
            "fetch-program",
            "others",
            "startup",
            "log",
            "access-log",
            "database",
        ],
        help="echo: 1 KB there and back again; http-server: twisted.web; klein: JSON routes beside "
        "bare Klein; client: httptools, plain and over TLS; fetch: the Fetcher beside other "
        "clients, plain and over TLS; fetch-program: apps.fetch as a whole process; others: what "
        "must not get slower; startup: --help as a whole process; log: events to a file as JSON; "
        "access-log: a site without and with one; database: SQLite and "
        "PostgreSQL, asked by many",
    )
    parser.add_argument("--connections", type=int, nargs="+", help="at once (50; echo also 1000)")
    parser.add_argument("--urls", type=int, default=20_000, help="of fetch-program (20000)")
    parser.add_argument(
        "--million", type=int, default=0, help="URLs by stdin, for its memory (0: none)"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement (1)")
    parser.add_argument("--rounds", type=int, default=9, help="of which the median is taken (9)")
    parser.add_argument(
        "--beside",
        nargs="*",
        choices=echo.CONTENDERS[1:],
        help="which contenders are measured beside stock (all)",
    )
    options = parser.parse_args()
    seconds, rounds = options.seconds, options.rounds

    def chosen(contenders: tuple[str, ...]) -> list[str]:
        return [
            name
            for name in contenders
            if name == contenders[0] or options.beside is None or name in options.beside
        ]

    if "log" in options.benchmarks:
        log.compare(seconds, rounds)
    if "database" in options.benchmarks:
        database.compare(seconds, rounds)
    if "access-log" in options.benchmarks:
        http_server.compare_access_log(options.connections or [50], seconds, rounds)
    if "startup" in options.benchmarks:
        startup.compare(rounds)
    if "echo" in options.benchmarks:
        echo.compare(options.connections or [50, 1000], seconds, rounds, chosen(echo.CONTENDERS))
    if "http-server" in options.benchmarks:
        http_server.compare(
            options.connections or [50], seconds, rounds, chosen(http_server.CONTENDERS)
        )
    if "klein" in options.benchmarks:
        klein.compare(options.connections or [50], seconds, rounds)
    if "client" in options.benchmarks:
        if importlib.util.find_spec("httptools") is None:
            parser.error("client needs httptools (pip install httptools)")
        for over_tls in (False, True):
            client.compare(
                options.connections or [50], seconds, rounds, chosen(client.CONTENDERS), over_tls
            )
    if "fetch" in options.benchmarks:
        fetch.compare((options.connections or [50])[0], seconds, rounds)
    if "fetch-program" in options.benchmarks:
        fetch_program.compare(options.urls, rounds, options.million)
    if "others" in options.benchmarks:
        many = max(options.connections or [others.MANY])
        others.compare(seconds, rounds, chosen(others.CONTENDERS), many)


if __name__ == "__main__":
    main()
