"""The line of each key of a TOML file, which Python's parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

# Strings and comments, whose brackets and newlines do not count (TOML 1.0.0, "String", "Comment").
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{}\n]",
    re.DOTALL,
)


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Find the line in which each table and key begins.

    Args:
        text: A whole TOML document that has been parsed: without a mistake, and not nested deep.

    Returns:
        The line, from 1, by the path of the key: `("service", "echo", "listen")`. What stands in
        an array of tables has no path of its own, and is left out.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] | None = ()
    for number, statement in _statements(text):
        content = tomllib.loads(statement)
        if not statement.startswith("["):
            if table is not None:
                _note(lines, table, content, number)
            continue
        table = ()
        while content:  # of a header, each table holds one key
            [(key, inner)] = content.items()
            table = (*table, key)
            lines.setdefault(table, number)
            content = inner if isinstance(inner, dict) else {}
        if statement.startswith("[["):
            table = None
    return lines


def _note(
    lines: dict[tuple[str, ...], int],
    table: tuple[str, ...],
    content: dict[str, object],
    number: int,
) -> None:
    for key, value in content.items():
        lines.setdefault((*table, key), number)
        if isinstance(value, dict):
            _note(lines, (*table, key), value, number)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line in which it begins: a header, or a key and its value."""
    number, begin, depth = 1, 0, 0
    for match in _TOKEN.finditer(text + "\n"):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
        elif token == "\n" and depth == 0:
            statement = text[begin : match.start()].strip()
            if statement and not statement.startswith("#"):
                yield number, statement
            number += text.count("\n", begin, match.end())
            begin = match.end()
