"""Fetch URLs, many at once, and print a line for each as it completes."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
from typing import Any

from apps.fetch.clashes import clash
from apps.fetch.options import PROGRAM, contradiction, parsed, parser
from apps.fetch.printing import unreadable


def main() -> None:
    """Read the arguments, fetch, print."""
    parse = parser()
    options = parsed(parse, sys.argv[1:])
    problem = contradiction(options) or clash(options)
    if problem is not None:
        parse.error(problem)
    _check_output(parse)
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


def _check_output(parse: argparse.ArgumentParser) -> None:
    # What is opened next would get its number, and what is printed: the lines, or a body.
    try:
        os.fstat(1)
    except OSError:
        parse.exit(1, f"{PROGRAM}: standard output is closed; let it go somewhere\n")


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
        if descriptor <= 2:  # a stream that is closed: what goes there must not go here
            low, descriptor = descriptor, fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(low)
    except (OSError, ValueError) as error:
        parse.exit(2, f"{PROGRAM}: {unreadable(path, error)}\n")
    return descriptor


if __name__ == "__main__":
    main()
