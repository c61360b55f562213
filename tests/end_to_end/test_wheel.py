"""What is built is what works: the wheel alone, and the first command of the README."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(300)]


def ran(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """What a command printed; it must end with the status."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare clone of what is committed."""
    folder = tmp_path_factory.mktemp("clone")
    ran("git", "clone", "-q", str(ROOT), str(folder), cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from it."""
    folder = tmp_path_factory.mktemp("wheel")
    ran(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(clone), cwd=folder)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty environment in which the wheel has been installed."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    ran(folder / "bin/pip", "install", "-q", str(wheel), cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_the_packages_and_the_plugin_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "toolkit/py.typed" in names
    assert "toolkit/services/echo.py" in names
    assert "apps/fetch/__main__.py" in names
    assert "twisted/plugins/toolkit_dropin.py" in names
    assert "toolkit/_dropin.py" not in names
    assert not [name for name in names if name.startswith("tests/")]
    assert [name for name in names if name.endswith("licenses/LICENSE")]


@pytest.mark.parametrize("command", ["twistd", "twist"])
def test_the_plugin_is_seen_and_runs(installed: Path, tmp_path: Path, command: str) -> None:
    assert "toolkit " in ran(installed / command, "--help", cwd=tmp_path)
    shown = ran(installed / command, "toolkit", "--show-settings", "echo", cwd=tmp_path)
    assert "[service.echo]" in shown


@pytest.mark.parametrize("program", ["fetch", "insult", "countdown", "wait-for-file", "collect"])
def test_each_program_has_a_command(installed: Path, tmp_path: Path, program: str) -> None:
    assert "usage: " in ran(installed / f"toolkit-{program}", "--help", cwd=tmp_path)
    module = program.replace("-", "_")
    assert "usage: " in ran(installed / "python", "-m", f"apps.{module}", "--help", cwd=tmp_path)


def test_every_name_of_the_package_can_be_imported(installed: Path, tmp_path: Path) -> None:
    script = "import toolkit; print(all(getattr(toolkit, name) for name in toolkit.__all__))"
    assert ran(installed / "python", "-W", "error", "-c", script, cwd=tmp_path) == "True\n"


@pytest.fixture
def first_command() -> str:
    """The README's first command."""
    _, _, rest = (ROOT / "README.md").read_text().partition("<!-- the first command -->\n```sh\n")
    return rest.partition("\n")[0]


@pytest.fixture
def site(clone: Path, first_command: str) -> Iterator[subprocess.Popen[str]]:
    """The default site, set up and run by that command, in a clone with nothing installed."""
    assert first_command.endswith("twistd -n toolkit")
    local = "tcp:0:interface=127.0.0.1"
    env = {f"TOOLKIT_{name}_LISTEN": local for name in ("ECHO", "COUNTDOWN", "INSULTS")}
    process = subprocess.Popen(
        ["/bin/sh", "-c", first_command.replace("&& .venv/bin/twistd", "&& exec .venv/bin/twistd")],
        cwd=clone,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_first_command_runs_the_default_site(site: subprocess.Popen[str]) -> None:
    assert site.stdout is not None
    printed = []
    for line in site.stdout:
        printed.append(line)
        if line.rstrip().endswith("ready"):
            break
    text = "".join(printed)
    assert all(f"{name} listening on" in text for name in ("echo", "countdown", "insults")), text
    site.send_signal(signal.SIGTERM)
    site.communicate(timeout=10)
    assert site.returncode == 0
