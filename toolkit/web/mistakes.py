"""What is wrong with a record, in words: the field first, then what would be right."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from toolkit.settings import nearest

_FIELD = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`", re.S)
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>.*)", re.S)
_LONGEST = 200  # of what is repeated: a name may be as long as a body


class Mistakes:
    """Tells what msgspec found wrong with records of one type.

    Args:
        kind: A `msgspec.Struct`, or any other type. What a text that must match a pattern may be
            is told by the `description` beside it (`Meta(pattern=…, description="a to z")`): the
            pattern itself is for programs.
    """

    def __init__(self, kind: Any) -> None:
        info = inspect.type_info(kind)
        fields = info.fields if isinstance(info, inspect.StructType) else ()
        self.names = {field.encode_name for field in fields}
        self._forms: dict[str, str] = {}
        _find_forms(info, self._forms, [])

    def told(self, error: msgspec.ValidationError) -> str:
        """What is wrong: `age: expected int >= 0`.

        Args:
            error: What msgspec raised.
        """
        what, at, where = str(error).rpartition(" - at `")
        if not at:
            what, where = where, ""
        what, where = self._in_words(what), _short(where)
        is_key = where.startswith("key")
        where = where.rpartition("$")[2].rstrip("`").removeprefix(".")
        field = _FIELD.fullmatch(what)
        if field is not None:
            name = field["name"] or "''"
            place = f"{where}.{name}" if where else name
            if field["how"].startswith("missing"):
                return f"{place}: it is missing"
            return f"{place}: unknown field{'' if where else nearest(field['name'], self.names)}"
        sentence = what[:1].lower() + what[1:].replace("`", "")
        if is_key:
            sentence = f"a key: {sentence}"
        return f"{where}: {sentence}" if where else sentence

    def _in_words(self, what: str) -> str:
        match = _PATTERN.fullmatch(what)
        if match is None:
            return _short(what)
        form = self._forms.get(match["pattern"])
        return f"expected {form}" if form else "it is not of the form that is allowed"


def _find_forms(found: Any, forms: dict[str, str], above: list[type[Any]]) -> None:
    """Note the description of each pattern in a type, by how msgspec shows the pattern."""
    if isinstance(found, (tuple, list)):
        for one in found:
            _find_forms(one, forms, above)
        return
    if isinstance(found, inspect.Metadata) and isinstance(found.type, inspect.StrType):
        words = (found.extra_json_schema or {}).get("description")
        if words and found.type.pattern is not None:
            forms[repr(found.type.pattern)] = words
        return
    cls = getattr(found, "cls", None)
    if isinstance(found, (inspect.Type, inspect.Field)) and cls not in above:
        if cls is not None:
            above.append(cls)  # a record may hold others of its own type
        for name in found.__struct_fields__:
            _find_forms(getattr(found, name), forms, above)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…`"
