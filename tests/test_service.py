"""A service is declared once, and says how it fares."""

from __future__ import annotations

import dataclasses

import pytest
from twisted.application.service import IService, Service
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel

from toolkit.service import Declaration, Health, Shared, State
from toolkit.settings import Settings


class OneSettings(Settings):
    """The first line.

    And another.
    """


class SilentSettings(Settings):
    size: int = 1


def make(shared: Shared, settings: Settings) -> IService:
    return Service()


def told(events: list[LogEvent]) -> list[str]:
    return [event["log_format"].format(**event) for event in events]


def health_in(state: State) -> Health:
    health = Health("poller")
    health.become(state)
    return health


def test_it_begins_stopped() -> None:
    health = Health("poller")
    assert (health.name, health.state, health.reason) == ("poller", "stopped", "")


@pytest.mark.parametrize("state", ["starting", "ready"])
def test_a_service_that_runs_can_be_degraded_and_recover(
    state: State, logged: list[LogEvent]
) -> None:
    health = health_in(state)
    health.degraded("the disk is slow")
    assert (health.state, health.reason) == ("degraded", "the disk is slow")
    health.recovered()
    assert (health.state, health.reason) == ("ready", "")
    assert told(logged) == ["poller is degraded: the disk is slow", "poller has recovered"]
    assert logged[0]["log_level"] is LogLevel.warn


def test_only_news_is_logged(logged: list[LogEvent]) -> None:
    health = health_in("ready")
    health.recovered()
    for reason in ("one", "one", "two", "two"):
        health.degraded(reason)
    health.recovered()
    health.recovered()
    assert told(logged) == [
        "poller is degraded: one",
        "poller is degraded: two",
        "poller has recovered",
    ]


def test_a_service_may_be_degraded_for_no_reason_it_knows() -> None:
    health = health_in("ready")
    health.degraded("")
    assert health.state == "degraded"


@pytest.mark.parametrize("state", ["stopping", "stopped", "failed"])
def test_a_service_that_does_not_run_is_neither_degraded_nor_recovered(
    state: State, logged: list[LogEvent]
) -> None:
    health = health_in(state)
    health.degraded("late news")
    health.recovered()
    assert (health.state, health.reason) == (state, "")
    assert logged == []


def test_the_next_state_forgets_the_reason() -> None:
    health = health_in("ready")
    health.become("failed", "no disk")
    assert (health.state, health.reason) == ("failed", "no disk")
    health.become("starting")
    assert (health.state, health.reason) == ("starting", "")


def test_a_declaration_says_the_first_line_of_its_settings() -> None:
    assert Declaration(OneSettings, make).summary == "The first line."
    assert Declaration(SilentSettings, make).summary == (SilentSettings.__doc__ or "")


def test_what_is_shared_cannot_be_changed_and_each_has_a_health_of_its_own() -> None:
    one, two = Shared(Clock()), Shared(Clock())
    assert one.health is not two.health
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "another"  # type: ignore[misc]
