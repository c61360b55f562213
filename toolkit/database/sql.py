"""SQL with `{name}` placeholders, in the driver's own style; no I/O.

`{name}` becomes a numbered placeholder of the driver, so that a value never becomes part of the
text; `{{` and `}}` are braces. Both drivers number theirs: `?1` (SQLite) and `$1` (PostgreSQL).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sqlite3 import complete_statement
from typing import Any

from toolkit.database.errors import ParameterError, StatementError, told
from toolkit.database.lasting import lasting
from toolkit.database.pace import Pace
from toolkit.database.values import taken

_PARTS = re.compile(
    r"""(?P<quoted>
        \b[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z)        # PostgreSQL: escapes in a string
        | '(?:[^']|'')*+(?:'|\Z)
        | "(?:[^"]|"")*+(?:"|\Z)
        | `(?:[^`]|``)*+(?:`|\Z)                  # SQLite: as MySQL writes a name
        | --[^\n]*
        | /\*.*?(?:\*/|\Z)
        | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=dollar)|\Z)  # PostgreSQL: a dollar quote
    )
    | (?P<brace>\{\{|\}\})
    | \{(?P<name>[A-Za-z_]\w*)\}
    | (?P<stray>[{}])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_DOUBLED = re.compile(r"\{\{|\}\}|[{}]")
_FIRST_WORD = re.compile(r"[\s(;]*([A-Za-z]+)")
_WRITES = re.compile(r"\b(?:insert|update|delete|merge|into)\b", re.IGNORECASE)

_MORE = re.compile(r";\s*[^\s;]")
_FUNCTION = re.compile(r"\bbegin\s+atomic\b", re.IGNORECASE)  # its body has statements of its own

_READING = frozenset(("select", "values", "with", "table", "show", "explain"))
_ALONE = frozenset(("vacuum", "pragma"))
_CONTROL = frozenset(
    ("begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release")
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, ready for a driver.

    Attributes:
        source: As it was written.
        text: With the driver's placeholders.
        names: Of the parameters, in the order of their numbers.
        reads: Whether it only reads, as far as its words tell: a function it calls may write.
        alone: Whether SQLite wants it outside a transaction.
        is_sqlite: Whether it is for SQLite.
        inside: Why it may run only within a transaction; "" if it may run anywhere.
        pace: How long it takes.
    """

    source: str
    text: str
    names: tuple[str, ...]
    reads: bool
    alone: bool
    is_sqlite: bool
    inside: str = ""
    pace: Pace = field(default_factory=Pace, compare=False)

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """The parameters in the order of their numbers.

        Args:
            parameters: By name.

        Raises:
            ParameterError: One is missing, or one is not used.
            StatementError: The database does not take one; see `values.taken`.
        """
        if len(parameters) == len(self.names):
            try:
                found = tuple([parameters[name] for name in self.names])
            except KeyError:
                pass
            else:
                return taken(found, self.names, self.source, self.is_sqlite)
        missing = [name for name in self.names if name not in parameters]
        unused = [str(name) for name in parameters if name not in self.names]
        problems = [f"{{{name}}} has no parameter" for name in missing]
        problems += [f"the parameter {name} has no place {{{name}}}" for name in unused]
        raise ParameterError(told("; ".join(problems), self.source), self.source)


def compiled(source: str, sign: str) -> Statement:
    """Make a statement of what was written.

    Args:
        source: SQL with `{name}` placeholders.
        sign: What a driver's numbered placeholder begins with: `?` or `$`.

    Raises:
        ParameterError: A brace stands alone, a placeholder stands in quotes or in a comment.
        StatementError: It would begin or end a transaction, which `transaction` does; it would
            leave something in its connection (`lasting`); it holds a NUL, at which PostgreSQL's
            library would cut it off; or, for PostgreSQL, it is several statements, which SQLite
            refuses itself.
    """
    if "\0" in source:
        raise StatementError(told("there is a NUL in the statement", source), source)
    numbers: dict[str, int] = {}

    def replaced(match: re.Match[str]) -> str:
        if match["quoted"] is not None:
            return _DOUBLED.sub(halved, match["quoted"])
        if match["brace"] is not None:
            return match["brace"][0]
        if match["name"] is None:
            raise _wrong(source, "a brace that stands for itself is written twice")
        number = numbers.setdefault(match["name"], len(numbers) + 1)
        return f"{sign}{number}"

    def halved(match: re.Match[str]) -> str:
        if len(match[0]) == 1:
            raise _wrong(
                source,
                "a placeholder stands for a whole value, so not within quotes or comments; "
                "a brace that stands for itself is written twice",
            )
        return match[0][0]

    text = _PARTS.sub(replaced, source)
    words = _PARTS.sub(" ", source)
    first = _FIRST_WORD.match(words)
    word = first[1].lower() if first else ""
    if word in _CONTROL:
        raise StatementError(
            told("transactions are begun and ended by transaction()", source), source
        )
    if sign == "$" and _MORE.search(words) and not _FUNCTION.search(words):
        raise StatementError(
            told("one statement at a time: several are for transaction(), or migrate()", source),
            source,
        )
    left = lasting(words)
    if left is not None and left.always:
        raise StatementError(told(left.reason, source), source)
    reads = word in _READING and _WRITES.search(words) is None
    inside = left.reason if left is not None else ""
    names = tuple(numbers)
    return Statement(source, text, names, reads, word in _ALONE, sign == "?", inside)


def _wrong(source: str, what: str) -> ParameterError:
    return ParameterError(told(what, source), source)


def statements_of(sql: str) -> Iterator[str]:
    """The statements of a script, one by one.

    Args:
        sql: Statements that end with a `;`, the last one with or without.
    """
    rest = ""
    for part in sql.split(";"):
        rest += part
        if complete_statement(rest + ";"):
            if rest.strip():
                yield rest
            rest = ""
        else:
            rest += ";"
    if rest.strip(" \t\r\n;"):
        yield rest


def ends_transaction(script: str) -> bool:
    """Whether one of several statements begins or ends a transaction.

    Args:
        script: The statements; an END of a trigger's or a function's body is none.
    """
    words = [_FIRST_WORD.match(part) for part in _PARTS.sub(" ", script).split(";")]
    found = {word[1].lower() for word in words if word is not None}
    return not found.isdisjoint(_CONTROL - {"end"})


class Statements:
    """The statements of one database, each made once.

    Args:
        sign: What a driver's numbered placeholder begins with.
        most: How many are remembered.
    """

    def __init__(self, sign: str, most: int = 500) -> None:
        self._sign = sign
        self._most = most
        self._made: dict[str, Statement] = {}

    def alone(self, source: str) -> Statement:
        """The same as `get`, for a call that is no part of a transaction function.

        Raises:
            StatementError: It may only run in one.
        """
        statement = self.get(source)
        if statement.inside:
            raise StatementError(told(statement.inside, source), source)
        return statement

    def get(self, source: str) -> Statement:
        """The statement for what was written; see `compiled`."""
        statement = self._made.get(source)
        if statement is None:
            statement = compiled(source, self._sign)
            if len(self._made) >= self._most:
                self._made.clear()
            self._made[source] = statement
        return statement
