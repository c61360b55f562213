"""Ask an insult server many times at once, and print how often each insult came."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from apps import arguments

if TYPE_CHECKING:
    from toolkit.tally import Tally


def main() -> None:
    """Read the arguments, ask, print."""
    parser = arguments.Parser(
        prog="insult",
        description=__doc__,
        epilog="Prints count, tab, insult, the most frequent first; what failed, by code, and the "
        "total on stderr. Status 0 when every request was answered, else 1.",
    )
    parser.add_argument("url", metavar="URL", help="where the insults are: http://127.0.0.1:8080/")
    parser.add_argument(
        "--requests",
        type=arguments.count(1, 100_000),
        default=500,
        metavar="N",
        help="how many, all at once (500)",
    )
    parser.add_argument(
        "--timeout",
        type=arguments.seconds,
        default=30.0,
        metavar="SECONDS",
        help="for each request (30)",
    )
    options = parser.parse_args()

    from toolkit.http.failures import FetchError
    from toolkit.http.fetcher import Fetcher, FetchSettings
    from toolkit.http.urls import parse_url
    from toolkit.program import run
    from toolkit.tally import Tally, tally

    try:
        parse_url(options.url)
    except FetchError as error:
        parser.error(str(error))

    async def asks(reactor: Any) -> int:
        settings = FetchSettings(
            concurrency=options.requests,
            per_host=options.requests,
            timeout_seconds=options.timeout,
            retries=0,  # each request counts, also one that fails
        )
        fetcher = Fetcher(reactor, settings)
        counts = Tally()
        began = reactor.seconds()
        try:
            await tally(fetcher, options.url, options.requests, counts)
        finally:
            report(counts, options.requests, reactor.seconds() - began)
            await fetcher.close()
        return 1 if counts.failures else 0

    run(asks, program=parser.prog)


def report(counts: Tally, requests: int, seconds: float) -> None:
    """Print the counts: lines for a pipe, a table with bars for a terminal."""
    if sys.stdout.isatty():
        _table(counts)
    else:
        for insult, count in counts.answers.most_common():
            print(f"{count}\t{' '.join(insult.split())}")
        sys.stdout.flush()
    for code, count in counts.failures.most_common():
        print(f"{count}\t{code}", file=sys.stderr)
    answered = counts.answers.total()
    print(f"{answered} of {requests} answered in {seconds:.2f} s", file=sys.stderr)


def _table(counts: Tally) -> None:
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    table.add_column("count", justify="right")
    table.add_column("", width=20)
    table.add_column("insult")
    most = max(counts.answers.values(), default=0)
    for insult, count in counts.answers.most_common():
        printable = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in insult
        )
        table.add_row(str(count), Bar(most, 0, count), Text(printable))
    Console().print(table)


if __name__ == "__main__":
    main()
