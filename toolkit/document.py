"""A site's TOML file, read and checked for what is no table of ours."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any

from toolkit.errors import SettingsError, ToolkitError
from toolkit.log import LogSettings
from toolkit.service import Declaration
from toolkit.services import SERVICES, load
from toolkit.settings import Meta, Settings, Value, nearest


class SiteSettings(Settings):
    """How long the whole site may take to start and to stop."""

    start_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="give up when not all services are ready by then")
    ] = 60.0
    stop_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="end by force when not all have stopped by then")
    ] = 10.0


TABLES: dict[str, type[Settings]] = {"site": SiteSettings, "log": LogSettings}
"""The tables that all services of a process share."""


class Document:
    """A TOML file, read; an empty one stands for no file at all.

    Args:
        path: The file, or None.

    Raises:
        SettingsError: It cannot be read, is not TOML, or holds what is no table of ours.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path or ""
        content = {} if path is None else _read(path)
        self.shared = {name: content.pop(name, {}) for name in TABLES}
        self.services = content.pop("service", {})
        problems = [
            f"{path}: unknown table [{key}]{nearest(key, [*TABLES, 'service'])}" for key in content
        ]
        for name, table in [*self.shared.items(), ("service", self.services)]:
            if not isinstance(table, dict):
                problems.append(f"{path}: {name} must be a table: [{name}]")
        if not problems:
            problems = [problem for name in self.services if (problem := self._problem(name))]
        if problems:
            raise SettingsError(problems)

    def _problem(self, name: str) -> str:
        table = self.services[name]
        if not isinstance(table, dict):
            return f"{self.path}: service.{name} must be a table: [service.{name}]"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name in TABLES:
            return (
                f"{self.path}: [service.{name}]: a service's name is letters, digits, - and _, "
                f"and none of {', '.join(TABLES)}"
            )
        if not isinstance(table.get("kind", name), str):
            return f"{self.path}: [service.{name}] kind: expected text, found {table['kind']!r}"
        return ""

    def kind(self, name: str) -> str:
        """What kind of service the one of this name is: its own name unless the table says."""
        kind: str = self.services.get(name, {}).get("kind", name)
        return kind

    def values(self, table: str, content: Mapping[str, Any]) -> dict[str, Value]:
        """What is set in one table, each with its place."""
        return {
            key: Value(raw, f"{self.path}: [{table}] {key}")
            for key, raw in content.items()
            if key != "kind"
        }


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise SettingsError([f"--config {path}: there is no such file"], True) from error
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError([f"{path}: not a TOML file: {error}"]) from error
    except RecursionError as error:
        raise SettingsError([f"{path}: not a TOML file for settings: nested too deep"]) from error


def load_service(document: Document, name: str) -> Declaration[Any]:
    """The declaration of a service by the name it has in a file, or in the registry.

    Args:
        document: The file; a module of another package is looked for in its folder too.
        name: The service's name.

    Raises:
        SettingsError: There is no such service, or it cannot be loaded.
    """
    kind = document.kind(name)
    folder = os.path.dirname(os.path.abspath(document.path))
    if kind not in SERVICES and document.path and folder not in sys.path:
        sys.path.append(folder)
    try:
        return load(kind)
    except ToolkitError as error:
        where = f"{document.path}: [service.{name}]: " if name in document.services else ""
        raise SettingsError([f"{where}{error}{nearest(kind, SERVICES)}"]) from error
