"""Objects as text, whatever their own code does, and without the secrets that they name."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import Any

from toolkit.log.secrets import is_secret
from toolkit.secret import MASK

SCALARS = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values hold no others."""

COLLECTIONS = (list, tuple, set, frozenset, deque)
"""Types whose values are shown one by one."""

LARGEST = 16 * 1024
"""How much of a value is looked through for a message, which is cut at so many bytes."""

DEEPEST = 6
"""How many values one is looked for inside of."""


def shown(value: object) -> str:
    """An object as text, whatever its `__str__` and `__repr__` do."""
    kind = type(value)
    try:
        if isinstance(value, BaseException):
            return f"{kind.__name__}: {value}".removesuffix(": ")
        return repr(value) if kind.__str__ is object.__str__ else str(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - any code may run there, and a log must go on
        return f"<{kind.__name__} that cannot be shown: {type(error).__name__}>"


def _fields_of(value: object) -> tuple[str, ...]:
    """The fields of a dataclass, an attrs class or a msgspec Struct."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    names = getattr(kind, "__struct_fields__", None)
    if names is None:
        names = (one.name for one in getattr(kind, "__attrs_attrs__", ()))
    return tuple(names)


class _Masked:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class Room:
    """How much of a value may still be kept, in characters."""

    def __init__(self, left: int) -> None:
        self.left = left


def masked(value: object, deep: int = 0, room: Room | None = None) -> Any:
    """A value as a message may show it.

    Args:
        value: Any value.
        deep: How many others it is inside of.
        room: What is left of the largest that is looked through; the whole when left out.

    Returns:
        The value itself, or a copy: if something in it is named like a secret, with that masked;
        if it is larger or deeper than is kept, its beginning.
    """
    room = room or Room(LARGEST)
    kind = type(value)
    if kind in SCALARS:
        return _begun(value, deep, room)
    many = isinstance(value, Mapping) or kind in COLLECTIONS
    if deep > DEEPEST:
        return _Masked("…") if many else value
    if isinstance(value, Mapping):
        return _masked_pairs(value, deep, room)
    if many:
        return _masked_members(value, deep, room)
    fields = _fields_of(value)
    if any(is_secret(name) for name in fields):
        parts = [
            f"{name}="
            + (MASK if is_secret(name) else repr(masked(getattr(value, name), deep + 1, room)))
            for name in fields
        ]
        return _Masked(f"{kind.__name__}({', '.join(parts)})")
    return value


def _begun(value: Any, deep: int, room: Room) -> Any:
    """A plain value, or the beginning of one that is long where showing it would cost much."""
    if isinstance(value, str | bytes):
        room.left -= len(value)
        if len(value) > LARGEST and (deep or isinstance(value, bytes)):
            return _Masked(f"{value[:LARGEST]!r}…[cut: {len(value)} in all]")
    room.left -= 1
    return value


def _masked_pairs(value: Mapping[Any, Any], deep: int, room: Room) -> Any:
    pairs: dict[Any, Any] = {}
    changed = False
    for key, one in value.items():
        if room.left <= 0:
            pairs[_Masked("…")] = _Masked(f"…[cut: {len(value)} in all]")
            return pairs
        secret = is_secret(name_of(key))
        room.left -= 8
        pairs[key] = new = _Masked(repr(MASK)) if secret else masked(one, deep + 1, room)
        changed = changed or new is not one
    return pairs if changed else value


def _masked_members(value: Any, deep: int, room: Room) -> Any:
    members: list[Any] = []
    changed = False
    for one in value:
        if room.left <= 0:
            members.append(_Masked(f"…[cut: {len(value)} in all]"))
            return members
        members.append(new := masked(one, deep + 1, room))
        changed = changed or new is not one
    return type(value)(members) if changed else value


def name_of(key: object) -> str:
    """A key as text."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "backslashreplace")
    return key if isinstance(key, str) else shown(key)
