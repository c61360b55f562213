"""What was set for a field, from text or from TOML, made to fit it."""

from __future__ import annotations

import datetime
import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from toolkit.errors import reason_of
from toolkit.fields import Field
from toolkit.secret import MASK, Secret, read_secret, secrets_in


class Value(NamedTuple):
    """What was set for a field, and where: the words that go into a message about it."""

    raw: Any
    place: str
    is_text: bool = False  # from the environment or the command line: to be converted from text
    on_command_line: bool = False
    is_path: bool = False  # of a file that holds the secret
    members: Mapping[str, str] = {}  # of a table: the place of each


# `user:password@host`: a URL whose scheme was forgotten.
_BARE_USERINFO = re.compile(r"[^\s/?#@:\"]+:[^\s/\"]*@")

_WORDS = {"yes": True, "on": True, "no": False, "off": False}


def _from_plain(kind: type, value: Any) -> Any:
    """What TOML and text have no type for."""
    if kind is Secret and isinstance(value, str | Secret):
        return value if isinstance(value, Secret) else Secret(value)
    if issubclass(kind, PurePath) and isinstance(value, str | PurePath):
        return kind(value)
    raise ValueError("text")


def _shown(value: Any) -> str:
    """A wrong value as it is printed: short, on one line, a URL without its credentials."""
    from toolkit.log.secrets import Masks  # only to tell of a mistake

    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    try:
        text = Masks().text(json.dumps(value, ensure_ascii=True, default=str))
        text = _BARE_USERINFO.sub(f"{MASK}@", text)
    except ValueError:  # a number of thousands of digits
        text = "a huge number"
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
    raw = _read(value) if value.is_path else value.raw
    if value.is_text and isinstance(raw, str):
        if field.is_list:
            raw = _members(raw)
        elif field.is_table:
            raw = _pairs(raw)
        elif field.is_flag:
            raw = _WORDS.get(raw.lower(), raw)
    if field.is_table and isinstance(raw, dict):
        raw = _flat(raw)
    expected, result = field.expected, None
    try:
        if value.is_text:
            _check_encoding(raw)
        result = msgspec.convert(raw, field.type, strict=not value.is_text, dec_hook=_from_plain)
        if value.is_text:
            _check_whole(raw, result)
        _check_finite(result)
        for one in result if field.is_list else [result]:
            if field.check is not None and one is not None:
                field.check(one)
        return result
    except msgspec.ValidationError:
        if field.is_table and value.is_text:
            expected = expected.replace("a table", "name=value,name=value", 1)
        elif field.is_table and isinstance(raw, dict):
            _refuse_member(field, value, raw)
    except UnicodeError:
        expected = "text in UTF-8"
    except ValueError as error:
        expected = str(error) or expected
    except Exception as error:  # noqa: BLE001 - a check may be anybody's
        expected = f"another value ({type(error).__name__}: {reason_of(error)})"
    found = "a secret that does not fit" if field.is_secret else f"found {_shown(value.raw)}"
    # Not chained: what was raised may hold the secret, and so may what a check says.
    if any(one.reveal() in expected for one in secrets_in(result)):
        expected = field.expected
    raise ValueError(f"{value.place}: expected {expected}, {found}")


def _refuse_member(field: Field, value: Value, table: dict[str, Any]) -> None:
    """Raise of the first member of a table that does not fit."""
    for name, one in table.items():
        try:
            msgspec.convert({name: one}, field.type, dec_hook=_from_plain)
        except msgspec.ValidationError:
            expected = field.expected.partition("each value ")[2] or field.expected
            place = value.members.get(name, f"{value.place}: {name}")
            found = "a secret that does not fit" if field.is_secret else f"found {_shown(one)}"
            raise ValueError(f"{place}: expected {expected}, {found}") from None


def _read(value: Value) -> Secret:
    if not isinstance(value.raw, str):
        raise ValueError(f"{value.place}: expected the path of a file, found {_shown(value.raw)}")
    try:
        return read_secret(value.raw)
    except ValueError as error:
        raise ValueError(f"{value.place}: expected a file with the secret; {error}") from error


def _check_encoding(raw: Any) -> None:
    """Refuse bytes that were no UTF-8 in the environment or an argument: TOML cannot hold them."""
    for text in raw if isinstance(raw, list) else [raw]:
        if isinstance(text, str):
            text.encode()


def _check_whole(raw: Any, result: Any) -> None:
    """Refuse `1e9` and `1.0` for a whole number, as TOML does."""
    if isinstance(raw, dict):
        raw, result = [*raw.values()], [*result.values()]
    for text, one in zip(raw, result, strict=False) if isinstance(raw, list) else [(raw, result)]:
        if type(one) is int and isinstance(text, str) and not text.removeprefix("-").isdigit():
            raise msgspec.ValidationError("not whole")


def _check_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise msgspec.ValidationError("not finite")
    if isinstance(value, tuple | list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            _check_finite(one)
