"""The settings of who asks protect by default, and refuse what would not."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit.errors import SettingsError
from toolkit.fields import fields_of
from toolkit.http.settings import AgentSettings, ConnectionSettings, FetchSettings


def given(record: type[ConnectionSettings], name: str, value: Any) -> Any:
    """What a setting is in a record that was given no other."""
    return getattr(record(**{name: value}), name)


def test_the_defaults_protect() -> None:
    settings = FetchSettings()
    assert (settings.timeout_seconds, settings.connect_timeout_seconds) == (30, 10)
    assert (settings.first_byte_timeout_seconds, settings.stall_seconds) == (30, 10)
    assert (settings.max_bytes, settings.max_redirects, settings.retries) == (16 << 20, 5, 2)
    assert (settings.insecure, settings.allow_downgrade) == (False, False)


@pytest.mark.parametrize("record", [AgentSettings, FetchSettings])
def test_each_setting_has_its_line_of_help(record: type[ConnectionSettings]) -> None:
    lines = [field.help for field in fields_of(record)]
    assert all(lines)
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("record", "name", "least", "most"),
    [
        (AgentSettings, "max_connections", 1, None),
        (AgentSettings, "max_per_origin", 1, None),
        (AgentSettings, "max_waiting", 0, None),
        (AgentSettings, "max_idle", 0, None),
        (FetchSettings, "concurrency", 1, 100_000),
        (FetchSettings, "per_host", 1, 100_000),
        (FetchSettings, "max_bytes", 0, None),
        (FetchSettings, "max_redirects", 0, 100),
        (FetchSettings, "retries", 0, 100),
        (FetchSettings, "rate", 0, None),
    ],
)
def test_a_number_has_its_bounds(
    record: type[ConnectionSettings], name: str, least: int, most: int | None
) -> None:
    refused = [least - 1] if most is None else [least - 1, most + 1]
    for number in (least, 10**9 if most is None else most):
        assert given(record, name, number) == number
    for number in refused:
        with pytest.raises(
            SettingsError, match=rf"^{record.__name__}\.{name}: expected a .*number"
        ):
            given(record, name, number)


@pytest.mark.parametrize("record", [AgentSettings, FetchSettings])
def test_no_time_is_nothing_or_less(record: type[ConnectionSettings]) -> None:
    names = [name for name in record.__struct_fields__ if name.endswith("_seconds")]
    assert len(names) == 4
    for name in names:
        assert given(record, name, 0.001) == 0.001
        for seconds in (0.0, -1.0, float("nan")):
            with pytest.raises(SettingsError, match=rf"\.{name}: expected a number greater than 0"):
                given(record, name, seconds)
