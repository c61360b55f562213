"""The fields of a record of settings, and their bounds in words."""

from __future__ import annotations

import datetime
import enum
import functools
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from toolkit.secret import Secret


class Field(NamedTuple):
    """One field of a record, as help, options and messages need it."""

    name: str
    type: Any
    default: Any
    help: str
    expected: str
    is_flag: bool
    is_list: bool
    is_table: bool
    is_secret: bool  # it is one, or holds some
    file_setting: str  # what names a file to read it from, beside a secret; or ""
    check: Callable[[Any], None] | None

    @property
    def option(self) -> str:
        """The field's name as a long option, without the dashes."""
        return self.name.replace("_", "-")


_NAMES = {
    float: "a number",
    int: "a whole number",
    str: "text",
    bool: "true or false",
    datetime.datetime: "a date and time",
    datetime.date: "a date",
    datetime.time: "a time of day",
}
_BOUNDS = {
    "gt": "greater than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "min_length": "of at least {} in length",
    "max_length": "of at most {} in length",
    "pattern": "that matches {}",
}


def _expected(kind: Any) -> str:
    """A type and its bounds in words: `a number greater than 0`."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        inner, *notes = typing.get_args(kind)
        bounds = [
            words.format(getattr(note, bound))
            for note in notes
            if isinstance(note, Meta)
            for bound, words in _BOUNDS.items()
            if getattr(note, bound) is not None
        ]
        return " ".join([_expected(inner), " and ".join(bounds)]).strip()
    if origin is typing.Literal:
        return "one of " + ", ".join(str(choice) for choice in typing.get_args(kind))
    if origin in (typing.Union, types.UnionType):
        kinds = [one for one in typing.get_args(kind) if one is not type(None)]
        return " or ".join(_expected(one) for one in kinds)
    if origin in (tuple, list):
        return f"a list, each {_expected(typing.get_args(kind)[0])}"
    if origin is dict:
        return f"a table, each value {_expected(typing.get_args(kind)[1])}"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(str(choice.value) for choice in kind)
    return _NAMES.get(kind, "text")


def _notes(kind: Any) -> list[Meta]:
    """What is noted on a type, on the members of a list, and on the kinds of an optional one."""
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is Annotated:
        return [note for note in inner[1:] if isinstance(note, Meta)] + _notes(inner[0])
    if typing.get_origin(kind) in (tuple, list, typing.Union, types.UnionType):
        return [note for one in inner for note in _notes(one)]
    return []


def _plain(kind: Any) -> Any:
    """The type without its notes, and without the None of an optional one."""
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kinds = [one for one in typing.get_args(kind) if one is not type(None)]
        return _plain(kinds[0]) if len(kinds) == 1 else kind
    return kind


def _holds_secret(kind: Any) -> bool:
    return kind is Secret or any(map(_holds_secret, typing.get_args(kind)))


def fields_of(record: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields of a record, in the order written.

    Args:
        record: A subclass of Settings: any record will do.

    Returns:
        One Field each.
    """
    return _fields_of(record)


@functools.cache
def _fields_of(record: type[msgspec.Struct]) -> tuple[Field, ...]:
    hints = typing.get_type_hints(record, include_extras=True)
    infos = msgspec.structs.fields(record)
    names = {info.name for info in infos}
    found = []
    for info in infos:
        kind = hints[info.name]
        notes = _notes(kind)
        plain = _plain(kind)
        of_file = f"{info.name}_file"
        default = info.default
        if info.default_factory is not msgspec.NODEFAULT:
            default = info.default_factory()
        found.append(
            Field(
                name=info.name,
                type=kind,
                default=default,
                help=next((note.description for note in notes if note.description), ""),
                expected=_expected(kind),
                is_flag=plain is bool,
                is_list=typing.get_origin(plain) in (tuple, list),
                # One of tables keeps them: its dotted keys are no names of one level.
                is_table=typing.get_origin(plain) is dict
                and typing.get_origin(_plain(typing.get_args(plain)[1])) is not dict,
                is_secret=_holds_secret(kind),
                file_setting=of_file if plain is Secret and of_file not in names else "",
                check=next(
                    (note.extra["check"] for note in notes if note.extra and "check" in note.extra),
                    None,
                ),
            )
        )
    return tuple(found)
