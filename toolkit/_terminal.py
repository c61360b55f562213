"""What the plugin prints before it runs: an answer on stdout, a mistake on stderr, and the end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn


def end(lines: str, status: int) -> NoReturn:
    """End the process with a line or some on stderr.

    Args:
        lines: What was wrong.
        status: 2 for the command line, 1 for everything else.

    Raises:
        SystemExit: Always.
    """
    tell(lines)
    raise SystemExit(status)


def tell(lines: str) -> None:
    """Write a line or some on stderr, each after the program's name, URLs without credentials.

    Args:
        lines: What to tell.
    """
    from toolkit.errors import printable
    from toolkit.log.secrets import Masks  # a mistake alone is worth its import

    masks = Masks()
    for line in lines.split("\n"):
        # A URL may be cut in its credentials: mask more than is told.
        safe = printable(masks.text(line[:10_000])[:1000])
        with suppress(OSError):  # there is nowhere left to tell it
            print(f"toolkit: {safe}", file=sys.stderr)


def write(text: str) -> None:
    """Write on stdout in UTF-8, as TOML is, whatever the terminal's encoding is said to be.

    Args:
        text: What to write. A stdout that cannot be written ends the process with one line.
    """
    if sys.stdout is None:
        end("cannot write on standard output: it is closed", 1)
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        # What is left would be written again, and fail again, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        end(f"cannot write on standard output: {error.strerror}", 1)
