"""Values as JSON, with the rows of a database as objects."""

from __future__ import annotations

import contextlib
import operator
from typing import Any

import msgspec

_LEAVES = frozenset([str, int, float, bool, type(None), bytes])
_encode = msgspec.json.Encoder().encode


def encoded(value: Any) -> bytes:
    """A value in JSON.

    Args:
        value: What msgspec encodes. A row, in a list or a dict too, is an object by the names of
            its columns.

    Raises:
        TypeError: It is none of these.
        RecursionError: It is nested too deep.
    """
    # msgspec goes deeper than Python does, and says so where that is too deep as well.
    with contextlib.suppress(RecursionError):
        value = _with_rows_named(value)
    return _encode(value)


def _with_rows_named(value: Any) -> Any:
    """The same with a dict for each tuple that has names: msgspec takes every tuple for a list.

    It looks into lists and dicts, as deep as they go, and copies none that needs no change.
    """
    kind = type(value)
    if kind is dict:
        members: Any = value.values()
    elif kind is list:
        members = value
    else:
        return dict(value) if _has_names(kind) else value
    kinds = set(map(type, members))
    if kinds <= _LEAVES:
        return value
    if kind is list and len(kinds) == 1 and _has_names(*kinds):
        names = value[0].keys()  # rows of one query have one class
        if len(names) == len(value[0]):
            return [dict(zip(names, row, strict=True)) for row in value]
    named = [_with_rows_named(one) for one in members]
    if all(map(operator.is_, named, members)):
        return value
    return named if kind is list else dict(zip(value, named, strict=True))


def _has_names(kind: type[Any]) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "keys")
