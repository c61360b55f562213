"""The plugin: a subcommand, or a TOML file, becomes a process full of services."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit._options import RecordOptions, StrictOptions, options_for
from toolkit._terminal import end, tell, write

if TYPE_CHECKING:
    from twisted.application.service import IService

    from toolkit.document import Document
    from toolkit.site import Site, Table

_SUMMARY = (
    "Runs services in one process: those of the file, or the one named, or without either "
    "echo (port 7000), countdown (7001) and insults (8080) on 127.0.0.1."
)


class Options(StrictOptions):
    """`[--config FILE] [--show-settings] [SERVICE [options]]`"""

    longdesc = _SUMMARY
    optParameters: ClassVar = [["config", "c", None, "TOML file with the site's settings"]]
    optFlags: ClassVar = [["show-settings", None, "print the settings in force, and stop"]]

    site: Site
    settle_again: Callable[[], Site]
    _document: Document | None = None

    @property
    def document(self) -> Document:
        """The file that --config names, read once; an empty one without it."""
        from toolkit.document import Document

        if self._document is None:
            self._document = Document(self["config"])
        return self._document

    @property
    def subCommands(self) -> Iterator[tuple[str, None, Callable[[], RecordOptions], str]]:
        """A subcommand for each service of the registry and of the file."""
        from toolkit.services import SERVICES

        names = dict(SERVICES)
        if self["config"]:
            for name in self.document.services:
                names.setdefault(name, f"{self.document.kind(name)}, as {self['config']} sets it")
        for name, summary in names.items():
            yield name, None, partial(self._options_of, name), summary

    def _options_of(self, name: str) -> RecordOptions:
        from toolkit.document import load_service

        declaration = load_service(self.document, name)
        options = options_for(declaration.settings, declaration.summary)()
        options.in_force = partial(self._in_force, name)
        return options

    def _in_force(self, name: str) -> Table | None:
        """What a service would have without options; help must come whatever the settings are."""
        from toolkit.errors import SettingsError
        from toolkit.site import settle

        with suppress(SettingsError):
            return settle(self.document, os.environ, name).services[0]
        return None

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse, and settle what runs with which settings; a mistake ends the process."""
        from toolkit.errors import SettingsError

        try:
            super().parseOptions(options)
        except SettingsError as error:
            end(str(error), 2 if error.on_command_line else 1)

    def postOptions(self) -> None:
        """Settle what runs; with --show-settings, print it and stop."""
        from toolkit.site import exposed, settle

        sub: Any = getattr(self, "subOptions", None)
        given, mistakes = (sub.given, sub.mistakes) if sub is not None else ({}, [])
        self.site = settle(self.document, os.environ, self.subCommand, given, mistakes)
        path = os.path.abspath(self["config"]) if self["config"] else None

        def settle_again() -> Site:
            from toolkit.document import Document

            return settle(Document(path), os.environ, self.subCommand, given)

        self.settle_again = settle_again
        for line in exposed(self.site):
            tell(f"warning: {line}")
        if self["show-settings"]:
            from toolkit.toml import shown

            write(shown(self.site))
            sys.exit(0)


def makeService(options: Options) -> IService:
    """Make the services that were settled on, and the process around them.

    Args:
        options: Parsed; its parent is twistd's or twist's own.

    Returns:
        The root service. A service that cannot be made ends the process with one line.
    """
    from twisted.internet import reactor

    from toolkit._application import application
    from toolkit._daemon import Launcher
    from toolkit.errors import ToolkitError
    from toolkit.steady import steady

    steady(reactor)
    daemon: Any = options.parent or {}
    launcher = Launcher(daemon)
    try:
        service = application(reactor, options.site, daemon, options.settle_again, launcher)
    except ToolkitError as error:
        end(str(error), 1)
    limits = options.site.shared["site"].settings
    # The daemon's own bounds are a start and a rollback, each with a second more.
    launcher.bound(limits.start_seconds + 2 * limits.stop_seconds + 2)
    return service
