"""A site that has been settled becomes the root service of a process, with its log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace as replace_field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from twisted.application.service import IService
from twisted.logger import globalLogPublisher

from toolkit._bounds import LATE_SECONDS
from toolkit._daemon import Launcher
from toolkit._hangup import Hangup
from toolkit._making import made
from toolkit._pidfile import PidFile
from toolkit._process import Process
from toolkit.errors import ToolkitError
from toolkit.group import Group
from toolkit.listen import ListenSettings
from toolkit.log import Log, LogSettings
from toolkit.log.secrets import Masks
from toolkit.log.value import Values
from toolkit.site import Site, secrets_of
from toolkit.transport import prompt

if TYPE_CHECKING:
    from toolkit.database.database import Database


def application(
    reactor: Any,
    site: Site,
    daemon: MutableMapping[str, Any],
    settle_again: Callable[[], Site] | None = None,
    launcher: Launcher | None = None,
) -> IService:
    """Make the services of a site, and the process around them.

    Args:
        reactor: The reactor.
        site: What runs, with which settings.
        daemon: The options of twistd, or of twist.
        settle_again: Gives the site as its settings are now, or raises a ToolkitError: SIGHUP
            has the log take its own of them.
        launcher: Who waits for a daemon to be up.

    Returns:
        The root service.

    Raises:
        ToolkitError: A service cannot be made, or the log's file cannot be opened; with the
            secrets in force masked.
    """
    reactor = prompt(reactor)  # once for all of them: they send at the end of the same turn
    limits = site.shared["site"].settings
    values = _values(site)
    group = Group(reactor, limits.start_seconds, limits.stop_seconds)
    try:
        for name, service in _services(reactor, site, group, values):
            group.add(name, service)
    except ToolkitError as error:
        raise ToolkitError(values.text(str(error)), error.code) from error
    settings = _log_settings(site, daemon)
    log = None if settings is None else _log(site, settings)
    is_twistd = "nodaemon" in daemon
    pid_file = PidFile(daemon)
    pid_file.refuse_another()
    if log is not None and not is_twistd:
        globalLogPublisher.addObserver(log)  # twist cannot be given a log: it has its own too
    return Process(
        reactor,
        group,
        limits.stop_seconds,
        limits.start_seconds,
        log,
        reopen=None if log is None else _hangup(log, site, settle_again),
        pid_file=pid_file,
        log_is_elsewhere=is_twistd and settings is not None and _is_elsewhere(settings),
        connections={
            table.name: table.settings.max_connections
            for table in site.services
            if isinstance(table.settings, ListenSettings)
        },
        launcher=launcher,
        shown=values.text,
    )


def _services(reactor: Any, site: Site, group: Group, values: Values) -> list[tuple[str, IService]]:
    """The services of a site by name, in the order in which they start: first the database."""
    seconds = site.shared["site"].settings.start_seconds + LATE_SECONDS
    databases: list[Database] = []
    is_done = False

    def give_database() -> Database:
        if is_done and not databases:
            raise ToolkitError(
                "a service asks for shared.database in its make(): later, it is not started first",
                "broken-service",
            )
        if not databases:
            from toolkit.database.database import Database  # only where one is used

            settings = site.shared["database"].settings
            health = group.shared("database").health
            databases.append(Database(reactor, settings.url, settings, health))
        return databases[0]

    shared_table = site.shared.get("database")
    is_configured = shared_table is not None and shared_table.places.get("url") != "default"
    services: list[tuple[str, IService]] = []
    for table in site.services:
        shared = replace_field(
            group.shared(table.name), give_database=give_database, has_database=is_configured
        )
        services.append((table.name, made(table, shared, seconds, values)))
    is_done = True
    return [*[("database", one) for one in databases], *services]


def _hangup(log: Log, site: Site, settle_again: Callable[[], Site] | None) -> Callable[[], None]:
    if settle_again is None:
        return log.reopen
    return Hangup(log, site.shared["log"].settings, lambda: settle_again().shared["log"].settings)


def _is_elsewhere(settings: LogSettings) -> bool:
    return settings.file is not None and not settings.also_stdout


def _log_settings(site: Site, daemon: Mapping[str, Any]) -> LogSettings | None:
    """The log in place of twistd's own, or None where another was asked for."""
    settings: LogSettings = site.shared["log"].settings
    if "nodaemon" not in daemon:
        return None if settings.file is None else replace(settings, also_stdout=False)
    if daemon.get("logger") or daemon.get("syslog"):
        return None
    usual = "" if daemon["nodaemon"] or daemon["debug"] else "twistd.log"
    file = daemon.get("logfile") or settings.file or usual
    return replace(settings, file=None if file in ("", "-") else file)


def _log(site: Site, settings: LogSettings) -> Log:
    log = Log(settings, sys.stdout)
    for _, secret in secrets_of(site):
        log.hide(secret.reveal())
    log.bridge_logging()
    return log


def _values(site: Site) -> Values:
    """What masks on stderr what the log would mask."""
    masks = Masks()
    for _, secret in secrets_of(site):
        masks.hide(secret.reveal())
    return Values(masks)
