"""Events whose values are plain: what makes their lines without running the program's code."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from string import Formatter
from typing import Any, NamedTuple

import msgspec
from twisted.logger import LogEvent

FIRST_KEYS = ("time", "level", "namespace", "message")
"""The keys that a line of JSON begins with."""

KINDS = frozenset({str, int, float, bool, type(None)})
"""The types of the values that are plain."""

_Values = Callable[[LogEvent], tuple[Any, ...]]


class Plain(NamedTuple):
    """What makes the lines of the events of one shape, if their values are plain.

    `values` gives the values of the fields; `message` the message; and `record` takes the values
    of a line's keys, in order: msgspec makes and encodes such a Struct in a third of the time
    that a dict takes.
    """

    values: _Values
    message: Callable[[LogEvent], str]
    record: Callable[..., msgspec.Struct]


def plain_of(
    format: str,  # noqa: A002 - the name it has in twisted.logger
    whole: tuple[str, ...],
    fields: dict[Any, str],
) -> Plain | None:
    """Work out what is the same for all plain events of one shape.

    Args:
        format: Their format.
        whole: The keys that it names.
        fields: The keys of the events' fields, and the name of each in a line.

    Returns:
        It, or None if the message shows something else, or JSON would have to escape a name.
    """
    if not {*whole} <= {"log_text", *fields}:
        return None
    names = (*FIRST_KEYS, *fields.values())
    attributes = [f"value{number}" for number in range(len(names))]
    try:
        record = msgspec.defstruct(
            "Record",
            [(attribute, Any) for attribute in attributes],
            rename=dict(zip(attributes, names, strict=True)),
            gc=False,
        )
    except ValueError:
        return None
    return Plain(_values(tuple(fields)), _message(format, whole), record)


def _message(
    format: str,  # noqa: A002 - as above
    whole: tuple[str, ...],
) -> Callable[[LogEvent], str]:
    parts = list(Formatter().parse(format))
    if any(spec or conversion for _, _, spec, conversion in parts):
        return format.format_map
    # Without these, `%s` shows the same of a plain value, in half the time.
    pattern = "".join(
        literal.replace("%", "%%") + ("" if name is None else "%s") for literal, name, _, _ in parts
    )
    values = _values(whole)
    return lambda event: pattern % values(event)


def _values(keys: tuple[Any, ...]) -> _Values:
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda event: tuple([event[key] for key in keys])
