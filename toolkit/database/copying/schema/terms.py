"""Parts of an expression that mean the same in both kinds of database; no I/O.

What is not known to mean the same is `Unlike`: this is a list of what is taken, not of what is not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from toolkit.database.copying.schema.kinds import EXACT_DIGITS, affinity, is_text_in_postgresql
from toolkit.database.copying.schema.tables import Column, raw

_NUMBERS = ("integer", "real", "numeric")
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?")


class Unlike(Exception):
    """The other kind of database has not got it, or means something else by it; says why."""


@dataclass(frozen=True)
class Term:
    """A part of an expression, as the other kind of database writes it.

    Attributes:
        text: As it stands there.
        kind: What it gives, as of a column; `label` of an enumeration; `null`; or nothing, where
            that is not known.
        value: Of a literal.
        collation: By which its text is compared: `C` is byte by byte, nothing is the usual one.
        type: As PostgreSQL calls it, where only that tells what a literal is.
        is_atom: Whether it needs no parentheses.
    """

    text: str
    kind: str
    value: int | Decimal | str | None = None
    collation: str = ""
    type: str = ""
    is_atom: bool = True

    @property
    def inner(self) -> str:
        """As it stands within another."""
        return self.text if self.is_atom else f"({self.text})"


def text_of(value: str) -> str:
    """A text as a literal, in either."""
    inner = value.replace("'", "''")
    return f"'{inner}'"


def literal(value: str | int | Decimal) -> Term:
    """A text or a number, as both write it."""
    if isinstance(value, str):
        return Term(text_of(value), "text", value)
    if isinstance(value, int):
        if not -(2**63) < value < 2**63:
            raise Unlike(f"the number {value} is too long")
        return Term(f"{value}" if value >= 0 else f"({value})", "integer", value)
    return Term(f"{value:f}" if value >= 0 else f"({value:f})", "numeric", value)


def number_of(text: str) -> Term:
    """A number that is written as a text.

    Raises:
        Unlike: It is none.
    """
    if _INTEGER.fullmatch(text):
        return literal(int(text))
    if _NUMBER.fullmatch(text) and -400 < Decimal(text).adjusted() < 400:
        return literal(Decimal(text))
    raise Unlike(f"{text!a} is no number")


def column_in(to: str, column: Column) -> Term:
    """A column, with the kind of it that both compare in one way.

    Args:
        to: Where the expression shall stand.
        column: As it is where it comes from.
    """
    name, kind, collation = raw(column.name), column.kind, column.collation
    if to == "postgresql":
        # SQLite would take a text for a number in such a column, where it looks like one.
        if kind == "exact" or (kind == "text" and affinity(column.type) not in ("text", "blob")):
            kind = ""
    elif column.labels:
        kind = "label"
    elif kind == "exact":
        # A number that SQLite keeps as text is compared as a number, all the same.
        name, kind = f"CAST({name} AS NUMERIC)", "numeric"
    elif (kind == "text" and not is_text_in_postgresql(column.type)) or column.type == "real":
        kind = ""  # blanks of CHAR, case of CITEXT; a float of 4 bytes is not what it looks like
    collation = "C" if collation in ("C", "POSIX") and to == "sqlite" else collation
    return Term(name, kind, collation=collation, type=column.type)


def same_kind(first: Term, second: Term, is_compared: bool = True) -> tuple[Term, Term, str]:
    """Two terms and the kind that both have, a literal as the other needs it.

    Args:
        first: One of them.
        second: The other.
        is_compared: Whether they are only compared, and not reckoned with.

    Raises:
        Unlike: They have none that both databases treat alike.
    """
    kinds = {first.kind, second.kind}
    if kinds <= set(_NUMBERS):
        return first, second, _number_kind(first, second, is_compared)
    if len(kinds) == 1 and first.kind:
        if first.kind == "label" and first.type != second.type:
            raise Unlike("labels of several enumerations are compared")
        return first, second, first.kind
    for one, other in ((first, second), (second, first)):
        if other.value is not None and (fit := _fitting(other, one)):
            return (first, fit, one.kind) if one is first else (fit, second, one.kind)
    raise Unlike("it compares what may be of several types")


def _number_kind(first: Term, second: Term, is_compared: bool) -> str:
    literals = [one for one in (first, second) if one.value is not None]
    kinds = {one.kind for one in (first, second) if one.value is None} or {
        one.kind for one in literals
    }
    if kinds == {"real"}:
        return "real"
    if "real" in kinds:
        raise Unlike("it brings together a float and another number")
    for one in literals:
        if isinstance(one.value, Decimal) and len(one.value.as_tuple().digits) > EXACT_DIGITS:
            raise Unlike(f"the number {one.value} is too long")
    kind = "integer" if {first.kind, second.kind} == {"integer"} else "numeric"
    if kind == "numeric" and not is_compared:
        raise Unlike("it reckons with decimal numbers, which are floats in SQLite")
    return kind


def _fitting(term: Term, other: Term) -> Term | None:
    """A literal as a term of another kind needs it."""
    if other.kind == "boolean" and term.kind == "integer" and term.value in (0, 1):
        return Term("true" if term.value else "false", "boolean")
    if term.kind == "text" and not term.type and isinstance(term.value, str):
        if other.kind == "date" and is_day(term.value):
            return replace(term, kind="date")
        if other.kind == "timestamp" and is_moment(term.value):
            return replace(term, kind="timestamp")
    if other.kind == "label" and term.type == other.type:
        return replace(term, kind="label")
    return None


def is_day(text: str) -> bool:
    """Whether a text is a day as both databases write it."""
    return _DAY.fullmatch(text) is not None and _is(date.fromisoformat, text)


def is_moment(text: str) -> bool:
    """Whether a text is a time without a zone as both databases write it."""
    return _MOMENT.fullmatch(text) is not None and _is(datetime.fromisoformat, text)


def _is(read: object, text: str) -> bool:
    try:
        read(text)  # type: ignore[operator] # each is called with a text
    except ValueError:
        return False
    return True


def cast(term: Term, name: str) -> Term:
    """A term that PostgreSQL takes as of a type.

    Args:
        term: As it was.
        name: The type's.

    Raises:
        Unlike: That may change its value.
    """
    base = re.sub(r"\(.*?\)", "", name)
    if isinstance(term.value, str) and term.kind == "text" and not term.type:
        return _typed(term, name, base)
    is_text = term.kind == "text" and name in ("text", "character varying")
    is_wider = term.kind == "integer" and name == "bigint"
    is_number = term.value is not None and term.kind in ("integer", "numeric")
    if is_text or is_wider or term.kind == "null":
        return term
    if is_number and (name in ("numeric", "double precision") or term.kind == "integer"):
        if name in ("smallint", "integer", "numeric", "double precision"):
            return term
    elif term.kind == "integer" and name == "numeric":
        return replace(term, kind="numeric")
    raise Unlike(f"it makes something of the type {name}")


def _typed(term: Term, name: str, base: str) -> Term:
    """A literal of a type, as PostgreSQL writes it: not more than its text is known of most."""
    value = str(term.value)
    if name in ("text", "character varying"):
        return term
    if base == "character varying":
        if len(value) > int(name[len("character varying(") : -1]):
            raise Unlike(f"it makes something of the type {name}")
        return term
    if base in ("smallint", "integer", "bigint", "numeric", "double precision") and base == name:
        return number_of(value)
    if name == "date" and is_day(value):
        return replace(term, kind="date", type=name)
    if name == "timestamp without time zone" and is_moment(value):
        return replace(term, kind="timestamp", type=name)
    if name == "bytea" and (found := re.fullmatch(r"\\x((?:[0-9a-f]{2})*)", value)):
        return Term(f"x'{found[1]}'", "bytes")
    return replace(term, kind="", type=name)


def given(to: str, column: Column, term: Term) -> str:
    """A term as the default of a column.

    Args:
        to: Where it shall stand.
        column: Whose default.
        term: What it is.

    Raises:
        Unlike: The column would hold another value in one of both.
    """
    kind, value = column.kind, term.value
    if term.kind == "null":
        return "NULL"
    if isinstance(value, str):
        return _text_given(to, column, term, value)
    if term.kind == "boolean":
        if kind == "integer" and term.text in ("true", "false"):
            return "1" if term.text == "true" else "0"
        if kind == "boolean":
            return term.text
    if value is not None and term.kind in _NUMBERS:
        return _number_given(column, term)
    is_same = term.kind == kind or (term.kind == "integer" and kind in ("real", "numeric"))
    if is_same and kind not in ("text", "numeric"):
        return term.text
    if is_same and column.size is None:
        return term.text
    raise Unlike(f"it gives a column of another type ({kind}) something else in each")


def _number_given(column: Column, term: Term) -> str:
    kind, value = column.kind, term.value
    is_whole = isinstance(value, int)
    if kind == "boolean" and value in (0, 1):
        return "true" if value else "false"
    if kind == "text" and is_whole and (column.size is None or len(str(value)) <= column.size):
        return text_of(str(value))
    if kind in ("integer", "real") and (is_whole or kind == "real"):
        return term.text
    if kind in ("numeric", "exact") and value is not None:
        number = Decimal(value)
        digits, exponent = len(number.as_tuple().digits), int(number.as_tuple().exponent)
        before = digits + exponent
        if digits <= EXACT_DIGITS and (
            column.size is None
            or (-exponent <= column.scale and before <= column.size - column.scale)
        ):
            return term.text
    raise Unlike(f"the number {value} is another one in the column, or not in both")


def _text_given(to: str, column: Column, term: Term, value: str) -> str:
    kind = column.kind
    if to == "sqlite" and term.type and (term.type == column.type or term.kind == kind):
        return term.text  # as PostgreSQL writes such values: that is how they are copied
    if to == "sqlite" and term.type == "bpchar" and column.type.startswith("character("):
        return text_of(value.rstrip(" "))
    if kind == "text" and term.kind == "text" and not term.type:
        if column.size is not None and len(value) > column.size:
            raise Unlike(f"it is longer than the column: {column.size} characters")
        return term.text
    if not term.type and kind in ("integer", "real", "numeric", "exact", "boolean"):
        return _number_given(column, number_of(value))
    taken = {
        "date": is_day,
        "timestamp": lambda text: is_day(text) or is_moment(text),
        "timestamptz": lambda text: _is(datetime.fromisoformat, text) and _has_zone(text),
        "json": lambda text: _is(json.loads, text),
        "jsonb": lambda text: _is(json.loads, text),
        "uuid": lambda text: _is(UUID, text),
    }.get(kind)
    if taken is not None and taken(value) and not term.type:
        return term.text
    raise Unlike(f"the text {value!a} is not the same in a column of {column.type or 'no type'}")


def _has_zone(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None
