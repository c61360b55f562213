"""Fetch URLs, many at once, and print a line for each as it completes."""

from __future__ import annotations

import argparse
import os
import sys

from apps.arguments import Parser, count, seconds, size
from apps.fetch.report import unreadable

PROGRAM = "fetch"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=__doc__,
        epilog="Each line: status, bytes, milliseconds, URL; or the error's code, -, milliseconds, "
        "URL, message. Status 0 when all answered below 400, 1 when any did not, 2 for wrong "
        "usage, 130 after SIGINT.",
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="http or https")
    parser.add_argument(
        "-i", dest="input", metavar="FILE", help="read more URLs from it, one a line; - is stdin"
    )
    parser.add_argument(
        "--concurrency", type=count(1, 10_000), default=64, help="fetches at once (64)", metavar="N"
    )
    parser.add_argument(
        "--timeout", default=30.0, help="for one URL in all (30)", type=seconds, metavar="SECONDS"
    )
    parser.add_argument(
        "--connect-timeout",
        default=10.0,
        help="for name, TCP and TLS together (10)",
        type=seconds,
        metavar="SECONDS",
    )
    parser.add_argument(
        "--max-bytes",
        type=size,
        default="16M",
        metavar="SIZE",
        help="the most of one body, after decoding, plain or with K, M, G (16M)",
    )
    parser.add_argument(
        "--max-redirects", type=count(0, 100), default=5, help="for one URL (5)", metavar="N"
    )
    parser.add_argument(
        "--public-only",
        action="store_true",
        help="connect to addresses of the public internet only, redirects included",
    )
    return parser


def main() -> None:
    """Read the arguments, fetch, print."""
    parser = _parser()
    options = parser.parse_args()
    if not options.urls and options.input is None:
        parser.error("there is no URL; name one, or a file of them with -i")
    descriptor = _opened(parser, options.input)

    from apps.fetch.job import Job
    from toolkit.http.fetcher import FetchSettings
    from toolkit.program import run

    settings = FetchSettings(
        concurrency=options.concurrency,
        timeout_seconds=options.timeout,
        connect_timeout_seconds=options.connect_timeout,
        max_bytes=options.max_bytes,
        max_redirects=options.max_redirects,
        public_only=options.public_only,
    )
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # a URL may hold what the terminal's encoding has no byte for
        reconfigure(errors="backslashreplace")
    run(
        lambda reactor: Job(reactor, settings, options.urls, descriptor, options.input).run(),
        program=PROGRAM,
    )


def _opened(parser: argparse.ArgumentParser, path: str | None) -> int | None:
    if path is None:
        return None
    try:
        if path == "-":
            os.fstat(0)
            return 0
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if os.path.isdir(path):
            raise IsADirectoryError(0, "it is a directory")
    except (OSError, ValueError) as error:
        parser.exit(2, f"{PROGRAM}: {unreadable(path, error)}\n")
    return descriptor


if __name__ == "__main__":
    main()
