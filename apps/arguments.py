"""Arguments of the programs: a mistake is one line, and numbers, seconds and sizes have bounds."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the toolkit's version, and end")

    def __call__(self, parser: argparse.ArgumentParser, *_parsed: object) -> NoReturn:
        # Imported when somebody asks: --help loads nothing of the toolkit.
        from toolkit.version import distribution

        print(distribution())
        parser.exit()


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line and status 2, and knows --version.

    The line names the option that is most like one that there is not.

    Args:
        prog: The program's name.
        description: What it does.
        epilog: What is said after the options.
        formatter_class: How they are printed.
    """

    def __init__(
        self,
        prog: str,
        description: str | None = None,
        epilog: str | None = None,
        formatter_class: type[argparse.HelpFormatter] = argparse.HelpFormatter,
    ) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, formatter_class=formatter_class
        )
        self.add_argument("--version", action=_Version)

    def error(self, message: str) -> NoReturn:
        """End the process with the line."""
        # Imported when there is a mistake: --help loads nothing of the toolkit.
        from toolkit.errors import printable

        self.exit(2, f"{self.prog}: {printable(message)}{self._hint(message)}; see --help\n")

    def _hint(self, mistake: str) -> str:
        from toolkit.settings import nearest

        unknown = re.match(r"unrecognized arguments: (?:.*? )?(--[^\s=]+)", mistake, re.DOTALL)
        # argparse lists them nowhere else; its usage shows -q for what is --quiet too.
        return nearest(unknown[1], self._option_string_actions) if unknown else ""


def seconds(text: str) -> float:
    """Seconds, more than 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, not {text!r}")
    return value


def count(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds.

    Args:
        least: The lowest that is allowed.
        most: The highest that is allowed.
    """

    def convert(text: str) -> int:
        value = int(text) if re.fullmatch(r"[0-9]{1,15}", text) else least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {least} to {most}, not {text!r}"
            )
        return value

    return convert


def size(text: str) -> int:
    """Bytes, at least 1: plain, or with K, M or G."""
    match = re.fullmatch(r"([0-9]{1,15})([KMG]?)", text.upper())
    if match is None or int(match[1]) < 1:
        raise argparse.ArgumentTypeError(f"expected a size such as 65536, 64K or 16M, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]
