"""Fetch URLs, many at once, and print a line for each as it completes."""

from __future__ import annotations

import argparse
import os
import signal
from typing import Any

from apps.fetch.options import PROGRAM, contradiction, parser
from apps.fetch.printing import unreadable


def main() -> None:
    """Read the arguments, fetch, print."""
    parse = parser()
    options = parse.parse_args()
    problem = contradiction(options)
    if problem is not None:
        parse.error(problem)
    descriptor = _opened(parse, options.input)
    # Until there is something to tell, and after, being asked is no reason to end.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    from toolkit.program import run

    run(lambda reactor: _run(reactor, options, descriptor), program=PROGRAM)


async def _run(reactor: Any, options: argparse.Namespace, descriptor: int | None) -> int:
    from apps.fetch.command import Command
    from toolkit.errors import ToolkitError

    try:
        command = Command(reactor, options, descriptor)
    except ToolkitError as error:
        for line in str(error).splitlines():
            os.write(2, f"{PROGRAM}: {line}\n".encode(errors="backslashreplace"))
        return 2
    return await command.run()


def _opened(parse: argparse.ArgumentParser, path: str | None) -> int | None:
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
        parse.exit(2, f"{PROGRAM}: {unreadable(path, error)}\n")
    return descriptor


if __name__ == "__main__":
    main()
