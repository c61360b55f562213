"""The program ends as a shell expects: 0 there, 1 too late, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "apps.wait_for_file"]


def run(*arguments: str | bytes | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=50, check=False)


def begun(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """The program, when it handles signals itself, and sleeps until the next look."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        catches = int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1
        if catches and status["State"].startswith("S"):
            break
    return process


def test_a_path_that_is_there_is_printed(tmp_path: Path) -> None:
    ended = run(tmp_path, "--timeout", "0")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, os.fsencode(tmp_path) + b"\n", b"")


def test_a_name_that_is_not_utf_8_is_printed_as_it_is(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff"
    with open(name, "wb"):
        pass
    assert run(name).stdout == name + b"\n"


def test_after_the_time_out_one_line_says_so(tmp_path: Path) -> None:
    ended = run(tmp_path / "no", "--timeout", "0.2", "--poll", "0.05")
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr == os.fsencode(
        f"wait_for_file: '{tmp_path}/no' was not there within 0.2 s\n"
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_a_path_that_appears_ends_the_wait(tmp_path: Path) -> None:
    with begun(tmp_path / "late", "--poll", "0.05") as process:
        (tmp_path / "late").touch()
        stdout, stderr = process.communicate(timeout=50)
    assert (process.returncode, stdout, stderr) == (0, os.fsencode(tmp_path) + b"/late\n", b"")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_without_a_word(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with begun(tmp_path / "never") as process:
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=50)
    assert (process.returncode, stdout, stderr) == (status, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], b"required: PATH"),
        ([""], b"PATH must not be empty"),
        (["x", "--timeout", "-1"], b"--timeout must be at least 0 seconds, not -1"),
        (["x", "--timeout", "nan"], b"--timeout must be at least 0 seconds, not nan"),
        (["x", "--timeout", "inf"], b"--timeout must be at least 0 seconds, not inf"),
        (["x", "--timeout", "soon"], b"invalid float value: 'soon'"),
        (["x", "--poll", "0"], b"--poll: expected seconds, more than 0, not '0'"),
        (["x", "--poll", "nan"], b"--poll: expected seconds, more than 0, not 'nan'"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], told: bytes) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_help_loads_neither_the_toolkit_nor_twisted() -> None:
    code = (
        "import sys\nfrom apps.wait_for_file import main\nsys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print(end.code, {'toolkit', 'twisted'} & set(sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ended.stdout.endswith(b"0 set()\n")
    assert b"usage: wait_for_file" in ended.stdout
