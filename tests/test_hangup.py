"""SIGHUP: the log is reopened and takes its settings as they are now, unless they are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, Logger, formatEvent

from toolkit._hangup import Hangup
from toolkit.errors import SettingsError
from toolkit.log import Log, LogSettings


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open("/dev/null", "w") as stream:
        made = Log(LogSettings(file=str(tmp_path / "log"), format="json"), stream)
        yield made
        made.close()


def settings(tmp_path: Path, **other: Any) -> LogSettings:
    return LogSettings(file=str(tmp_path / "log"), format="json", **other)


def told(logged: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in logged if "_hangup" in event["log_namespace"]]


def test_new_levels_and_sizes_count_from_then_on(
    log: Log, tmp_path: Path, logged: list[LogEvent]
) -> None:
    now = settings(tmp_path, level="error", levels={"shop": "debug"}, max_bytes=1000)
    (tmp_path / "log").rename(tmp_path / "moved")
    Hangup(log, settings(tmp_path), lambda: now)()
    Logger("shop.cart", observer=log).debug("told")
    Logger("other", observer=log).warn("left out")
    assert [line.count("told") for line in (tmp_path / "log").read_text().splitlines()] == [1]
    assert logged[-1]["changed"] == ["level", "max_bytes", "levels"]
    assert told(logged) == ["the log was reopened, its settings reread"]


def test_settings_that_are_wrong_change_nothing_and_are_one_line(
    log: Log, tmp_path: Path, logged: list[LogEvent]
) -> None:
    def reread() -> LogSettings:
        raise SettingsError(["site.toml: [log] level: wrong", "site.toml: unknown table [logs]"])

    (tmp_path / "log").rename(tmp_path / "moved")
    Hangup(log, settings(tmp_path), reread)()
    Logger("shop", observer=log).info("told")
    assert (tmp_path / "log").read_text().count("told") == 1
    assert told(logged) == [
        "the log's settings stay as they were: "
        "site.toml: [log] level: wrong; site.toml: unknown table [logs]"
    ]


def test_what_needs_a_restart_is_said_once(
    log: Log, tmp_path: Path, logged: list[LogEvent]
) -> None:
    hangup = Hangup(log, settings(tmp_path), lambda: LogSettings(file="other", also_stdout=True))
    hangup()
    hangup()
    late = [line for line in told(logged) if "next start" in line]
    assert late == ["[log] file, also_stdout counts from the next start on"]
    assert (tmp_path / "log").exists()
