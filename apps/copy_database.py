"""Copy a database to another one: SQLite to PostgreSQL, and back."""

from __future__ import annotations

import sys
from typing import Any

from apps.arguments import Parser, count


def main() -> None:
    """Read the arguments, copy, print a line for each table."""
    parser = Parser(
        prog="copy_database",
        description=__doc__,
        epilog="Exit status: 0 all is the same in both, 1 it is not, 2 wrong usage, "
        "130 interrupted.",
    )
    parser.add_argument("source", metavar="SOURCE", help="sqlite:PATH or postgresql://…")
    parser.add_argument("target", metavar="TARGET", help="the same; tables are made where missing")
    parser.add_argument(
        "--replace", action="store_true", help="delete what the target's tables hold first"
    )
    parser.add_argument(
        "--batch-rows",
        type=count(1, 100_000),
        default=1000,
        metavar="N",
        help="how many rows at a time (1000)",
    )
    options = parser.parse_args()

    from toolkit.database.copying import copy_database
    from toolkit.database.database import Database
    from toolkit.database.settings import place_of
    from toolkit.errors import printable
    from toolkit.program import run

    for url in (options.source, options.target):
        try:
            place_of(url)
        except ValueError as error:
            parser.error(f"expected {error}")

    def progress(table: str, done: int, total: int) -> None:
        print(f"\r{printable(table)}: {done:,} of {total:,} rows", end="", file=sys.stderr)

    async def copies(reactor: Any) -> None:
        source = Database(reactor, _reading(options.source))
        target = Database(reactor, options.target)
        is_terminal = sys.stderr.isatty()
        try:
            await source.startService()
            await target.startService()
            copied = await copy_database(
                source,
                target,
                options.replace,
                options.batch_rows,
                progress if is_terminal else None,
            )
        finally:
            if is_terminal:
                print("\r\x1b[K", end="", file=sys.stderr)
            await target.stopService()
            await source.stopService()
        for one in copied:
            print(f"{printable(one.table)}\t{one.rows} rows\t{one.checksum}")

    run(copies, program=parser.prog)


def _reading(url: str) -> str:
    """A file that is read from is not made, and not written to."""
    is_file = url.startswith("sqlite:") and not url.endswith(("?mode=ro", ":memory:"))
    return f"{url}?mode=ro" if is_file else url


if __name__ == "__main__":
    main()
