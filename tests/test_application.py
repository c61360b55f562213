"""A site becomes a process: its services in order, its secrets hidden, and one log chosen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application, Service
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, globalLogPublisher

from toolkit._application import application
from toolkit.database.settings import DatabaseTable
from toolkit.document import SiteSettings
from toolkit.errors import ToolkitError
from toolkit.log import Log, LogSettings
from toolkit.service import Declaration, Shared
from toolkit.settings import Secret, Settings
from toolkit.site import ServiceTable, Site, Table

TWISTD = {
    "nodaemon": True,
    "debug": False,
    "logger": None,
    "syslog": False,
    "logfile": None,
    "pidfile": "",
}
"""The options of `twistd -n --pidfile=`."""

TWIST: dict[str, Any] = {"reactor": None}
"""Those of twist have none of these."""


class JobSettings(Settings):
    """Does nothing."""

    password: Secret = Secret("hunter2-of-a-service")
    number: int = 0


Make = Callable[[Shared, JobSettings], Service]


def site(log: LogSettings | None = None, make: Make | None = None) -> Site:
    """A site of three services, which are not in the order of the alphabet."""
    declaration = Declaration(JobSettings, make or (lambda _shared, _settings: Service()))
    shared: dict[str, Settings] = {"site": SiteSettings(), "log": log or LogSettings()}
    return Site(
        {name: Table(name, settings, {}) for name, settings in shared.items()},
        [
            ServiceTable(name, JobSettings(number=number), {}, "job", declaration)
            for number, name in enumerate(["second", "first", "third"])
        ],
    )


Choose = Callable[..., Log | None]


@pytest.fixture
def chosen(tmp_path: Path) -> Iterator[Choose]:
    """The log that an application is given, for the options of twistd or twist."""
    logs: list[Log] = []
    before = os.getcwd()
    os.chdir(tmp_path)

    def choose(daemon: dict[str, Any], settings: LogSettings | None = None) -> Log | None:
        root = Application("test")
        application(Clock(), site(settings), daemon).setServiceParent(root)
        log: Any = ILogObserver(root, None)
        if log is not None:
            logs.append(log)
        chosen: Log | None = log
        return chosen

    yield choose
    os.chdir(before)
    for log in logs:
        globalLogPublisher.removeObserver(log)
        log.close()


def says(log: Log, message: str) -> None:
    Logger("shop", observer=log).info(message)


def test_services_are_made_in_order_each_with_its_name_settings_and_reactor() -> None:
    made: list[tuple[str, int]] = []
    clock = Clock()

    def make(shared: Shared, settings: JobSettings) -> Service:
        assert shared.reactor is clock
        assert shared.health.name == shared.name
        made.append((shared.name, settings.number))
        return Service()

    application(clock, site(make=make), TWIST)
    assert made == [("second", 0), ("first", 1), ("third", 2)]


def test_a_service_that_cannot_be_made_is_said_by_its_own_error() -> None:
    def make(_shared: Shared, _settings: JobSettings) -> Service:
        raise ToolkitError("there is no disk")

    with pytest.raises(ToolkitError, match="there is no disk"):
        application(Clock(), site(make=make), TWISTD)


def test_in_the_foreground_twistd_logs_to_stdout(
    chosen: Choose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = chosen(TWISTD)
    assert log is not None
    says(log, "told")
    assert capsys.readouterr().out.endswith("shop: told\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "settings", "name"),
    [
        ({"nodaemon": False}, LogSettings(), "twistd.log"),
        ({"nodaemon": False}, LogSettings(file="mine.log"), "mine.log"),
        ({"nodaemon": False, "logfile": "theirs.log"}, LogSettings(), "theirs.log"),
        ({}, LogSettings(file="mine.log"), "mine.log"),
        ({"logfile": "theirs.log"}, LogSettings(file="mine.log"), "theirs.log"),
    ],
)
def test_a_file_is_that_of_the_option_else_of_the_settings_else_twistds(
    chosen: Choose,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, Any],
    settings: LogSettings,
    name: str,
) -> None:
    log = chosen({**TWISTD, **options}, settings)
    assert log is not None
    says(log, "told")
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text().endswith("shop: told\n")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options", [{"logfile": "-"}, {"nodaemon": False, "debug": True}, {"logfile": "-", "debug": 1}]
)
def test_a_dash_and_debug_mean_stdout(
    chosen: Choose, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any]
) -> None:
    log = chosen({**TWISTD, **options})
    assert log is not None
    says(log, "told")
    assert capsys.readouterr().out.endswith("shop: told\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"logger": "their.logger"}, {"syslog": True}])
def test_another_log_that_twistd_was_asked_for_stays(
    chosen: Choose, tmp_path: Path, options: dict[str, Any]
) -> None:
    assert chosen({**TWISTD, **options}, LogSettings(file="mine.log")) is None
    assert list(tmp_path.iterdir()) == []


def test_twist_keeps_its_own_log(chosen: Choose, tmp_path: Path) -> None:
    assert chosen(TWIST) is None
    assert list(tmp_path.iterdir()) == []


def test_with_a_file_twist_has_ours_beside_its_own_on_stdout(
    chosen: Choose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chosen(TWIST, LogSettings(file="mine.log", also_stdout=True)) is not None
    Logger("shop").info("told")
    assert (tmp_path / "mine.log").read_text().endswith("shop: told\n")
    assert capsys.readouterr().out == ""


def test_the_secrets_of_services_are_hidden_in_the_log(
    chosen: Choose, capsys: pytest.CaptureFixture[str]
) -> None:
    log = chosen(TWISTD)
    assert log is not None
    says(log, "with hunter2-of-a-service")
    assert capsys.readouterr().out.endswith("shop: with ****\n")


def test_a_database_that_services_ask_for_is_one_for_all() -> None:
    given: list[Any] = []

    def make(shared: Shared, settings: JobSettings) -> Service:
        if settings.number:
            given.append(shared.database)
        return Service()

    settled = site(make=make)
    settled.shared["database"] = Table("database", DatabaseTable(url="sqlite::memory:"), {})
    application(Clock(), settled, TWIST)
    assert len(given) == 2
    assert given[0] is given[1]
    assert given[0].url == "sqlite::memory:"


def test_a_database_is_asked_for_while_the_service_is_made() -> None:
    kept: list[Shared] = []

    def make(shared: Shared, settings: JobSettings) -> Service:
        kept.append(shared)
        return Service()

    application(Clock(), site(make=make), TWIST)
    with pytest.raises(ToolkitError, match="in its make"):
        _ = kept[0].database
