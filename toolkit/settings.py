"""Settings: one record is a helper's arguments, a TOML table, environment variables and options.

A record is a frozen `msgspec.Struct`; its field types carry the bounds and one line of help:

    class PollerSettings(Settings):
        \"\"\"Watch files and folders.\"\"\"

        poll_seconds: Annotated[float, Meta(gt=0, description="seconds between two looks")] = 1.0
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from toolkit.conversion import Value, converted
from toolkit.errors import SettingsError, reason_of
from toolkit.fields import Field, fields_of
from toolkit.secret import MASK, Secret, is_masked

__all__ = [
    "Endpoint",
    "Field",
    "Meta",
    "Secret",
    "Settings",
    "Value",
    "fields_of",
    "nearest",
    "resolve",
]


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
class _Record(msgspec.StructMeta):
    """Makes every subclass of Settings what Settings is, without having to say so again."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        return super().__new__(
            cls, name, bases, namespace, frozen=True, forbid_unknown_fields=True, kw_only=True
        )


class Settings(msgspec.Struct, metaclass=_Record):
    """The settings of one service or helper. The docstring of a subclass is its line of help.

    Raises:
        SettingsError: Where a value is not what its field's type and bounds allow.
    """

    def __post_init__(self) -> None:
        problems = []
        for field in fields_of(type(self)):
            value = getattr(self, field.name)
            if value is field.default or value == field.default:
                continue
            try:
                converted(field, Value(value, f"{type(self).__name__}.{field.name}"))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError(problems)


S = TypeVar("S", bound=Settings)


def _check_endpoint(description: str) -> None:
    # Imported when there is an endpoint to look at: --help has none, and it costs 0.1 s.
    from twisted.internet.endpoints import serverFromString

    if description.startswith("stdio"):
        raise ValueError(_endpoint_help("stdio cannot be listened on"))
    try:
        endpoint = serverFromString(object(), description)
    except (KeyError, IndexError) as error:
        why = "systemd passed no such socket; FileDescriptorName= in its .socket unit names it"
        raise ValueError(_endpoint_help(why)) from error
    except Exception as error:
        why = str(error)
        if type(error).__module__.startswith("OpenSSL."):  # it says so in numbers and names of C
            why = "a file of it holds no key or no certificate in PEM"
        raise ValueError(_endpoint_help(why)) from error
    port = getattr(endpoint, "_port", 0)
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise ValueError(_endpoint_help("a port is 0 to 65535"))


def _endpoint_help(why: str) -> str:
    return f"an endpoint such as tcp:7000:interface=127.0.0.1 or unix:/run/app.sock ({why})"


Endpoint = Annotated[
    str,
    Meta(
        description="where to listen, as a Twisted endpoint description",
        extra={"check": _check_endpoint},
    ),
]
"""Where to listen: a Twisted server endpoint description."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that is most like this one, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def resolve(
    record: type[S], name: str, sources: Iterable[Mapping[str, Value]]
) -> tuple[S, dict[str, str]]:
    """Make a record of what was set, the later source winning over the earlier.

    Beside a Secret `password`, `password_file` names a file to read it from. They are one setting:
    a source sets one of them, and a later source either.

    Args:
        record: The subclass of Settings to make.
        name: What the record belongs to, for the message about a setting that is missing.
        sources: Mappings from a field's name to the Value set for it.

    Returns:
        The record, and for each field where its value came from (`"default"` if nowhere).

    Raises:
        SettingsError: With a line for every wrong, unknown or missing field, those of the command
            line first. A wrong value is an error even where a later source overrides it.
    """
    sources = list(sources)
    known = {field.name: field for field in fields_of(record)}
    files = {field.file_setting: field for field in known.values() if field.file_setting}
    values: dict[str, Any] = {}
    places = dict.fromkeys(known, "default")
    spoken: list[str] = []
    others: list[str] = []
    tried: set[str] = set()
    typed: set[str] = set()
    for source in sources:
        for key, value in source.items():
            try:
                field = known.get(key) or files.get(key)
                if field is None:
                    tried.update(difflib.get_close_matches(key, known, n=1))
                    hint = nearest(key, [*known, *files])
                    raise ValueError(f"{value.place}: unknown setting{hint}")
                tried.add(field.name)
                if key in files:
                    if field.name in source:
                        raise ValueError(f"{value.place}: set it or {field.name}, not both")
                    value = value._replace(is_path=True)
                values[field.name] = converted(field, value)
                places[field.name] = value.place
                (typed.add if value.on_command_line else typed.discard)(field.name)
            except ValueError as error:
                (spoken if value.on_command_line else others).append(str(error))
    for field in known.values():
        if is_masked(values.get(field.name)):
            problem = f"{places[field.name]}: expected the secret itself, found {MASK}"
            (spoken if field.name in typed else others).append(problem)
        elif field.default is msgspec.NODEFAULT and field.name not in tried:
            others.append(f"{name}: {field.name} is not set; expected {field.expected}")
    if spoken or others:
        raise SettingsError([*spoken, *others], bool(spoken))
    on_command_line = any(one.on_command_line for source in sources for one in source.values())
    return _made(record, name, values, on_command_line), places


def _made(record: type[S], name: str, values: dict[str, Any], on_command_line: bool) -> S:
    """The record, which may look at its fields together."""
    try:
        return record(**values)
    except SettingsError as error:
        raise SettingsError(
            [f"{name}: {one}" for one in error.problems], on_command_line
        ) from error
    except (Exception, SystemExit) as error:  # the __post_init__ of anybody's record
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise SettingsError([f"{name}: {kind}{reason_of(error)}"], on_command_line) from error
