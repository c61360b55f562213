"""Reading an expression of one kind of database, and writing it as the other does; no I/O.

What binds tighter is as in SQLite (https://sqlite.org/lang_expr.html §2); PostgreSQL gives its
expressions with all their parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from toolkit.database.copying.schema.functions import called
from toolkit.database.copying.schema.sqlite_text import plain
from toolkit.database.copying.schema.tables import Table
from toolkit.database.copying.schema.terms import (
    Term,
    Unlike,
    cast,
    column_in,
    literal,
    number_of,
    same_kind,
)

_PATTERN = r"""\s+ | --[^\n]* | /\*.*?(?:\*/|\Z)
    | (?P<word>
        [xX]'[0-9a-fA-F]*' | '(?:[^']|'')*+' | "(?:[^"]|"")*+" | `(?:[^`]|``)*+` {brackets}
        | (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w$.]) | [^\W\d][\w$]*
        | \|\| | :: | <> | != | == | <= | >= | << | >> | .
    )"""
_WORDS = {
    # Where it shall stand tells where it comes from: SQLite takes names in brackets.
    to: re.compile(_PATTERN.replace("{brackets}", brackets), re.VERBOSE | re.DOTALL)
    for to, brackets in (("postgresql", r"| \[[^\]]*\]"), ("sqlite", ""))
}
_OF_TYPES = ("VARYING", "PRECISION", "WITH", "WITHOUT", "TIME", "ZONE")
_COMPARED = {"=": "=", "==": "=", "<>": "<>", "!=": "<>"}
_ORDERED = ("<", "<=", ">", ">=")
_DEPTH = 30


def read(to: str, text: str, table: Table | None, only_finds: bool = False) -> Term:
    """What an expression is in the other kind of database.

    Args:
        to: Where it shall stand.
        text: As it stands where it comes from.
        table: Whose columns it may name, if any.
        only_finds: Whether it is of an index that says nothing of which rows there may be.

    Raises:
        Unlike: It means something else there, or nothing, as far as is known.
    """
    reading = _Reading(to, text, table, only_finds)
    term = reading.whole()
    reading.end()
    return term


def condition(to: str, text: str, table: Table) -> str:
    """What a CHECK or a WHERE is in the other kind of database.

    Args:
        to: Where it shall stand.
        text: As it stands where it comes from.
        table: Whose columns it may name.

    Raises:
        Unlike: It means something else there, or nothing, as far as is known.
    """
    return _as_condition(to, read(to, text, table)).text


def _as_condition(to: str, term: Term) -> Term:
    if term.kind == "boolean":
        return term
    if to == "postgresql" and term.kind in ("integer", "real", "numeric"):
        if isinstance(term.value, int):
            return Term("true" if term.value else "false", "boolean")
        return Term(f"{term.inner} <> 0", "boolean", is_atom=False)
    raise Unlike("it takes for a condition what is none in PostgreSQL")


class _Reading:
    """One expression, read from its beginning to its end."""

    def __init__(self, to: str, text: str, table: Table | None, only_finds: bool) -> None:
        self._to = to
        self._words = [one["word"] for one in _WORDS[to].finditer(text) if one["word"]]
        self._at = 0
        self._depth = 0
        self._only_finds = only_finds
        columns = table.kept if table else ()
        self._columns = {self._name(one.name): one for one in columns}

    def _name(self, name: str) -> str:
        return name.lower() if self._to == "postgresql" else name

    # Words

    @property
    def _word(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _is(self, *words: str) -> bool:
        """Take these words, if they come next."""
        found = [one.upper() for one in self._words[self._at : self._at + len(words)]]
        if found == list(words):
            self._at += len(words)
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._is(word):
            self._stop()

    def _take(self) -> str:
        word = self._word
        self._at += 1
        return word

    def _stop(self) -> None:
        what = self._word or "its end"
        raise Unlike(f"{what!a} in it is nothing that is known to mean the same in both")

    def end(self) -> None:
        """See that nothing is left."""
        if self._word:
            self._stop()

    # What binds weakest comes first

    def whole(self) -> Term:
        """A whole expression, or one within parentheses."""
        self._deeper()
        found = self._joined("OR", lambda: self._joined("AND", self._negated))
        self._depth -= 1
        return found

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise Unlike("it is nested too deeply")

    def _joined(self, word: str, part: Callable[[], Term]) -> Term:
        parts = [part()]
        while self._is(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        conditions = [_as_condition(self._to, one).inner for one in parts]
        return Term(f" {word} ".join(conditions), "boolean", is_atom=False)

    def _negated(self) -> Term:
        count = 0
        while self._is("NOT"):
            count += 1
        found = self._compared()
        for _ in range(count):
            inner = _as_condition(self._to, found).inner
            found = Term(f"NOT {inner}", "boolean", is_atom=False)
        return found

    def _compared(self) -> Term:
        found = self._ordered()
        while True:
            if (sign := _COMPARED.get(self._word)) is not None:
                self._at += 1
                found = self._of_array(found, sign) or self._compare(found, sign, self._ordered())
            elif self._is("ISNULL") or self._is("IS", "NULL"):
                found = Term(f"{found.inner} IS NULL", "boolean", is_atom=False)
            elif self._is("NOTNULL") or self._is("NOT", "NULL") or self._is("IS", "NOT", "NULL"):
                found = Term(f"{found.inner} IS NOT NULL", "boolean", is_atom=False)
            elif self._is("IS"):
                found = self._is_what(found)
            elif self._is("NOT", "IN"):
                found = self._in(found, "NOT IN")
            elif self._is("IN"):
                found = self._in(found, "IN")
            elif self._is("NOT", "BETWEEN"):
                inner = self._between(found).inner
                found = Term(f"NOT {inner}", "boolean", is_atom=False)
            elif self._is("BETWEEN"):
                found = self._between(found)
            else:
                return found

    def _is_what(self, found: Term) -> Term:
        word = "IS NOT" if self._is("NOT") else "IS"
        for truth in ("TRUE", "FALSE"):
            if self._is(truth):
                inner = _as_condition(self._to, found).inner
                return Term(f"{inner} {word} {truth}", "boolean", is_atom=False)
        if self._is("DISTINCT", "FROM"):
            word = "IS" if word == "IS NOT" else "IS NOT"
        elif self._to == "sqlite":
            self._stop()
        if self._to == "postgresql":
            word = "IS NOT DISTINCT FROM" if word == "IS" else "IS DISTINCT FROM"
        return self._compare(found, word, self._ordered())

    def _of_array(self, found: Term, sign: str) -> Term | None:
        """`= ANY (ARRAY[…])`, as which PostgreSQL keeps IN."""
        if self._is("ANY" if sign == "=" else "ALL", "("):
            listed = self._array()
            self._need(")")
            return self._one_of(found, "IN" if sign == "=" else "NOT IN", listed)
        return None

    def _array(self) -> list[Term]:
        if self._is("("):
            self._deeper()
            listed = self._array()
            self._depth -= 1
            self._need(")")
        else:
            self._need("ARRAY")
            self._need("[")
            listed = self._list("]")
        if self._is("::") and self._type() != "text[]":
            raise Unlike("it makes an array of another type")
        return listed

    def _in(self, found: Term, word: str) -> Term:
        self._need("(")
        return self._one_of(found, word, self._list(")"))

    def _list(self, end: str) -> list[Term]:
        listed = [self.whole()]
        while self._is(","):
            listed.append(self.whole())
        self._need(end)
        return listed

    def _one_of(self, found: Term, word: str, listed: Sequence[Term]) -> Term:
        terms = []
        for one in listed:
            self._check_equality(found, one)
            terms.append(same_kind(found, one)[1].text)
        return Term(f"{found.inner} {word} ({', '.join(terms)})", "boolean", is_atom=False)

    def _between(self, found: Term) -> Term:
        least = self._bits()
        self._need("AND")
        parts = (self._compare(found, ">=", least), self._compare(found, "<=", self._bits()))
        return Term(" AND ".join(one.inner for one in parts), "boolean", is_atom=False)

    def _compare(self, first: Term, sign: str, second: Term) -> Term:
        left, right, kind = same_kind(first, second)
        self._check_equality(left, right)
        left_text = left.inner
        if sign in _ORDERED:
            if kind not in ("integer", "real", "numeric", "text", "date", "timestamp", "bytes"):
                raise Unlike("it orders what has another order in each")
            if kind == "text" and self._to == "postgresql":
                left_text = f'({left_text} COLLATE "C")'
            elif kind == "text" and "C" not in (left.collation, right.collation):
                raise Unlike("it orders texts by a collation that SQLite has not")
        return Term(f"{left_text} {sign} {right.inner}", "boolean", is_atom=False)

    def _check_equality(self, *terms: Term) -> None:
        for one in terms:
            if one.kind == "text" and one.collation not in ("", "C"):
                raise Unlike(f"it compares texts by the collation {one.collation}")

    def _ordered(self) -> Term:
        found = self._bits()
        while self._word in _ORDERED:
            found = self._compare(found, self._take(), self._bits())
        return found

    def _bits(self) -> Term:
        return self._reckoned(("&", "|"), self._sum)

    def _sum(self) -> Term:
        return self._reckoned(("+", "-"), self._product)

    def _product(self) -> Term:
        return self._reckoned(("*", "/", "%"), self._concatenated)

    def _reckoned(self, signs: Sequence[str], part: Callable[[], Term]) -> Term:
        found = part()
        while self._word in signs:
            found = self._reckon(found, self._take(), part())
        return found

    def _reckon(self, first: Term, sign: str, second: Term) -> Term:
        left, right, kind = same_kind(first, second, False)
        if kind not in ("integer", "real") or (kind == "real" and sign in "%&|"):
            raise Unlike("it reckons with what is no number, or not the same in both")
        if sign in "/%" and not (isinstance(right.value, int | Decimal) and right.value > 0):
            raise Unlike("it divides by something else than a number above 0")
        if isinstance(left.value, int) and isinstance(right.value, int):
            return literal(_folded(left.value, sign, right.value))
        return Term(f"{left.inner} {sign} {right.inner}", kind, is_atom=False)

    def _concatenated(self) -> Term:
        found = self._signed()
        while self._is("||"):
            other = self._signed()
            if found.kind != "text" or other.kind != "text":
                raise Unlike("it joins what is no text")
            self._check_equality(found, other)
            found = Term(f"{found.inner} || {other.inner}", "text", is_atom=False)
        return found

    def _signed(self) -> Term:
        if self._is("+"):
            return self._plain_number(self._with_casts())
        if not self._is("-"):
            return self._with_casts()
        self._deeper()
        found = self._signed()
        self._depth -= 1
        if isinstance(found.value, int | Decimal):
            return literal(-found.value)
        if found.kind not in ("integer", "real"):
            raise Unlike("it negates what is no number, or not the same in both")
        return Term(f"- {found.inner}", found.kind, is_atom=False)

    def _plain_number(self, term: Term) -> Term:
        if not isinstance(term.value, int | Decimal):
            raise Unlike("a sign stands before what is no number")
        return term

    def _with_casts(self) -> Term:
        found = self._first()
        while True:
            if self._is("::"):
                found = cast(found, self._type())
            elif self._is("COLLATE"):
                found = self._collated(found, plain(self._take() or '""'))
            else:
                return found

    def _collated(self, found: Term, name: str) -> Term:
        ours = {"sqlite": ("C", "POSIX"), "postgresql": ("BINARY",)}[self._to]
        if found.kind != "text" or (name if self._to == "sqlite" else name.upper()) not in ours:
            raise Unlike(f"it has the collation {name}")
        return replace(found, collation="C" if self._to == "sqlite" else "")

    def _type(self) -> str:
        name = self._take()
        if not re.fullmatch(r'"[^"]*"|[a-zA-Z_][\w$]*', name):
            self._stop()
        while True:
            if self._word.upper() in _OF_TYPES:
                name += f" {self._take()}"
            elif self._word == "(":
                while self._word not in (")", ""):
                    name += self._take()
                name += self._take()
            elif self._is("[", "]"):
                name += "[]"
            else:
                return name

    def _first(self) -> Term:
        word = self._take()
        if word == "(":
            found = self.whole()
            self._need(")")
            return found
        if word and (word[0].isdigit() or (word[0] == "." and len(word) > 1)):
            return number_of(word)
        if word.startswith("'"):
            return literal(plain(word))
        if word[:2] in ("x'", "X'") and self._to == "postgresql" and len(word) % 2:
            return Term(f"'\\x{word[2:-1].lower()}'::bytea", "bytes")
        upper = word.upper()
        if upper in ("TRUE", "FALSE") and self._name(upper.lower()) not in self._columns:
            text = upper.lower() if self._to == "postgresql" else str(int(upper == "TRUE"))
            return Term(text, "boolean")
        if upper == "NULL":
            return Term("NULL", "null")
        if upper == "CASE":
            return self._cases()
        if upper == "CAST":
            return self._exact()
        if self._word == "(" and word[:1].isalpha():
            return self._call(upper)
        return self._column(word)

    def _column(self, word: str) -> Term:
        is_name = re.match(r'["`\w]|\[.', word) is not None and not word[0].isdigit()
        found = self._columns.get(self._name(plain(word))) if is_name else None
        if found is not None and self._word not in (".", "("):
            return column_in(self._to, found)
        if word.startswith('"') and self._to == "postgresql":
            return literal(plain(word))  # SQLite takes it for a text, where it is no name
        self._at -= 1
        self._stop()
        raise AssertionError

    def _cases(self) -> Term:
        parts, given = [], []
        while self._is("WHEN"):
            when = _as_condition(self._to, self.whole()).text
            self._need("THEN")
            given.append(self.whole())
            parts.append(when)
        other = self.whole() if self._is("ELSE") else Term("NULL", "null")
        self._need("END")
        if not parts:
            raise Unlike("CASE in it compares a value")
        kind = self._alike([*given, other])
        text = " ".join(
            f"WHEN {when} THEN {one.text}" for when, one in zip(parts, given, strict=True)
        )
        return Term(f"CASE {text} ELSE {other.text} END", kind)

    def _alike(self, terms: Sequence[Term]) -> str:
        known = [one for one in terms if one.kind != "null"]
        if not known or any(one.kind != known[0].kind or not one.kind for one in known):
            raise Unlike("it gives values of several types")
        self._check_equality(*known)
        return known[0].kind

    def _exact(self) -> Term:
        """A number that is kept as text, as one: the only CAST that is known."""
        self._need("(")
        column = self._columns.get(self._name(plain(self._take() or '""')))
        if column is None or column.kind != "exact" or not self._is("AS", "NUMERIC", ")"):
            raise Unlike("CAST in it may make another value in each")
        return Term(column_in(self._to, column).text, "numeric")

    def _call(self, name: str) -> Term:
        self._need("(")
        if self._word == ")":
            raise Unlike(f"{name.lower()}() in it does not do the same in both, as far as is known")
        if name == "TRIM" and self._to == "sqlite":
            for side, short in (("BOTH", "BTRIM"), ("LEADING", "LTRIM"), ("TRAILING", "RTRIM")):
                if self._is(side, "FROM"):
                    name = short
            return called(self._to, name, self._list(")"), self._only_finds)
        first = self.whole()
        if name == "SUBSTRING" and self._is("FROM"):
            arguments = [first, self.whole()]
            if self._is("FOR"):
                arguments.append(self.whole())
            self._need(")")
            return called(self._to, "SUBSTR", arguments, self._only_finds)
        arguments = [first, *(self._list(")") if self._is(",") else self._no_more())]
        if name in ("COALESCE", "IFNULL"):
            return Term(f"coalesce({_listed(arguments)})", self._alike(arguments))
        if name == "NULLIF" and len(arguments) == 2:
            self._check_equality(*arguments)
            left, right, kind = same_kind(first, arguments[1])
            return Term(f"nullif({left.text}, {right.text})", kind)
        return called(self._to, name, arguments, self._only_finds)

    def _no_more(self) -> list[Term]:
        self._need(")")
        return []


def _folded(left: int, sign: str, right: int) -> int:
    if sign in "/%":
        whole = abs(left) // right * (1 if left >= 0 else -1)
        return whole if sign == "/" else left - whole * right
    signs: dict[str, Callable[[int, int], int]] = {
        "+": int.__add__,
        "-": int.__sub__,
        "*": int.__mul__,
        "&": int.__and__,
        "|": int.__or__,
    }
    return signs[sign](left, right)


def _listed(terms: Sequence[Term]) -> str:
    return ", ".join(one.text for one in terms)
