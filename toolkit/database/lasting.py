"""Lasting: what a statement would leave in its connection, which others use after it; no I/O.

Only what the words of a statement tell is known here: a function that it calls may leave
something, too (`set_config`, `pg_advisory_lock`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WORDS = re.compile(r"[A-Za-z_]+")
_TEMPORARY = re.compile(
    r"\A\W*create\s+(?:or\s+replace\s+)?(?:(?:local|global)\s+)?temp(?:orary)?\b"
    r"|\A\W*select\b.*?\binto\s+(?:(?:local|global)\s+)?temp(?:orary)?\b",
    re.IGNORECASE | re.DOTALL,
)
_PRAGMA = re.compile(r"\W*pragma\s+(?:\w*\s*\.\s*)?(\w*)\s*([=(]?)", re.IGNORECASE)

_LEAVES = frozenset(
    ("reset", "discard", "listen", "unlisten", "prepare", "deallocate", "load", "attach", "detach")
)
_OF_THE_TRANSACTION = frozenset(("local", "transaction", "constraints"))
_PRAGMAS = frozenset(
    (
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
        *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check", "optimize"),
        *("wal_checkpoint", "incremental_vacuum", "user_version", "application_id"),
        "max_page_count",  # what it limits is written by one connection alone
    )
)
"""Those whose value is a question, or is kept in the file."""


class Lasting(NamedTuple):
    """Why a statement is refused, and whether that is so within a transaction, too."""

    reason: str
    always: bool


def lasting(words: str) -> Lasting | None:
    """What a statement would leave in its connection, or None.

    Args:
        words: The statement, without what is quoted and without comments.
    """
    found = _WORDS.findall(words[:200])
    first = found[0].lower() if found else ""
    if first == "set":
        if len(found) > 1 and found[1].lower() in _OF_THE_TRANSACTION:
            return Lasting("it is for within a transaction: run it in transaction()", False)
        return Lasting(
            "a SET stays in one of many connections, for whoever uses that next: put it into the "
            "URL (?options=-c%20NAME%3DVALUE), or use SET LOCAL in transaction()",
            True,
        )
    if first in _LEAVES:
        return Lasting(
            f"what {first.upper()} does stays in one of many connections, for whoever uses that "
            "next: it is not for a shared database",
            True,
        )
    if _TEMPORARY.search(words):
        return Lasting(
            "a temporary table is in one of many connections: make, use and drop it in one "
            "transaction()",
            False,
        )
    pragma = _PRAGMA.match(words)
    if pragma is not None and pragma[2] and pragma[1].lower() not in _PRAGMAS:
        if pragma[1].lower() == "defer_foreign_keys":
            return Lasting("it is for within a transaction: run it in transaction()", False)
        return Lasting(
            "a PRAGMA that sets something stays in one of several connections: what a database "
            "needs is set when it is opened (DatabaseSettings)",
            True,
        )
    return None
