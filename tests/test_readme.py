"""The README's commands and examples do what it says they do."""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import treq
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser
from twisted.internet.utils import getProcessOutputAndValue
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from tests.processes import BIN, Start

README = Path(__file__).parent.parent / "README.md"
LOCAL = "tcp:0:interface=127.0.0.1"
PORTS = {"7000": "echo", "7001": "countdown", "8080": "insults"}


def blocks(language: str) -> list[str]:
    """The code blocks of one language, in order."""
    parser = CodeBlockParser(language=language, evaluator=lambda example: None)
    return [str(example.parsed) for example in Sybil(parsers=[parser]).parse(README).examples()]


def commands() -> list[tuple[str, str]]:
    """Each command of the console blocks, with the output shown for it."""
    parts = [part for block in blocks("console") for part in re.split(r"(?m)^\$ ", block)[1:]]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def files(folder: Path) -> None:
    """Write the examples that begin with a comment that names their file."""
    for block in [*blocks("python"), *blocks("toml")]:
        first, _, _ = block.partition("\n")
        (folder / first.removeprefix("# ")).write_text(block)


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, str]]:
    """The default site, running; the ports that it has in place of the usual ones."""
    env = {f"TOOLKIT_{name.upper()}_LISTEN": LOCAL for name in PORTS.values()}
    env |= {"TOOLKIT_COUNTDOWN_INTERVAL_SECONDS": "0.05", "TOOLKIT_INSULTS_MAX_DELAY_SECONDS": "1"}
    command = [str(BIN / "twistd"), "-n", "--pidfile", "", "toolkit"]
    # Not a process of the reactor's: it outlives the test that asks for it first.
    with subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True
    ) as site:
        assert site.stdout is not None
        printed = "".join(iter(lambda: _line(site), None))
        found = {}
        for usual, name in PORTS.items():
            match = re.search(rf"{name} listening on tcp:127\.0\.0\.1:(\d+)", printed)
            assert match, printed
            found[usual] = match[1]
        yield found
        site.terminate()
        assert site.wait(10) == 0


def _line(site: subprocess.Popen[str]) -> str | None:
    """One line of the site's log, or None when it is ready."""
    assert site.stdout is not None
    line = site.stdout.readline()
    return None if not line or line.endswith(": ready\n") else line


def elsewhere(text: str, ports: dict[str, str]) -> str:
    """The same text with the ports that the site really has."""
    for usual, port in ports.items():
        text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{port}")
    return text


@pytest.mark.parametrize(("command", "shown"), commands(), ids=lambda text: text[:40])
@pytest_twisted.ensureDeferred
async def test_a_command_prints_what_is_shown(
    ports: dict[str, str], tmp_path: Path, command: str, shown: str
) -> None:
    files(tmp_path)
    for example in tmp_path.iterdir():
        example.write_text(elsewhere(example.read_text(), ports))
    if "--send big" in command:
        (tmp_path / "big").write_bytes(os.urandom(64 * 1024 * 1024))
    (tmp_path / ".venv").symlink_to(BIN.parent)
    path = f"{BIN}:{os.environ['PATH']}"
    script = elsewhere(command, ports)
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path)}
    out, err, status = await getProcessOutputAndValue(
        "/bin/bash", ["-c", script], env=env, path=str(tmp_path)
    )
    printed = (out + err).decode()
    assert status == 0, printed
    if "apps.fetch" in command:  # its lines come as the fetches end
        printed, shown = ("".join(sorted(text.splitlines(True))) for text in (printed, shown))
    wanted = elsewhere(shown, ports).replace("…", "...")
    matches = doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS)
    assert matches, f"printed:\n{printed}\nshown:\n{shown}"


@pytest_twisted.ensureDeferred
async def test_the_service_of_ones_own_runs(start: Start, tmp_path: Path) -> None:
    files(tmp_path)
    site = tmp_path / "site.toml"
    site.write_text(site.read_text().replace("tcp:7000", "tcp:0"))
    program = start(
        "twistd", "-n", "toolkit", "--config", "site.toml", env={"TOOLKIT_LOUD_LISTEN": LOCAL}
    )
    port = int((await program.line(r"loud listening on tcp:127\.0\.0\.1:(\d+)"))[1])
    await program.line("ready")
    out: Any
    out, _, _ = await getProcessOutputAndValue(
        "/bin/bash", ["-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo -n hi >&3; head -c 5 <&3"]
    )
    assert out == b"HI!!!"
    help_ = start("twistd", "-n", "toolkit", "--config", "site.toml", "loud", "--help")
    assert await help_.ended() == 0
    assert "exclamation marks to add" in help_.out


@pytest_twisted.ensureDeferred
async def test_the_service_of_json_answers_as_shown(
    start: Start, tmp_path: Path, reactor: Any
) -> None:
    files(tmp_path)
    env = {"TOOLKIT_NOTES_LISTEN": LOCAL}
    program = start("twistd", "-n", "toolkit", "--config", "notes.toml", env=env)
    port = int((await program.line(r"notes listening on tcp:127\.0\.0\.1:(\d+)"))[1])
    await program.line("ready")
    pool = HTTPConnectionPool(reactor, persistent=False)
    agent = Agent(reactor, pool=pool)
    [shown] = [block for block in blocks("text") if "/notes/milk" in block]
    for line in shown.splitlines():
        asked = re.fullmatch(r"(\w+) +(/\S+) +(\{.*?\})? +(\d+) (.*)", line)
        assert asked, line
        method, path, body, status, answer = asked.groups()
        response: Any = await treq.request(
            method,
            f"http://127.0.0.1:{port}{path}",
            data=body.encode() if body else None,
            headers=Headers({"content-type": ["application/json"]}),
            agent=agent,
        )
        text = await treq.text_content(response)
        assert (str(response.code), text) == (status, answer)
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0


def test_every_python_example_names_its_file_and_is_run() -> None:
    run = " ".join(command for command, _ in commands())
    for block in blocks("python"):
        name = block.partition("\n")[0].removeprefix("# ")
        assert re.fullmatch(r"\w+\.py", name)
        assert name in run or name in ("shout.py", "notes.py")


def test_every_sentence_on_codes_and_settings_is_true() -> None:
    from toolkit.document import SiteSettings
    from toolkit.listen import ListenSettings
    from toolkit.log import LogSettings
    from toolkit.services.insults import InsultSettings
    from toolkit.settings import fields_of
    from toolkit.web.resource import JsonSettings

    text = README.read_text()
    for record in (ListenSettings, InsultSettings, JsonSettings, LogSettings, SiteSettings):
        for field in fields_of(record):
            if field.name not in ("listen", "levels", "max_delay_seconds"):
                assert f"`{field.name}`" in text, field.name
