"""A site: what runs, with which settings, from file, environment and command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as some

from toolkit.document import Document
from toolkit.errors import SettingsError
from toolkit.settings import Secret, Settings, Value, resolve
from toolkit.site import DEFAULT_SITE, Site, Table, exposed, settle


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def document(file: Path, content: str) -> Document:
    file.write_text(content)
    return Document(str(file))


def names(site: Site) -> list[str]:
    return [table.name for table in site.services]


def option(name: str, raw: Any) -> dict[str, Value]:
    return {name: Value(raw, f"--{name}", is_text=True, on_command_line=True)}


def problem(document: Document, environment: dict[str, str] | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        settle(document, environment or {})
    return caught.value


def test_without_a_file_the_default_site_runs() -> None:
    assert names(settle(Document(), {})) == list(DEFAULT_SITE)


def test_a_file_names_what_runs_in_its_order(file: Path) -> None:
    content = """
        [service.second]
        kind = "echo"
        listen = "tcp:0"
        [service.echo]
        listen = "tcp:1"
    """
    site = settle(document(file, content), {})
    assert [(table.name, table.kind, table.settings.listen) for table in site.services] == [
        ("second", "echo", "tcp:0"),
        ("echo", "echo", "tcp:1"),
    ]


def test_default_then_file_then_environment_then_command_line(file: Path) -> None:
    content = "[service.echo]\nidle_seconds = 1\ndrain_seconds = 1\nwrite_stall_seconds = 1\n"
    environment = {"TOOLKIT_ECHO_DRAIN_SECONDS": "2", "TOOLKIT_ECHO_WRITE_STALL_SECONDS": "2"}
    options = option("write_stall_seconds", "3")
    [table] = settle(document(file, content), environment, "echo", options).services
    kept = table.settings
    assert (kept.max_connections, kept.idle_seconds) == (1000, 1)
    assert (kept.drain_seconds, kept.write_stall_seconds) == (2, 3)
    assert table.places["max_connections"] == "default"
    assert table.places["idle_seconds"].endswith("[service.echo] idle_seconds")
    assert table.places["drain_seconds"] == "TOOLKIT_ECHO_DRAIN_SECONDS"
    assert table.places["write_stall_seconds"] == "--write_stall_seconds"


def test_with_a_file_and_a_service_only_that_one_runs(file: Path) -> None:
    content = (
        "[service.echo]\n[service.mine]\nkind='echo'\nidle_seconds=7\n[site]\nstop_seconds=3\n"
    )
    site = settle(document(file, content), {}, "mine")
    assert names(site) == ["mine"]
    assert site.services[0].settings.idle_seconds == 7
    assert site.shared["site"].settings.stop_seconds == 3


def test_the_shared_tables_come_from_the_environment_too() -> None:
    environment = {"TOOLKIT_LOG_LEVEL": "debug", "TOOLKIT_SITE_START_SECONDS": "5"}
    site = settle(Document(), environment, "echo")
    assert site.shared["log"].settings.level == "debug"
    assert site.shared["site"].settings.start_seconds == 5


def test_a_dash_in_a_name_is_an_underscore_in_the_environment(file: Path) -> None:
    content = "[service.my-echo]\nkind = 'echo'\n"
    site = settle(document(file, content), {"TOOLKIT_MY_ECHO_IDLE_SECONDS": "9"})
    assert site.services[0].settings.idle_seconds == 9


def test_a_variable_of_a_longer_name_is_not_taken_for_a_shorter(file: Path) -> None:
    content = "[service.echo]\n[service.echo_idle]\nkind = 'echo'\n"
    site = settle(document(file, content), {"TOOLKIT_ECHO_IDLE_IDLE_SECONDS": "9"})
    assert [table.settings.idle_seconds for table in site.services] == [300, 9]


def test_a_wrong_level_is_told_at_its_own_line(file: Path) -> None:
    content = '[service.echo]\n[log.levels]\n"a.b" = "info"\n"c.d" = "loud"\n'
    with pytest.raises(SettingsError) as caught:
        settle(document(file, content), {})
    [line] = caught.value.problems
    assert line.startswith(f"{file}:4: [log.levels] c.d: expected one of debug, info")


@pytest.mark.parametrize("variable", ["TOOLKIT_ECHO_NOSUCH", "TOOLKIT_LOG_NOSUCH"])
def test_a_variable_of_a_service_that_runs_must_be_one_of_its_settings(variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settle(Document(), {variable: "1"}, "echo")
    assert caught.value.problems == [f"{variable}: unknown setting"]


@pytest.mark.parametrize(
    "variable",
    [
        "TOOLKIT_ECHO_PORT",
        "TOOLKIT_ECHO_SERVICE_HOST",
        "TOOLKIT_ECHO_SERVICE_PORT_HTTP",
        "TOOLKIT_ECHO_PORT_7000_TCP_PROTO",
        "TOOLKIT_POLLER_NOSUCH",
        "TOOLKIT_TEST_X",
        "TOOLKIT_",
    ],
)
def test_a_variable_of_kubernetes_or_of_no_service_that_runs_is_left_alone(variable: str) -> None:
    assert names(settle(Document(), {variable: "tcp://10.0.0.1:80"}, "echo")) == ["echo"]


def test_an_empty_variable_is_not_set() -> None:
    site = settle(Document(), {"TOOLKIT_ECHO_IDLE_SECONDS": ""}, "echo")
    assert site.services[0].settings.idle_seconds == 300


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[service.echo]\nidle_secnds = 3", "did you mean 'idle_seconds'"),
        ("[service.echo]\nidle_seconds = -3", "[service.echo] idle_seconds: expected a number gre"),
        ("[service.ehco]", "[service.ehco]: there is no service 'ehco'; did you mean 'echo'"),
        ("[service.x]\nkind = 'ehco'", "there is no service 'ehco'; did you mean 'echo'"),
        ("[service.x]\nkind = 'json'", "module 'json' ("),
        ("[service.x]\nkind = 'no.such.module'", "there is no service 'no.such.module'"),
        ("[log]\nlevel = 'loud'\n[service.echo]", "[log] level: expected one of debug, info"),
        ("[site]\nstop_seconds = 0\n[service.echo]", "[site] stop_seconds"),
        ("[log]", "names no service"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(file: Path, content: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settle(document(file, content), {})
    assert told in str(caught.value)
    assert str(file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not caught.value.on_command_line


def test_a_mistake_in_the_environment_is_told() -> None:
    error = problem(Document(), {"TOOLKIT_ECHO_IDLE_SECOND": "3"})
    assert "TOOLKIT_ECHO_IDLE_SECOND: unknown setting; did you mean 'idle_seconds'" in str(error)


def test_mistakes_of_several_tables_are_told_together(file: Path) -> None:
    content = "[log]\nlevel = 'loud'\n[service.echo]\nidle_seconds = -1\n"
    assert len(problem(document(file, content)).problems) == 2


def test_mistakes_are_told_in_order_with_their_lines(file: Path) -> None:
    content = """[lgo]
[log]
level = "loud"
[service.inbox]
kind = "poller"
[service.echo]
listen.a = 1
[service.countdown]
interval_seconds = 301
[service.nothing]
"""
    found = problem(document(file, content))
    assert [line.partition(": expected")[0] for line in found.problems] == [
        f"{file}:1: unknown table [lgo]; did you mean 'log'?",
        f"{file}:3: [log] level",
        f"{file}:4: [service.inbox]: paths is not set; expected a list, each text",
        f"{file}:7: [service.echo] listen",
        f"{file}:8: [service.countdown]: interval_seconds (301) must be less than "
        "idle_seconds (300), which ends the connection",
        f"{file}:10: [service.nothing]: there is no service 'nothing'",
    ]


def test_those_found_on_the_command_line_come_first(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settle(
            document(file, "[log]\nlevel = 'loud'\n[service.echo]\nidle_seconds = 0\n"),
            {},
            "echo",
            option("drain_seconds", "x"),
            ["option --zzz not recognized"],
        )
    assert [line.partition(": expected")[0] for line in caught.value.problems] == [
        "option --zzz not recognized",
        "--drain_seconds",
        f"{file}:4: [service.echo] idle_seconds",
        f"{file}:2: [log] level",
    ]
    assert caught.value.on_command_line


def test_a_secret_file_that_everybody_may_read_is_told(tmp_path: Path) -> None:
    class AccountSettings(Settings):
        """A secret."""

        password: Secret | None = None

    path = tmp_path / "secret"
    path.write_text("hush")
    path.chmod(0o604)
    source = {"password_file": Value(str(path), "TOOLKIT_X_PASSWORD_FILE")}
    table = Table("x", *resolve(AccountSettings, "[x]", [source]))
    [line] = exposed(Site({"x": table}, []))
    assert line.startswith(f"TOOLKIT_X_PASSWORD_FILE: every user of this machine may read '{path}'")
    path.chmod(0o600)
    assert exposed(Site({"x": table}, [])) == []


keys = some.sampled_from(["log", "site", "service", "echo", "kind", "listen", "level", "x"])
tables = some.recursive(
    some.text(max_size=8) | some.integers() | some.booleans() | some.floats(),
    lambda inner: some.dictionaries(keys, inner, max_size=4) | some.lists(inner, max_size=3),
    max_leaves=12,
)


@given(some.dictionaries(keys, tables, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_document_gives_a_traceback(file: Path, content: dict[str, Any]) -> None:
    text = "\n".join(f"{key} = {_inline(value)}" for key, value in content.items())
    assert tomllib.loads(text) is not None
    try:
        settle(document(file, text), {})
    except SettingsError as error:
        assert len(str(error).splitlines()) <= 20


def _inline(value: Any) -> str:
    from toolkit.toml import _toml

    return _toml(value)
