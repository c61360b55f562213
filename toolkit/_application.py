"""A site that has been settled becomes the root service of a process, with its log."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace as replace_field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from twisted.application.service import IService
from twisted.logger import globalLogPublisher

from toolkit._bounds import LATE_SECONDS, after
from toolkit._daemon import Launcher
from toolkit._hangup import Hangup
from toolkit._pidfile import PidFile
from toolkit._process import Process
from toolkit.errors import ToolkitError, reason_of, told
from toolkit.group import Group
from toolkit.listen import ListenSettings
from toolkit.log import Log, LogSettings
from toolkit.secret import secrets_in
from toolkit.service import Shared
from toolkit.settings import fields_of
from toolkit.site import ServiceTable, Site
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
        ToolkitError: A service cannot be made, or the log's file cannot be opened.
    """
    reactor = prompt(reactor)  # once for all of them: they send at the end of the same turn
    limits = site.shared["site"].settings
    group = Group(reactor, limits.start_seconds, limits.stop_seconds)
    for name, service in _services(reactor, site, group, limits.start_seconds + LATE_SECONDS):
        group.add(name, service)
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
    )


def _services(reactor: Any, site: Site, group: Group, seconds: float) -> list[tuple[str, IService]]:
    """The services of a site by name, in the order in which they start: first the database."""
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
    made: list[tuple[str, IService]] = []
    for table in site.services:
        shared = replace_field(
            group.shared(table.name), give_database=give_database, has_database=is_configured
        )
        made.append((table.name, _made(table, shared, seconds)))
    is_done = True
    return [*[("database", one) for one in databases], *made]


def _hangup(log: Log, site: Site, settle_again: Callable[[], Site] | None) -> Callable[[], None]:
    if settle_again is None:
        return log.reopen
    return Hangup(log, site.shared["log"].settings, lambda: settle_again().shared["log"].settings)


def _made(table: ServiceTable, shared: Shared, seconds: float) -> IService:
    """The service of a table, or a ToolkitError in one line: it may be anybody's code."""
    call_off = after(seconds, lambda: _hangs(table.name, seconds))
    try:
        service = table.declaration.make(shared, table.settings)
    except ToolkitError:
        raise
    except (Exception, SystemExit) as error:
        raise ToolkitError(
            f"{table.name} could not be made: {_why(error, table)}", "broken-service"
        ) from error
    finally:
        call_off()
    if not IService.providedBy(service) or service.parent is not None:
        raise ToolkitError(
            f"{table.name} could not be made: make() must return a new IService each time, "
            f"and it returned {type(service).__name__}",
            "broken-service",
        )
    return service


def _why(error: BaseException, table: ServiceTable) -> str:
    """What `make()` raised: a reason in words, or a bug, of which a traceback is printed too."""
    if isinstance(error, ValueError | OSError | SystemExit):
        return reason_of(error)
    inside = None if error.__traceback__ is None else error.__traceback__.tb_next
    if inside is None:  # it could not even be called
        code = getattr(table.declaration.make, "__code__", None)
        place = f" at {os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else ""
        return f"{reason_of(error)}; make{place} is called as make(shared, settings)"
    traceback.print_exception(type(error), error, inside)
    return told(error)


def _hangs(name: str, seconds: float) -> None:
    """In a thread: `make()` holds the process's own."""
    with suppress(OSError):
        os.write(2, f"toolkit: {name} could not be made within {seconds:g} s\n".encode())
    os._exit(1)


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
    for table in [*site.shared.values(), *site.services]:
        for field in fields_of(type(table.settings)):
            for secret in secrets_in(getattr(table.settings, field.name)):
                log.hide(secret.reveal())
    log.bridge_logging()
    return log
