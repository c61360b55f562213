"""The settings in force, written as TOML."""

from __future__ import annotations

import datetime
import json
import tomllib
from pathlib import PurePath
from typing import Any

import msgspec

from toolkit.conversion import Value, converted
from toolkit.errors import printable
from toolkit.fields import Field
from toolkit.log.secrets import Masks
from toolkit.secret import MASK, Secret, is_masked
from toolkit.settings import fields_of
from toolkit.site import ServiceTable, Site


def shown(site: Site) -> str:
    """The settings in force as TOML that can be loaded again, each with where it came from.

    What cannot be loaded from TOML (a default that is no text, number, date, list or table) is
    shown in a comment. A secret is `****`, and so are the credentials in a URL: loaded, that is
    refused where it is not set anew. For a secret that came from a file, the file is shown.

    Args:
        site: What `settle` gave.

    Returns:
        The text.
    """
    lines: list[str] = []
    for table in [*site.shared.values(), *site.services]:
        is_service = isinstance(table, ServiceTable)
        lines += ["", f"[service.{table.name}]" if is_service else f"[{table.name}]"]
        if isinstance(table, ServiceTable) and table.kind != table.name:
            lines.append(f"kind = {_toml(table.kind)}")
        for field in fields_of(type(table.settings)):
            value = getattr(table.settings, field.name)
            lines.append(_line(field, value, printable(table.places[field.name])))
    return "\n".join(lines[1:]) + "\n"


def _line(field: Field, value: Any, place: str) -> str:
    if value is None:
        return f"# {field.name} is not set"
    is_named = field.file_setting and not place.startswith("credential ")
    if is_named and isinstance(value, Secret) and value.file is not None:
        return f"{field.file_setting} = {_toml(value.file)}  # {place}"
    try:
        text = _toml(value)
        again = converted(field, Value(tomllib.loads(f"x = {text}")["x"], place))
        is_loaded = place != "default" if is_masked(again) else again == value
    except Exception:  # noqa: BLE001 - whatever the types of anybody's settings raise, or lack
        text, is_loaded = printable(repr(value)), False
    return f"{'' if is_loaded else '# '}{field.name} = {text}  # {place}"


def _toml(value: Any) -> str:
    if isinstance(value, Secret):
        return f'"{MASK}"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, bool | int | float):
        return repr(value).lower()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, PurePath):
        value = str(value)
    if isinstance(value, str):
        value = Masks().text(value)  # the credentials in a URL
    # A TOML string is written as a JSON one, but for the one character JSON leaves as it is.
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False).replace("\x7f", "\\u007f")
