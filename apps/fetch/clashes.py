"""Files that two options name: what one writes, the other would lose."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple


class _Named(NamedTuple):
    by: str
    path: str
    is_written: bool


def clash(options: argparse.Namespace) -> str | None:
    """Which two options name the same file, where one of them would be written to.

    A file is the same under another name too: a link, `./` before it, the standard input that a
    shell has opened it as. Devices and pipes may be named twice.

    Args:
        options: What was parsed.

    Returns:
        What is wrong, None where nothing is.
    """
    known = [(named, _identity(named.path)) for named in _named(options)]
    for (one, first), (other, second) in combinations(known, 2):
        if first is not None and first == second and (one.is_written or other.is_written):
            path = other.path if one.path == "-" else one.path
            return f"{one.by} and {other.by} both name {path}; give each a file of its own"
    return None


def _named(options: argparse.Namespace) -> Iterator[_Named]:
    for by, path, is_written in (
        ("-i", options.input, False),
        ("--check", options.check, False),
        ("--cacert", options.cacert, False),
        ("-o", options.output, True),
        ("--journal", options.journal, True),
        ("--report", options.report, True),
    ):
        if path is not None and not (is_written and path == "-"):
            yield _Named(by, path, is_written)
    for by, texts in (("--data", options.data), ("--json", options.json)):
        for text in texts:
            if text.startswith("@"):
                yield _Named(by, text[1:], False)


def _identity(path: str) -> tuple[int, int] | str | None:
    """What two names of one file have in common; None where it is no file."""
    try:
        status = os.fstat(0) if path == "-" else os.stat(path)
    except FileNotFoundError:
        return os.path.realpath(path)
    except (OSError, ValueError):  # told by whoever opens it
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
