"""Settings in real processes: checked, shown, and their secrets kept."""

from __future__ import annotations

import os
import signal
import tomllib
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.utils import getProcessOutputAndValue

from tests.processes import BIN, Start

LOCAL = "tcp:0:interface=127.0.0.1"
NEEDY = """
from twisted.application.service import Service
from twisted.logger import Logger
print("imported")
from toolkit import Declaration, Secret, Settings

class NeedySettings(Settings):
    "Tells its password."

    password: Secret

class Needy(Service):
    log = Logger()

    def __init__(self, shared, settings):
        self.password = settings.password.reveal()

    def startService(self):
        self.log.info("{length} long: {text}", length=len(self.password), text=self.password)

SERVICE = Declaration(NeedySettings, Needy)
"""


@pytest.fixture
def needy(tmp_path: Path) -> Path:
    """A site of one service that needs a password, which a credential of systemd's has."""
    (tmp_path / "needy.py").write_text(NEEDY)
    (tmp_path / "site.toml").write_text('[service.mine]\nkind = "needy"\n')
    (tmp_path / "toolkit.mine.password").write_text("hush-4711\n")
    (tmp_path / "toolkit.mine.password").chmod(0o400)
    return tmp_path


@pytest_twisted.ensureDeferred
async def test_a_credential_of_systemds_is_the_secret_and_is_never_printed(
    start: Start, needy: Path
) -> None:
    env = {"CREDENTIALS_DIRECTORY": str(needy)}
    shown = start("twistd", "toolkit", "--config", "site.toml", "--show-settings", env=env)
    assert await shown.ended() == 0
    assert shown.err == "imported\n"
    assert set(tomllib.loads(shown.out)) == {"site", "log", "database", "service"}
    assert 'password = "****"  # credential toolkit.mine.password\n' in shown.out
    (needy / "site.toml").write_text(shown.out)
    program = start("twistd", "-n", "toolkit", "--config", "site.toml", env=env)
    await program.line("9 long: [*]{4}")
    await program.line("ready")
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert "hush" not in shown.out + program.out + program.err
    without = start("twistd", "-n", "toolkit", "--config", "site.toml")
    assert await without.ended() == 1
    [_, line] = without.err.splitlines()
    assert "[service.mine] password: expected the secret itself, found ****" in line


@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest_twisted.ensureDeferred
async def test_every_mistake_is_told_at_once(start: Start, tmp_path: Path, command: str) -> None:
    (tmp_path / "site.toml").write_text(
        "[service.echo]\nidle_secnds = 1\nlisten = 'nowhere'\ndrain_seconds = -1\n"
    )
    options = ["toolkit", "--config", "site.toml", "echo", "--listn", "x", "--idle-seconds", "x"]
    program = start(command, *options)
    assert await program.ended() == 2
    assert program.out == ""
    assert [line.partition(":")[2].split(": ")[0].strip() for line in program.err.splitlines()] == [
        "option --listn not recognized; did you mean '--listen'?; see --help",
        "--idle-seconds",
        "site.toml:2",
        "site.toml:3",
        "site.toml:4",
    ]


@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest_twisted.ensureDeferred
async def test_what_is_shown_is_toml_and_nothing_else(
    start: Start, tmp_path: Path, command: str
) -> None:
    (tmp_path / "s\u00fcte.toml").write_text("[service.poller]\npaths = ['/\u00fc']\n")
    options = ["toolkit", "--config", "s\u00fcte.toml", "--show-settings"]
    program = start(command, *options, env={"PYTHONIOENCODING": "ascii", "TOOLKIT_LOG_KEEP": "3"})
    assert await program.ended() == 0
    assert program.err == ""
    tables = tomllib.loads(program.out)
    assert tables["service"]["poller"]["paths"] == ["/\u00fc"]
    assert tables["log"]["keep"] == 3
    assert "keep = 3  # TOOLKIT_LOG_KEEP\n" in program.out
    (tmp_path / "again.toml").write_text(program.out)
    again = start(command, "toolkit", "--config", "again.toml", "--show-settings")
    assert await again.ended() == 0
    assert tomllib.loads(again.out) == tables


@pytest.mark.parametrize("option", ["--show-settings", "--help", "--version"])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
@pytest_twisted.ensureDeferred
async def test_a_stdout_that_cannot_be_written_is_one_line(
    tmp_path: Path, option: str, where: str
) -> None:
    script = f"twistd -n toolkit {option} {where}"
    path = f"{BIN}:{os.environ['PATH']}"
    out, err, status = await getProcessOutputAndValue(
        "/bin/bash", ["-c", script], env={"PATH": path}, path=str(tmp_path)
    )
    assert (out, status) == (b"", 1)
    [line] = err.decode().splitlines()
    assert line.startswith("toolkit: cannot write on standard output: ")


@pytest_twisted.ensureDeferred
async def test_version_is_that_of_the_toolkit(start: Start) -> None:
    for arguments in (["twistd", "toolkit"], ["toolkit-countdown"], ["toolkit-fetch"]):
        program = start(*arguments, "--version")
        assert await program.ended() == 0
        assert program.out.startswith("twisted-app-toolkit ")
        assert program.err == ""


@pytest_twisted.ensureDeferred
async def test_a_relative_path_is_of_the_folder_where_the_command_was_typed(
    start: Start, tmp_path: Path
) -> None:
    for folder in ("conf", "run"):
        (tmp_path / folder).mkdir()
    (tmp_path / "conf" / "needy.py").write_text(NEEDY)
    (tmp_path / "secret").write_text("hush-hush\n")
    (tmp_path / "conf" / "site.toml").write_text(
        '[log]\nfile = "site.log"\nalso_stdout = true\n'
        '[service.echo]\nlisten = "unix:echo.sock"\n'
        '[service.needy]\npassword_file = "secret"\n'
    )
    arguments = ["--rundir", "run", "toolkit", "--config", "conf/site.toml"]
    program = start("twistd", "-n", *arguments)
    await program.line("9 long")
    await program.line("ready")
    assert (tmp_path / "site.log").exists()
    assert (tmp_path / "run" / "echo.sock").exists()  # but for what is opened later
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
