"""A site: which services run in one process, and the settings in force for each.

What is set comes from a TOML file, the environment and the command line, the later winning over
the earlier; every mistake in any of them is found before anything starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from toolkit.document import TABLES, Document, load_service
from toolkit.errors import SettingsError
from toolkit.service import Declaration
from toolkit.services import SERVICES
from toolkit.settings import Secret, Settings, Value, fields_of, nearest, resolve

DEFAULT_SITE = ("echo", "countdown", "insults")
"""What runs when neither a file nor a service is named."""


@dataclass(frozen=True)
class Table:
    """One table of settings in force, and for each field where its value came from."""

    name: str
    settings: Any
    places: dict[str, str]


@dataclass(frozen=True)
class ServiceTable(Table):
    """The table of a service: `[service.NAME]`."""

    kind: str
    declaration: Declaration[Any]


@dataclass(frozen=True)
class Site:
    """The shared tables by name, and those of the services in the order in which they start."""

    shared: dict[str, Table]
    services: list[ServiceTable]


def settle(
    document: Document,
    environment: Mapping[str, str],
    only: str | None = None,
    options: Mapping[str, Value] | None = None,
) -> Site:
    """Decide what runs, with which settings.

    Args:
        document: The TOML file, or an empty Document.
        environment: `os.environ`.
        only: The one service to run; else those of the file, or without a file DEFAULT_SITE.
        options: What the command line sets for that one service, by field.

    Returns:
        The Site.

    Raises:
        SettingsError: With a line for every mistake.
    """
    names = [only] if only else list(document.services)
    if not names and document.path:
        raise SettingsError([f"{document.path}: names no service; add a table [service.echo]"])
    names = names or list(DEFAULT_SITE)
    known = [*TABLES, *names, *document.services, *SERVICES]
    mistakes: list[SettingsError] = []
    site = Site({}, [])
    for name, record in TABLES.items():
        with _kept(mistakes):
            sources = [
                document.values(name, document.shared[name]),
                _from_environment(environment, name, known, record),
            ]
            site.shared[name] = Table(name, *resolve(record, f"[{name}]", sources))
    for name in names:
        with _kept(mistakes):
            declaration = load_service(document, name)
            title = f"service.{name}"
            sources = [
                document.values(title, document.services.get(name, {})),
                _from_environment(environment, name, known, declaration.settings),
                dict(options or {}) if name == only else {},
            ]
            settings, places = resolve(declaration.settings, f"[{title}]", sources)
            table = ServiceTable(name, settings, places, document.kind(name), declaration)
            site.services.append(table)
    if mistakes:
        raise SettingsError(
            [problem for mistake in mistakes for problem in mistake.problems],
            any(mistake.on_command_line for mistake in mistakes),
        )
    return site


@contextmanager
def _kept(mistakes: list[SettingsError]) -> Iterator[None]:
    """Keep a mistake, to find those after it too."""
    try:
        yield
    except SettingsError as error:
        mistakes.append(error)


def _prefix(name: str) -> str:
    return f"TOOLKIT_{name.upper().replace('-', '_')}_"


def _from_environment(
    environment: Mapping[str, str], name: str, known: list[str], record: type[Settings]
) -> dict[str, Value]:
    """The variables of one service or table. An empty one counts as not set."""
    prefix = _prefix(name)
    prefixes = {_prefix(other) for other in known} - {prefix}
    longer = tuple(other for other in prefixes if other.startswith(prefix))
    fields = [field.name for field in fields_of(record)]
    values = {}
    for variable, text in environment.items():
        if not text or not variable.startswith(prefix) or variable.startswith(longer):
            continue
        key = variable.removeprefix(prefix).lower()
        # A variable that is like none of ours may well be another program's
        # (Kubernetes sets TOOLKIT_ECHO_PORT for a service of the name toolkit-echo).
        if key in fields or nearest(key, fields):
            values[key] = Value(text, variable, is_text=True)
    return values


def shown(site: Site) -> str:
    """The settings in force as TOML that can be loaded again, each with where it came from.

    Args:
        site: What `settle` gave.

    Returns:
        The text; secrets are `****`.
    """
    lines: list[str] = []
    for table in [*site.shared.values(), *site.services]:
        is_service = isinstance(table, ServiceTable)
        lines += ["", f"[service.{table.name}]" if is_service else f"[{table.name}]"]
        if isinstance(table, ServiceTable) and table.kind != table.name:
            lines.append(f"kind = {_toml(table.kind)}")
        for field in fields_of(type(table.settings)):
            value = getattr(table.settings, field.name)
            place = table.places[field.name]
            if value is None:
                lines.append(f"# {field.name} is not set")
            else:
                lines.append(f"{field.name} = {_toml(value)}  # {place}")
    return "\n".join(lines[1:]) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Secret):
        return '"****"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, bool | int | float):
        return repr(value).lower()
    # A TOML string is written as a JSON one, but for the one character JSON leaves as it is.
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False).replace("\x7f", "\\u007f")
