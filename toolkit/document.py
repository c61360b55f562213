"""A site's TOML file, read and checked for what is no table of ours."""

from __future__ import annotations

import os
import re
import select
import sys
import time
import tomllib
from contextlib import redirect_stdout
from typing import Annotated, Any

from toolkit.conversion import shown_value
from toolkit.database.settings import DatabaseTable
from toolkit.declared import problems_of
from toolkit.errors import SettingsError, ToolkitError
from toolkit.lines import key_lines
from toolkit.log import LogSettings
from toolkit.service import Declaration
from toolkit.services import SERVICES, load
from toolkit.settings import Meta, Settings, Value, nearest

MAX_BYTES = 1_048_576
"""The largest file that is read."""

READ_SECONDS = 3.0
"""How long what is no regular file may take to come."""

_DEEPEST = 20
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_MODULE = r"[\w-]+(\.[\w-]+)*"


class SiteSettings(Settings):
    """How long the whole site may take to start and to stop."""

    start_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="give up when not all services are ready by then")
    ] = 60.0
    stop_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="end by force when not all have stopped by then")
    ] = 10.0


TABLES: dict[str, type[Settings]] = {
    "site": SiteSettings,
    "log": LogSettings,
    "database": DatabaseTable,
}
"""The tables that all services of a process share."""


class Document:
    """A TOML file, read; an empty one stands for no file at all.

    Args:
        path: The file, or None.

    Attributes:
        services: The tables of services, by name.
        problems: A line for each table that is none of ours; `settle` tells them with the rest.

    Raises:
        SettingsError: It cannot be read, or is not TOML.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path or ""
        self.problems: list[str] = []
        self.services: dict[str, dict[str, Any]] = {}
        self._tables: dict[tuple[str, ...], dict[str, Any]] = {}
        text = "" if path is None else _read(path)
        content = _parsed(self.path, text)
        self._lines = key_lines(text)
        for key, table in content.items():
            if key in TABLES:
                self._keep(table, key)
            elif key != "service":
                hint = nearest(key, [*TABLES, "service"])
                self._refuse(f"unknown table [{key}]{hint}", key)
            elif not isinstance(table, dict):
                self._refuse("service must be a table: [service]", key)
            else:
                for name, one in table.items():
                    self._keep_service(name, one)

    def _keep(self, table: Any, *keys: str) -> bool:
        """Keep a table, or say that it is none."""
        name = ".".join(keys)
        if isinstance(table, dict):
            self._tables[keys] = table
            return True
        self._refuse(f"{name} must be a table: [{name}]", *keys)
        return False

    def _keep_service(self, name: str, table: Any) -> None:
        if not self._keep(table, "service", name):
            return
        kind = table.get("kind", name)
        if not re.fullmatch(_NAME, name) or name.lower() in TABLES:
            self._refuse(
                f"[service.{name}]: a service's name is letters, digits, - and _, "
                f"and none of {', '.join(TABLES)}",
                "service",
                name,
            )
        elif not isinstance(kind, str) or not re.fullmatch(_MODULE, kind):
            self._refuse(
                f"[service.{name}] kind: expected the name of a service or of a module, "
                f"found {shown_value(kind)}",
                "service",
                name,
                "kind",
            )
        elif other := next((one for one in self.services if _variable(one) == _variable(name)), ""):
            self._refuse(
                f"[service.{name}]: its variables, TOOLKIT_{_variable(name)}_*, would be those of "
                f"[service.{other}] too; give it another name",
                "service",
                name,
            )
        else:
            self.services[name] = table

    def _refuse(self, problem: str, *keys: str) -> None:
        self.problems.append(f"{self.place(*keys)}: {problem}")

    def place(self, *keys: str) -> str:
        """The file, and the line in which a key is set where that is known: `site.toml:7`."""
        line = self._lines.get(keys)
        return self.path if line is None else f"{self.path}:{line}"

    def title(self, *keys: str) -> str:
        """A table's name in messages, after its place if it is in the file."""
        title = f"[{'.'.join(keys)}]"
        return f"{self.place(*keys)}: {title}" if keys in self._tables else title

    def kind(self, name: str) -> str:
        """What kind of service the one of this name is: its own name unless the table says."""
        kind: str = self.services.get(name, {}).get("kind", name)
        return kind

    def values(self, *keys: str) -> dict[str, Value]:
        """What is set in one table, each with its place.

        Args:
            keys: Of the table: `"log"`, or `"service", "echo"`.
        """
        return {
            key: Value(
                raw,
                f"{self.place(*keys, key)}: [{'.'.join(keys)}] {key}",
                members=self._members(raw, *keys, key) if isinstance(raw, dict) else {},
            )
            for key, raw in self._tables.get(keys, {}).items()
            if (keys[0], key) != ("service", "kind")
        }

    def _members(self, table: dict[str, Any], *keys: str) -> dict[str, str]:
        """The place of each member of a table that is a value, by its dotted name."""
        title = f"[{'.'.join(keys)}]"
        places: dict[str, str] = {}

        def note(inner: dict[str, Any], *path: str) -> None:
            for key, one in inner.items():
                if isinstance(one, dict):
                    note(one, *path, key)
                else:
                    name = ".".join([*path, key])
                    places[name] = f"{self.place(*keys, *path, key)}: {title} {name}"

        note(table)
        return places


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _content(path: str) -> bytes:
    """What can be read of a file, or in a while of a pipe: `--config /dev/stdin` is one."""
    content = b""
    # Opening a FIFO that nobody writes must not hold the start (fifo(7)).
    with open(path, "rb", 0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as f:
        poll = select.poll()
        poll.register(f, select.POLLIN)
        deadline = time.monotonic() + READ_SECONDS
        while len(content) <= MAX_BYTES:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise SettingsError(
                    [f"{path}: expected a file, found what nobody writes to for {READ_SECONDS:g} s"]
                )
            more = f.read(MAX_BYTES)
            if not more:
                break
            content += more
    return content


def _read(path: str) -> str:
    try:
        content = _content(path)
        if len(content) > MAX_BYTES:
            too_large = f"--config {path}: larger than {MAX_BYTES // 1024} KiB"
            raise SettingsError([f"{too_large}: no file of settings"], True)
        # With the mark that some editors begin a file with, and TOML does not know.
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise SettingsError([f"--config {path}: there is no such file"], True) from error
    except OSError as error:
        raise SettingsError([f"--config {path}: cannot be read: {error.strerror}"], True) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{path}:{line}: not a TOML file: not UTF-8"]) from error
    except ValueError as error:  # a NUL in the path
        raise SettingsError([f"--config {path!a}: there is no such file"], True) from error


def _parsed(path: str, text: str) -> dict[str, Any]:
    try:
        # Of a mistake in a last line that does not end, the parser would not tell the line.
        content = tomllib.loads(text if text.endswith(("\n", "\r")) else f"{text}\n")
    except RecursionError as error:
        raise SettingsError([f"{path}: not a TOML file for settings: nested too deep"]) from error
    except ValueError as error:
        raise SettingsError([_syntax_problem(path, str(error))]) from error
    inner: list[Any] = [content]
    for _ in range(_DEEPEST):
        inner = [
            one
            for outer in inner
            for one in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(one, dict | list)
        ]
    if inner:
        raise SettingsError([f"{path}: not a TOML file for settings: nested too deep"])
    return content


def _syntax_problem(path: str, problem: str) -> str:
    at = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", problem, re.DOTALL)
    if at is None:
        return f"{path}: not a TOML file: {problem}"
    return f"{path}:{at[2]}: not a TOML file: {at[1]} (column {at[3]})"


def load_service(document: Document, name: str) -> Declaration[Any]:
    """The declaration of a service by the name it has in a file, or in the registry.

    Args:
        document: The file; a module of another package is looked for in its folder too.
        name: The service's name.

    Raises:
        SettingsError: There is no such service, it cannot be loaded, or a field of its settings
            has a name, a type or a default that no setting can have.
    """
    kind = document.kind(name)
    folder = os.path.dirname(os.path.abspath(document.path))
    if kind not in SERVICES and document.path and folder not in sys.path:
        sys.path.append(folder)
    where = ""
    if name in document.services:
        where = f"{document.place('service', name)}: [service.{name}]: "
    try:
        # stdout is for the log and for --show-settings, whatever a module prints.
        with redirect_stdout(sys.stderr):
            declaration = load(kind)
    except ToolkitError as error:
        raise SettingsError([f"{where}{error}{nearest(kind, SERVICES)}"]) from error
    problems = problems_of(declaration.settings)
    if problems:
        raise SettingsError([f"{where}{problem}" for problem in problems])
    return declaration
