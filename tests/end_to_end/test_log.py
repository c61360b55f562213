"""The log of a real process under faults: it goes on, and requests go on being answered."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.end_to_end.test_twistd import LOCAL, until
from tests.processes import BIN, Start

INSULTS = f"""
[service.insults]
listen = "{LOCAL}"
max_delay_seconds = 0
idle_seconds = 50
"""
LISTENING = re.compile(rb"insults listening on tcp:127\.0\.0\.1:(\d+)")
REQUESTS = 1000
PATH = "/" + "x" * 200
"""With 1,000 requests it makes the log 300 KB: more than a pipe of Linux holds."""


def asked(port: int, count: int = REQUESTS, path: str = PATH) -> int:
    """How many requests are answered with 404 on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    answers = 0
    for _ in range(count):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        answers += response.status == 404
    connection.close()
    return answers


@contextmanager
def served(folder: Path, log: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A site in a process whose output nobody reads unless the test does."""
    (folder / "site.toml").write_text(f"[log]\n{log}\n{INSULTS}")
    command = [str(BIN / "twistd"), "-n", "toolkit", "--config", "site.toml"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TOOLKIT_")}
    with subprocess.Popen(command, cwd=folder, env=clean, **options) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def port_in(output: Any, patience: float = 30.0) -> int:
    """The port that a log tells of, read from a pipe no further than that."""
    got = b""
    end = time.monotonic() + patience
    while not ((found := LISTENING.search(got)) and b"ready" in got):
        got += os.read(output.fileno(), 1)
        assert time.monotonic() < end
    return int(found[1])


def port_of(file: Path, patience: float = 30.0) -> int:
    """The same from a file."""
    end = time.monotonic() + patience
    while not (file.exists() and (found := LISTENING.search(file.read_bytes()))):
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(found[1])


def test_while_nobody_reads_its_output_requests_are_answered(tmp_path: Path) -> None:
    with served(tmp_path, "", stdout=subprocess.PIPE) as process:
        port = port_in(process.stdout)
        assert asked(port) == REQUESTS
        # It is read again, and has every line.
        assert process.stdout is not None
        got = 0
        while got < REQUESTS:
            got += process.stdout.readline().count(b"404")


def test_while_its_log_is_a_fifo_that_nobody_reads_requests_are_answered(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    with served(tmp_path, 'file = "fifo"'):
        with open(reading, "rb", buffering=0) as reader:
            port = port_in(reader)
            assert asked(port) == REQUESTS
        # The reader goes: what was kept for it is lost, and counted.
        assert asked(port, 10) == 10
        with open(os.open(tmp_path / "fifo", os.O_RDONLY), "rb") as again:
            assert asked(port, 1) == 1
            lost = None
            while lost is None:  # what the pipe itself still holds comes first
                line = again.readline()
                assert line
                lost = re.search(rb"(\d+) log lines were lost: Broken pipe", line)
            assert int(lost[1]) > 10
            assert b"404" in again.readline()


def test_when_its_terminal_is_closed_requests_are_answered(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    # twistd ends on the SIGHUP of a terminal that is its own; this one is only written to.
    with served(tmp_path, "", stdout=slave, stderr=slave, start_new_session=True):
        os.close(slave)
        with open(master, "rb", buffering=0) as terminal:
            port = port_in(terminal)
            assert asked(port, 10) == 10
        assert asked(port, 50) == 50


def test_a_full_device_costs_lines_alone(tmp_path: Path) -> None:
    with served(tmp_path, 'file = "/dev/full"\nalso_stdout = true', stdout=subprocess.PIPE) as one:
        assert asked(port_in(one.stdout), 50) == 50


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this machine mounts no file systems for us")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_costs_lines_that_are_counted_and_no_request(
    tmp_path: Path, small: Path
) -> None:
    with served(tmp_path, 'file = "small/log"\nformat = "json"'):
        port = port_of(small / "log")
        assert asked(port) == REQUESTS
        full = (small / "log").read_bytes()
        assert len(full) > 50_000
        os.truncate(small / "log", 0)
        end = time.monotonic() + 30
        while b"lines were lost" not in (
            after := (small / "log").read_bytes()
        ):  # without a request
            assert time.monotonic() < end
            time.sleep(0.02)
        assert asked(port, 1, "/last") == 1
        while b"/last" not in (after := (small / "log").read_bytes()):
            assert time.monotonic() < end
            time.sleep(0.02)
        # Words on some that were lost may have fitted where no line did.
        written = [json.loads(line) for line in (full + after).splitlines()]
        told = [line for line in written if line["namespace"] == "toolkit.log"]
        assert told
        for line in told:
            lost = f"{line['count']} log lines were lost: No space left on device"
            assert line["message"] == lost
        lost_or_written = sum("status" in line for line in written)
        assert lost_or_written + sum(line["count"] for line in told) == REQUESTS + 1


CHATTER = """
from twisted.application.internet import TimerService
from twisted.logger import Logger
from toolkit import Declaration, Settings

log = Logger("chatter")

class ChatterSettings(Settings):
    '''Say 100 lines, 100 times a second.'''

class Chatter:
    said = 0

    def speak(self):
        for _ in range(100):
            log.info("line {n}", n=self.said)
            self.said += 1

def make(shared, settings):
    return TimerService(0.01, Chatter().speak)

SERVICE = Declaration(ChatterSettings, make)
"""


@pytest_twisted.ensureDeferred
async def test_no_line_is_lost_or_written_twice_while_files_are_rotated_and_moved_away(
    start: Start, tmp_path: Path, reactor: Any
) -> None:
    (tmp_path / "chatter.py").write_text(CHATTER)
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "site.toml").write_text(
        '[log]\nfile = "logs/log"\nformat = "json"\nmax_bytes = 50_000\nkeep = 10_000\n'
        "[service.chatter]\n"
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    log = logs / "log"
    for turn in range(20):
        await until(reactor, lambda turn=turn: len(list(logs.glob("log.*"))) > turn)
        await until(reactor, lambda: log.exists() and log.stat().st_size > 10_000)
        log.rename(logs / f"moved-{turn}")  # as logrotate does
        program.signal(signal.SIGHUP)
    await until(reactor, log.exists)
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    lines = [line for file in logs.iterdir() for line in file.read_text().splitlines()]
    numbers = sorted(event["n"] for line in lines if "n" in (event := json.loads(line)))
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 2000
    assert len(list(logs.glob("log.*"))) >= 20


@pytest_twisted.ensureDeferred
async def test_sighup_takes_the_levels_of_the_file_and_refuses_those_that_are_wrong(
    start: Start, tmp_path: Path
) -> None:
    site = tmp_path / "site.toml"
    quiet = f'[log]\nformat = "json"\nlevel = "warn"\n{INSULTS}'
    site.write_text(quiet.replace('"warn"', '"info"'))
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    port = int((await program.line(r"listening on tcp:127\.0\.0\.1:(\d+)"))[1])
    await program.line('"ready"')
    site.write_text(quiet.replace("INSULTS", "x") + "[lgo]\n")
    program.signal(signal.SIGHUP)
    wrong = await program.line(r'"level":"error".*stay as they were: .*unknown table \[lgo\]')
    assert "did you mean 'log'" in wrong[0]
    await program.line("(?s)ready.*stay as they were")
    site.write_text(quiet + '[log.levels]\n"toolkit._hangup" = "info"\n')
    program.signal(signal.SIGHUP)
    await program.line('reread".*"changed":."level","levels"')
    before = program.out
    await deferToThread(asked, port, 3)
    site.write_text(quiet.replace('"warn"', '"info"'))
    program.signal(signal.SIGHUP)
    await program.line('(?s)reread".*reread"')
    await deferToThread(asked, port, 1, "/last")
    await program.line('"path":"/last"')
    assert PATH not in program.out[len(before) :]
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
