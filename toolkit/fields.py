"""The fields of a record of settings: their bounds in words, and a value made to fit."""

from __future__ import annotations

import functools
import json
import math
import tomllib
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from toolkit.secret import Secret


class Value(NamedTuple):
    """What was set for a field, and where: the words that go into a message about it."""

    raw: Any
    place: str
    is_text: bool = False  # from the environment or the command line: to be converted from text
    on_command_line: bool = False


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
    is_secret: bool
    check: Callable[[Any], None] | None

    @property
    def option(self) -> str:
        """The field's name as a long option, without the dashes."""
        return self.name.replace("_", "-")


_NAMES = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
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
    found = []
    for info in msgspec.structs.fields(record):
        kind = hints[info.name]
        notes = _notes(kind)
        plain = _plain(kind)
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
                is_table=typing.get_origin(plain) is dict,
                is_secret=plain is Secret,
                check=next(
                    (note.extra["check"] for note in notes if note.extra and "check" in note.extra),
                    None,
                ),
            )
        )
    return tuple(found)


def _from_plain(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str | Secret):
        return value if isinstance(value, Secret) else Secret(value)
    raise ValueError("text")


def _shown(value: Any) -> str:
    """A wrong value as it is printed: short, on one line, a URL without its credentials."""
    from toolkit.log.secrets import Masks  # only to tell of a mistake

    text = Masks().text(json.dumps(value, ensure_ascii=True, default=str))
    return text if len(text) <= 100 else text[:100] + "…"


def _members(text: str) -> Any:
    """The members of a list that was given as text: a TOML array, or parted by commas."""
    if text.startswith("["):
        try:
            return tomllib.loads(f"list = {text}")["list"]
        except ValueError:
            return text
    return [member.strip() for member in text.split(",") if member.strip()]


def _pairs(text: str) -> Any:
    """The pairs of a table that was given as text: `name=value,name=value`."""
    pairs = [member.partition("=") for member in _members(text)]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`: what TOML makes of a dotted key without quotes."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


def converted(field: Field, value: Value) -> Any:
    """A value as its field wants it.

    Args:
        field: What is wanted.
        value: What was set. Text from the environment or the command line is converted.

    Returns:
        The value to put into the record.

    Raises:
        ValueError: In one line: where it was set, what was expected, what was found.
    """
    raw = value.raw
    if field.is_list and value.is_text and isinstance(raw, str):
        raw = _members(raw)
    if field.is_table and value.is_text and isinstance(raw, str):
        raw = _pairs(raw)
    if field.is_table and isinstance(raw, dict):
        raw = _flat(raw)
    found = "a secret that does not fit" if field.is_secret else f"found {_shown(value.raw)}"
    try:
        result = msgspec.convert(raw, field.type, strict=not value.is_text, dec_hook=_from_plain)
        if isinstance(result, float) and not math.isfinite(result):
            raise ValueError("not finite")
        for one in result if field.is_list else [result]:
            if field.check is not None and one is not None:
                field.check(one)
    except msgspec.ValidationError:
        raise ValueError(f"{value.place}: expected {field.expected}, {found}") from None
    except ValueError as error:
        expected = error if field.check is not None else field.expected
        raise ValueError(f"{value.place}: expected {expected}, {found}") from None
    return result
