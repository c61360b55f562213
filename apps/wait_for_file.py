"""Wait until a file or folder exists, and print its path."""

from __future__ import annotations

import os
import sys
from typing import Any

from apps.arguments import Parser, seconds


def main() -> None:
    """Read the arguments, wait, print."""
    parser = Parser(
        prog="wait_for_file",
        description=__doc__,
        epilog="Exit status: 0 it is there, 1 the time is up, 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument("path", metavar="PATH", help="what to wait for")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="how long to wait (as long as it takes)"
    )
    parser.add_argument(
        "--poll", type=seconds, default=1.0, metavar="SECONDS", help="between two looks (1)"
    )
    options = parser.parse_args()
    if not options.path:
        parser.error("PATH must not be empty")
    if options.timeout is not None and not 0 <= options.timeout < float("inf"):
        parser.error(f"--timeout must be at least 0 seconds, not {options.timeout:g}")

    from toolkit.files import wait_for_file
    from toolkit.program import run

    async def waits(reactor: Any) -> None:
        await wait_for_file(reactor, options.path, options.poll, options.timeout)
        # As bytes: a name need not be text in anybody's encoding.
        sys.stdout.buffer.write(os.fsencode(options.path) + b"\n")

    run(waits, program=parser.prog)


if __name__ == "__main__":
    main()
