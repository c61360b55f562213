"""Expressions of one kind of database as the other writes them; no I/O.

Only what is written otherwise though it means the same is changed. Whether the other database
understands the rest is found out there, by trying.
"""

from __future__ import annotations

import re

from toolkit.database.copying.schema.sqlite_text import plain
from toolkit.database.copying.schema.tables import Column, Index, Table, escaped, quoted, raw

_SQLITE_NOW = "CURRENT_TIMESTAMP"
_SQLITE_NOW_WITH_ZONE = "strftime('%Y-%m-%d %H:%M:%f+00', 'now')"
_POSTGRESQL_NOW_TEXT = "to_char(CURRENT_TIMESTAMP AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
_NOW_OF_SQLITE = re.compile(
    r"""current_timestamp | datetime\s*\(\s*(?:'now'|"now")?\s*\)""", re.IGNORECASE | re.VERBOSE
)
_NOW_OF_POSTGRESQL = re.compile(
    r"now\(\)|CURRENT_TIMESTAMP|LOCALTIMESTAMP|statement_timestamp\(\)|"
    r"\(?(?:CURRENT_TIMESTAMP|now\(\)) AT TIME ZONE 'UTC'(?:::text)?\)?|"
    r"to_char\(\(CURRENT_TIMESTAMP AT TIME ZONE 'UTC'(?:::text)?\), "
    r"'YYYY-MM-DD HH24:MI:SS'(?:::text)?\)"
)
_TODAY_OF_POSTGRESQL = re.compile(r"CURRENT_DATE|\(?(?:now\(\)|CURRENT_TIMESTAMP)\)?::date")
_QUOTED = r"""'(?:[^']|'')*+' | "(?:[^"]|"")*+" """
_BOOLEANS = {"0": "false", "1": "true"}
_CAST = re.compile(
    rf"""({_QUOTED}) | ::(?:"[^"]*"|[a-z_][\w$]*)
    (?:\s(?:varying|precision|with(?:out)?\stime\szone))*(?:\(\d+(?:,\s*-?\d+)?\))?(?:\[\])*""",
    re.VERBOSE,
)
_ARRAY = rf"ARRAY\[(?:{_QUOTED}|[^\[\]'\"])*\]"
_TWICE = re.compile(rf"\((\({_ARRAY}\))\)", re.VERBOSE)
_ANY_OF = re.compile(rf"=\ ANY\ \(({_ARRAY})\)", re.VERBOSE)
_NAMES = re.compile(
    rf"""{_QUOTED} | `(?:[^`]|``)*+` | \[[^\]]*\] | [A-Za-z_][\w$]*+(?!\s*\()""", re.VERBOSE
)


def default_in(dialect: str, column: Column) -> str:
    """The default of a column, in the other kind of database.

    Args:
        dialect: Where it shall stand.
        column: With what it has where it comes from; its kind is what it holds there, too.
    """
    text = _bare(column.default)
    if dialect == "sqlite":
        return _default_in_sqlite(text, column.kind)
    return _default_in_postgresql(text, column.kind)


def _bare(text: str) -> str:
    """An expression without parentheses around the whole of it."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and _closes(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closes(text: str) -> int:
    depth, quote = 0, ""
    for place, one in enumerate(text):
        if quote:
            quote = "" if one == quote else quote
        elif one in "'\"":
            quote = one
        else:
            depth += (one == "(") - (one == ")")
            if not depth:
                return place
    return -1


def _default_in_sqlite(text: str, kind: str) -> str:
    if _NOW_OF_POSTGRESQL.fullmatch(text):
        return f"({_SQLITE_NOW_WITH_ZONE})" if kind == "timestamptz" else _SQLITE_NOW
    if _TODAY_OF_POSTGRESQL.fullmatch(text):
        return "CURRENT_DATE"
    if kind == "bytes" and (found := re.fullmatch(r"'\\x([0-9a-f]*)'::bytea", text)):
        return f"x'{found[1]}'"
    return f"({_without_casts(text)})"


def _default_in_postgresql(text: str, kind: str) -> str:
    if text == _SQLITE_NOW_WITH_ZONE:
        return "CURRENT_TIMESTAMP"
    if _NOW_OF_SQLITE.fullmatch(text):
        return _POSTGRESQL_NOW_TEXT if kind == "text" else "CURRENT_TIMESTAMP"
    if re.fullmatch(r'"(?:[^"]|"")*"', text):  # SQLite takes it for a text, where it is no name
        inner = text[1:-1].replace('""', '"').replace("'", "''")
        return f"'{inner}'"
    if found := re.fullmatch(r"[xX]'([0-9a-fA-F]*)'", text):
        return f"'\\x{found[1]}'"
    if kind == "boolean" and text in ("0", "1"):
        return _BOOLEANS[text]
    return text


def expression_in(dialect: str, table: Table, expression: str) -> str:
    """What a CHECK or an index is of, in the other kind of database.

    Args:
        dialect: Where it shall stand.
        table: With the names and kinds of its columns.
        expression: As it stands where it comes from.
    """
    if dialect == "postgresql":
        return _with_booleans(table, _with_names(table, expression))
    return _with_numbers(table, _without_casts(expression))


def index_in(dialect: str, table: Table, index: Index) -> str:
    """The statement that makes an index of one kind of database in the other.

    Args:
        dialect: Where it shall be.
        table: Its table, with the kinds of its columns.
        index: As it is where it comes from.
    """
    parts = []
    for text, is_name, after in index.parts:
        # PostgreSQL puts empty values last, SQLite first: so does each with an index of its own.
        one = quoted(text) if is_name else f"({escaped(expression_in(dialect, table, text))})"
        parts.append(f"{one} {after}".strip())
    where = escaped(expression_in(dialect, table, index.where))
    return (
        f"CREATE {'UNIQUE ' * index.is_unique}INDEX {quoted(index.name)} ON {quoted(table.name)} "
        f"({', '.join(parts)}){f' WHERE {where}' if where else ''}"
    )


def _without_casts(text: str) -> str:
    """An expression of PostgreSQL without `::type`, and with IN for `= ANY (ARRAY[…])`."""
    text = _CAST.sub(lambda match: match[1] or "", text)
    while (shorter := _TWICE.sub(r"\1", text)) != text:
        text = shorter
    return _ANY_OF.sub(lambda match: f"IN ({match[1][len('ARRAY[') : -1]})", text)


def _with_numbers(table: Table, expression: str) -> str:
    """Numbers that SQLite keeps as text are compared as numbers, all the same."""
    exact = {one.name for one in table.columns if one.kind == "exact"}

    def cast(match: re.Match[str]) -> str:
        name = plain(match[0])
        return f"CAST({raw(name)} AS NUMERIC)" if name in exact else match[0]

    return _NAMES.sub(cast, expression) if exact else expression


def _with_names(table: Table, expression: str) -> str:
    """Columns as they are called: PostgreSQL does not take `Name` for a column `name`."""
    columns = {one.name.lower(): one.name for one in table.columns}

    def called(match: re.Match[str]) -> str:
        name = "" if match[0][0] == "'" else columns.get(plain(match[0]).lower(), "")
        return raw(name) if name else match[0]

    return _NAMES.sub(called, expression)


def _with_booleans(table: Table, expression: str) -> str:
    """What a BOOLEAN is compared with: 0 and 1 are no booleans to PostgreSQL."""
    for column in table.columns:
        if column.kind == "boolean":
            name = re.escape(raw(column.name))
            expression = re.sub(
                rf"({name}\s*(?:=|<>|!=|IS|IS\s+NOT)\s*)([01])\b",
                lambda match: match[1] + _BOOLEANS[match[2]],
                expression,
                flags=re.IGNORECASE,
            )
            expression = re.sub(
                rf"({name}\s+IN\s*\()\s*([01])\s*,\s*([01])\s*\)",
                lambda match: f"{match[1]}{_BOOLEANS[match[2]]}, {_BOOLEANS[match[3]]})",
                expression,
                flags=re.IGNORECASE,
            )
    return expression
