"""The plugin's options and its service, without a process around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.application.service import IService

from toolkit._twistd import Options, makeService
from toolkit.services import SERVICES


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment without the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TOOLKIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text('[service.inbox]\nkind = "echo"\nlisten = "tcp:1"\n[service.echo]\n')
    return path


def parsed(*arguments: str | Path) -> Options:
    options = Options()
    options.parseOptions([str(one) for one in arguments])
    return options


def subcommands(options: Options) -> dict[str, str]:
    return {name: summary for name, _, _, summary in options.subCommands}


def test_each_service_of_the_registry_is_a_subcommand() -> None:
    assert subcommands(parsed()) == SERVICES


def test_a_service_of_the_file_is_one_beside_them(file: Path) -> None:
    found = subcommands(parsed("--config", file))
    assert found == {**SERVICES, "inbox": f"echo, as {file} sets it"}


def test_a_subcommand_sets_what_it_is_told_over_the_file(file: Path) -> None:
    [table] = parsed("-c", file, "inbox", "--idle-seconds", "7").site.services
    assert (table.name, table.kind) == ("inbox", "echo")
    assert (table.settings.listen, table.settings.idle_seconds) == ("tcp:1", 7)
    assert table.places["idle_seconds"] == "--idle-seconds"


def test_without_a_subcommand_the_file_runs(file: Path) -> None:
    assert [table.name for table in parsed("--config", file).site.services] == ["inbox", "echo"]


def test_show_settings_prints_them_and_stops(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--show-settings", "--config", file, "inbox", "--drain-seconds", "2")
    output = capsys.readouterr()
    assert (ended.value.code, output.err) == (0, "")
    assert '[service.inbox]\nkind = "echo"\n' in output.out
    assert f'listen = "tcp:1"  # {file}:3: [service.inbox] listen\n' in output.out
    assert "drain_seconds = 2.0  # --drain-seconds\n" in output.out
    assert "[service.echo]" not in output.out


@pytest.mark.parametrize(
    ("content", "arguments", "status"),
    [
        ("[service.echo]\nidle_seconds = 0\n", [], 1),
        ("[service.echo]\n", ["echo", "--idle-seconds", "0"], 2),
    ],
)
def test_a_mistake_is_one_line_and_its_status_says_where_it_is(
    file: Path, content: str, arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(content)
    with pytest.raises(SystemExit) as ended:
        parsed("--config", file, *arguments)
    assert ended.value.code == status
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("toolkit: ")
    assert "expected a number greater than 0, found" in line


def test_what_was_settled_becomes_a_service_that_has_not_started() -> None:
    service = makeService(parsed("echo"))
    assert IService.providedBy(service)
    assert not service.running


def test_a_service_that_cannot_be_made_is_one_line_and_status_1(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"[log]\nfile = '{file.parent}/none/log'\n[service.echo]\n")
    options = parsed("--config", file)
    with pytest.raises(SystemExit) as ended:
        makeService(options)
    assert ended.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("toolkit: cannot write the log file")
