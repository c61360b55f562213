"""What of a table SQLite tells only in the statement that made it; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""\s+ | --[^\n]* | /\*.*?(?:\*/|\Z)
    | (?P<word>
        '(?:[^']|'')*+' | "(?:[^"]|"")*+" | `(?:[^`]|``)*+` | \[[^\]]*\]
        | [^\W\d][\w$]* | [\d.]\w* | .
    )""",
    re.VERBOSE | re.DOTALL,
)
_OF_TABLES = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


@dataclass(frozen=True)
class Part:
    """What stands between two commas: a column, or a rule of the table.

    Attributes:
        column: Its name, if it is a column.
        checks: The expressions of its CHECKs, each with its name if it has one.
        computed: The expression of a generated column.
        collation: Of a column.
        numbers_on: Whether it is AUTOINCREMENT.
        keys: The columns of each foreign key, and whether it is deferred.
        conflict: What ON CONFLICT says, if it is there.
    """

    column: str
    checks: tuple[tuple[str, str], ...]
    computed: str
    collation: str
    numbers_on: bool
    keys: tuple[tuple[tuple[str, ...], bool], ...]
    conflict: str


def parts_of(sql: str) -> list[Part]:
    """The columns and the rules of a table.

    Args:
        sql: The statement that made it, from `sqlite_master`.
    """
    words = list(_words(sql))
    begin = next((at for at, (word, _) in enumerate(words) if word == "("), None)
    if begin is None:
        return []
    return [_part(sql, one) for one in _split(words[begin + 1 : _end(words, begin)]) if one]


def where_of(sql: str) -> str:
    """The expression of a partial index, or nothing.

    Args:
        sql: The statement that made it.
    """
    depth = 0
    for word, place in _words(sql):
        depth += (word == "(") - (word == ")")
        if not depth and word.upper() == "WHERE":
            return sql[place + len(word) :].strip()
    return ""


def expressions_of(sql: str) -> list[str]:
    """What an index is of: names and expressions, without what stands after them.

    Args:
        sql: The statement that made it.
    """
    words = list(_words(sql))
    begin = next(at for at, (word, _) in enumerate(words) if word == "(")
    found = []
    for one in _split(words[begin + 1 : _end(words, begin)]):
        while one[-1][0].upper() in ("ASC", "DESC"):
            one = one[:-1]
        found.append(_text(sql, one))
    return found


def plain(word: str) -> str:
    """A name without its quotes."""
    if word[0] == "[":
        return word[1:-1]
    if word[0] in "\"`'":
        return word[1:-1].replace(word[0] * 2, word[0])
    return word


_Words = list[tuple[str, int]]


def _words(sql: str) -> Iterator[tuple[str, int]]:
    for match in _TOKENS.finditer(sql):
        if match["word"] is not None:
            yield match["word"], match.start()


def _end(words: _Words, begin: int) -> int:
    """Where the parenthesis that is opened there is closed."""
    depth = 0
    for at in range(begin, len(words)):
        depth += (words[at][0] == "(") - (words[at][0] == ")")
        if not depth:
            return at
    return len(words)


def _split(words: _Words) -> Iterator[_Words]:
    depth, one = 0, _Words()
    for word in words:
        depth += (word[0] == "(") - (word[0] == ")")
        if word[0] == "," and not depth:
            yield one
            one = []
        else:
            one.append(word)
    if one:
        yield one


def _text(sql: str, words: _Words) -> str:
    return sql[words[0][1] : words[-1][1] + len(words[-1][0])] if words else ""


def _part(sql: str, words: _Words) -> Part:
    upper = [word.upper() for word, _ in words]
    column = "" if upper[0] in _OF_TABLES else plain(words[0][0])
    checks, keys = [], []
    name = computed = collation = conflict = ""
    columns: tuple[str, ...] = (column,)
    at = 1 if column else 0
    while at < len(words):
        word, end = upper[at], at
        if at + 1 < len(words) and words[at + 1][0] == "(":
            end = _end(words, at + 1)
        inner = words[at + 2 : end]
        if word == "CONSTRAINT":
            name = plain(words[at + 1][0])
            at += 1
        elif word == "CHECK":
            checks.append((_text(sql, inner), name))
        elif word == "AS" and end > at:
            computed = _text(sql, inner)
        elif word == "COLLATE":
            collation = plain(words[at + 1][0])
            at += 1
        elif word == "KEY" and upper[at - 1] == "FOREIGN":
            columns = tuple(plain(one) for one, _ in inner if one != ",")
        elif word == "REFERENCES":
            keys.append((columns, False))
        elif word == "DEFERRED" and keys:
            keys[-1] = (keys[-1][0], True)
        elif word == "CONFLICT":
            conflict = upper[at + 1]
        at = max(at, end) + 1
        if word not in ("CONSTRAINT", "UNIQUE", "PRIMARY", "FOREIGN"):
            name = ""
    return Part(
        column, tuple(checks), computed, collation, "AUTOINCREMENT" in upper, tuple(keys), conflict
    )
