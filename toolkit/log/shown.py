"""Objects as text, whatever their own code does, and without the secrets that they name."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from toolkit.log.secrets import MASK, is_secret

SCALARS = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values hold no others."""

COLLECTIONS = (list, tuple, set, frozenset, deque)
"""Types whose values are shown one by one."""

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


def masked(value: object, deep: int = 0) -> Any:
    """A value as a message may show it.

    Args:
        value: Any value.
        deep: How many others it is inside of.

    Returns:
        The value itself, or if something in it is named like a secret, a copy with that masked.
    """
    if type(value) in SCALARS or deep > DEEPEST:
        return value
    if isinstance(value, Mapping):
        pairs = {
            key: _Masked(repr(MASK)) if is_secret(name_of(key)) else masked(one, deep + 1)
            for key, one in value.items()
        }
        return pairs if any(pairs[key] is not one for key, one in value.items()) else value
    if type(value) in COLLECTIONS:
        members: Iterable[Any] = value  # type: ignore[assignment] # those are iterable
        ones = [masked(one, deep + 1) for one in members]
        same = all(one is old for one, old in zip(ones, members, strict=False))
        return value if same else type(value)(ones)  # type: ignore[call-arg] # of a list
    fields = _fields_of(value)
    if any(is_secret(name) for name in fields):
        parts = [
            f"{name}={MASK if is_secret(name) else repr(masked(getattr(value, name), deep + 1))}"
            for name in fields
        ]
        return _Masked(f"{type(value).__name__}({', '.join(parts)})")
    return value


def name_of(key: object) -> str:
    """A key as text."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "backslashreplace")
    return key if isinstance(key, str) else shown(key)
