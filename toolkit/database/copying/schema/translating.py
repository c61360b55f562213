"""Expressions of one kind of database as the other writes them; no I/O.

What is taken is known to mean the same in both, or has been made so. All else is `Unlike`.
"""

from __future__ import annotations

import re

from toolkit.database.copying.schema.expressions import condition, read
from toolkit.database.copying.schema.tables import Column, Index, Table, escaped, quoted
from toolkit.database.copying.schema.terms import Unlike, given

_UTC = "CURRENT_TIMESTAMP AT TIME ZONE 'UTC'"
_ZONED = "strftime('%Y-%m-%d %H:%M:%f+00', 'now')"
_FORMS = {
    "CURRENT_TIMESTAMP": "YYYY-MM-DD HH24:MI:SS",
    "CURRENT_DATE": "YYYY-MM-DD",
    "CURRENT_TIME": "HH24:MI:SS",
}
"""What SQLite calls the time, in UTC, and how it writes it."""

_OF_SQLITE = {
    "CURRENT_TIMESTAMP": r"current_timestamp|datetime\((?:'now'|\"now\")?\)",
    "CURRENT_DATE": r"current_date|date\((?:'now'|\"now\")?\)",
    "CURRENT_TIME": r"current_time|time\((?:'now'|\"now\")?\)",
    _ZONED: re.escape(_ZONED.replace(" ", "")),
}
_NOW = r"(?:now\(\)|transaction_timestamp\(\)|CURRENT_TIMESTAMP)"
_NOW_UTC = rf"(?:{_NOW}attimezone'utc'|timezone\('utc',{_NOW}\))"
_HERE = "it is of the session's time zone, which is not UTC; SQLite's is"


def default_in(dialect: str, column: Column, is_utc: bool = False) -> str:
    """The default of a column, in the other kind of database.

    Args:
        dialect: Where it shall stand.
        column: With what it has where it comes from; its kind is what it holds there, too.
        is_utc: Whether PostgreSQL's own times are in UTC, where it comes from there.

    Raises:
        Unlike: It would be another value there, as far as is known.
    """
    if dialect == "postgresql":
        time = _time_in_postgresql(column)
        return time or given(dialect, column, read(dialect, column.default, None))
    time = _time_in_sqlite(column, is_utc)
    return time or f"({given(dialect, column, read(dialect, column.default, None))})"


def _packed(text: str) -> str:
    """Without what may be there or not: parentheses around the whole of it, casts and blanks."""
    text = re.sub(r"::text\b|\s+", "", text)
    while text.startswith("(") and text.endswith(")") and _closes(text) == len(text) - 1:
        text = text[1:-1]
    return text


def _closes(text: str) -> int:
    depth = 0
    for place, one in enumerate(text):
        depth += (one == "(") - (one == ")")
        if not depth:
            return place
    return -1


def _time_in_postgresql(column: Column) -> str:
    packed = _packed(column.default)
    for name, pattern in _OF_SQLITE.items():
        # In what strftime is told, upper case matters.
        if not re.fullmatch(pattern, packed, 0 if name == _ZONED else re.IGNORECASE):
            continue
        if (name, column.kind) == (_ZONED, "timestamptz"):
            return "CURRENT_TIMESTAMP"
        if (name, column.kind) == ("CURRENT_TIMESTAMP", "timestamp"):
            return f"({_UTC})"
        if (name, column.kind) == ("CURRENT_DATE", "date"):
            return f"(({_UTC})::date)"
        form = _FORMS.get(name, "")
        if column.kind == "text" and form and (column.size is None or column.size >= len(form)):
            return f"to_char({_UTC}, '{form}')"
        raise Unlike(f"it is a time as text, and the column is of {column.type or 'no type'}")
    return ""


def _time_in_sqlite(column: Column, is_utc: bool) -> str:
    packed, kind = _packed(column.default), column.kind

    def is_like(pattern: str) -> bool:
        return re.fullmatch(pattern, packed, re.IGNORECASE) is not None

    if kind == "timestamptz" and is_like(_NOW):
        return f"({_ZONED})"
    if kind == "timestamp" and is_like(_NOW_UTC):
        return "CURRENT_TIMESTAMP"
    if kind == "date" and is_like(rf"\(*{_NOW_UTC}\)*(?:::date)?"):
        return "CURRENT_DATE"
    if kind == "text" and not column.type.startswith("character("):
        for name, form in _FORMS.items():
            if is_like(rf"to_char\(\(?{_NOW_UTC}\)?,'{form.replace(' ', '')}'\)"):
                return name
    is_here = (kind == "timestamp" and is_like(rf"{_NOW}|LOCALTIMESTAMP")) or (
        kind == "date" and is_like(rf"CURRENT_DATE|{_NOW}|\(?{_NOW}\)?::date")
    )
    if is_here and not is_utc:
        raise Unlike(_HERE)
    return {"timestamp": "CURRENT_TIMESTAMP", "date": "CURRENT_DATE"}[kind] if is_here else ""


def index_in(dialect: str, table: Table, index: Index) -> str:
    """The statement that makes an index of one kind of database in the other.

    Args:
        dialect: Where it shall be.
        table: Its table, with the kinds of its columns.
        index: As it is where it comes from.

    Raises:
        Unlike: What it is of means something else there, as far as is known.
    """
    parts = []
    for text, is_name, after in index.parts:
        # PostgreSQL puts empty values last, SQLite first: so does each with an index of its own.
        # One that is not unique only finds rows, and by what a query of that database says.
        term = None if is_name else read(dialect, text, table, not index.is_unique)
        one = quoted(text) if term is None else f"({escaped(term.text)})"
        parts.append(f"{one} {after}".strip())
    where = escaped(condition(dialect, index.where, table)) if index.where else ""
    return (
        f"CREATE {'UNIQUE ' * index.is_unique}INDEX {quoted(index.name)} ON {quoted(table.name)} "
        f"({', '.join(parts)}){f' WHERE {where}' if where else ''}"
    )
