"""A site: which services run in one process, and the settings in force for each.

What is set comes from a TOML file, systemd's credentials, the environment and the command line,
the later winning over the earlier; every mistake in any of them is found before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from toolkit.document import TABLES, Document, load_service
from toolkit.errors import SettingsError
from toolkit.secret import Secret, is_exposed, secrets_in
from toolkit.service import Declaration
from toolkit.services import SERVICES
from toolkit.settings import Value, fields_of, resolve
from toolkit.sources import from_credentials, from_environment

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
    mistakes: Sequence[str] = (),
) -> Site:
    """Decide what runs, with which settings.

    Args:
        document: The TOML file, or an empty Document.
        environment: `os.environ`.
        only: The one service to run; else those of the file, or without a file DEFAULT_SITE.
        options: What the command line sets for that one service, by field.
        mistakes: Those already found on the command line, to be told with the others.

    Returns:
        The Site.

    Raises:
        SettingsError: With a line for every mistake: those of the command line first, then those
            of the file's tables themselves, then table by table.
    """
    found: list[SettingsError] = []
    if mistakes:
        found.append(SettingsError(list(mistakes), True))
    if document.problems:
        found.append(SettingsError(document.problems))
    names = [only] if only else list(document.services)
    if not names and document.path and not found:
        raise SettingsError([f"{document.path}: names no service; add a table [service.echo]"])
    names = names or list(DEFAULT_SITE)
    known = [*TABLES, *names, *document.services, *SERVICES]
    site = Site({}, [])
    for name, record in TABLES.items():
        with _kept(found):
            sources = [
                document.values(name),
                from_credentials(environment, name, record),
                from_environment(environment, name, known, record),
            ]
            site.shared[name] = Table(name, *resolve(record, document.title(name), sources))
    for name in names:
        with _kept(found):
            declaration = load_service(document, name)
            sources = [
                document.values("service", name),
                from_credentials(environment, name, declaration.settings),
                from_environment(environment, name, known, declaration.settings),
                dict(options or {}) if name == only else {},
            ]
            title = document.title("service", name)
            settings, places = resolve(declaration.settings, title, sources)
            table = ServiceTable(name, settings, places, document.kind(name), declaration)
            site.services.append(table)
    if found:
        found.sort(key=lambda one: not one.on_command_line)
        raise SettingsError(
            [problem for one in found for problem in one.problems], found[0].on_command_line
        )
    return site


@contextmanager
def _kept(found: list[SettingsError]) -> Iterator[None]:
    """Keep a mistake, to find those after it too."""
    try:
        yield
    except SettingsError as error:
        found.append(error)


def exposed(site: Site) -> list[str]:
    """A line for each file with a secret in force that every user of the machine may read.

    Args:
        site: What `settle` gave.
    """
    return [
        f"{place}: every user of this machine may read {secret.file!a}; chmod o-r would end that"
        for place, secret in secrets_of(site)
        if secret.file is not None and is_exposed(secret.file)
    ]


def secrets_of(site: Site) -> Iterator[tuple[str, Secret]]:
    """The secrets in force, each with the place where it was set.

    Args:
        site: What `settle` gave.
    """
    for table in [*site.shared.values(), *site.services]:
        for field in fields_of(type(table.settings)):
            for secret in secrets_in(getattr(table.settings, field.name)):
                yield table.places.get(field.name, "default"), secret
