"""Copy a database to another one: SQLite to PostgreSQL, and back."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from apps.arguments import Parser, count, seconds


def main() -> None:
    """Read the arguments, copy, print a line for each table."""
    parser = Parser(
        prog="copy_database",
        description=__doc__,
        epilog="The target is written in one transaction: it has all, or is as it was. How far it "
        "has come is shown on stderr, where that is a terminal. Exit "
        "status: 0 all is the same in both, 1 nothing was copied, 2 wrong usage, 3 the rows are "
        "the same, but a rule, an index or the like was left out, as each line on stderr says (a "
        "note there, of a column that is kept as another type, changes no status), "
        "130 interrupted, 143 terminated.",
    )
    parser.add_argument("source", metavar="SOURCE", help="sqlite:PATH or postgresql://…")
    parser.add_argument("target", metavar="TARGET", help="the same; tables are made where missing")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="delete the rows of the target's tables of the same names first; such tables are "
        "kept as they are, but for their rows",
    )
    parser.add_argument(
        "--batch-rows",
        type=count(1, 100_000),
        default=1000,
        metavar="N",
        help="how many rows at a time (1000)",
    )
    parser.add_argument(
        "--deadline",
        type=seconds,
        default=86_400.0,
        metavar="SECONDS",
        help="how long all of it may take (86400)",
    )
    options = parser.parse_args()

    from twisted.internet.defer import CancelledError

    from toolkit.database.copying.copy import Copy, CopyFailed, copy_database
    from toolkit.database.database import Database
    from toolkit.database.errors import Unavailable
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

    async def starts(target: Database) -> None:
        try:
            await target.startService()
        except Unavailable as error:
            if "does not exist" not in str(error):
                raise
            raise CopyFailed(f"{error}; make an empty database of that name first") from None

    async def copies(reactor: Any) -> int:
        source = Database(reactor, _reading(options.source))
        target = Database(reactor, options.target)
        is_terminal = sys.stderr.isatty()
        clear = "\r\x1b[K" * is_terminal
        made = _not_there(options.target)
        try:
            await source.startService()
            await starts(target)
            copy: Copy = await copy_database(
                source,
                target,
                options.replace,
                options.batch_rows,
                progress if is_terminal else None,
                options.deadline,
            )
            made = None
        except CancelledError:
            print(f"{clear}{parser.prog}: interrupted: nothing was copied", file=sys.stderr)
            raise
        finally:
            print(clear, end="", file=sys.stderr)
            await target.stopService()
            await source.stopService()
            if made is not None:
                _remove_empty(made)
        for one in copy.tables:
            print(f"{printable(one.table)}\t{one.rows} rows\t{one.checksum}")
        if not copy.tables:
            print(f"{parser.prog}: no tables were copied", file=sys.stderr)
        for line in copy.notes:
            print(f"{parser.prog}: note: {printable(line)}", file=sys.stderr)
        for line in copy.left_out:
            print(f"{parser.prog}: left out: {printable(line)}", file=sys.stderr)
        return 3 if copy.left_out else 0

    run(copies, program=parser.prog)


def _reading(url: str) -> str:
    """A file that is read from is not made, and not written to."""
    is_file = url.startswith("sqlite:") and not url.endswith(("?mode=ro", ":memory:"))
    return f"{url}?mode=ro" if is_file else url


def _not_there(url: str) -> str | None:
    """The file of a database, if there is none yet."""
    path = url.removeprefix("sqlite:")
    is_file = path not in (url, ":memory:") and "?" not in path
    return path if is_file and not os.path.lexists(path) else None


def _remove_empty(path: str) -> None:
    """Remove a database that was made for nothing; not one that somebody has used meanwhile."""
    with suppress(OSError, sqlite3.Error):  # such as that it was not made
        place = f"{Path(path).absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, timeout=0)) as database:
            # That fails where somebody else has the file open, too.
            database.execute("PRAGMA journal_mode = DELETE")
            found = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if found == (0,):
            os.unlink(path)


if __name__ == "__main__":
    main()
