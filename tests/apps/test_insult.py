"""python -m apps.insult: counts on stdout, what failed on stderr, and a status for a script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from apps.insult import report
from tests.processes import Start
from toolkit.service import Shared
from toolkit.services.insults import INSULTS, SERVICE, InsultSettings
from toolkit.tally import Tally

TOTAL = r"(\d+) of 40 answered in \d+\.\d\d s"


@asynccontextmanager
async def served(reactor: Any) -> AsyncIterator[str]:
    """The URL of a real insults service."""
    settings = InsultSettings(listen="tcp:0:interface=127.0.0.1", max_delay_seconds=0)
    service: Any = SERVICE.make(Shared(reactor, "insults"), settings)
    await service.startService()
    try:
        yield f"http://127.0.0.1:{service.address.port}/"
    finally:
        await service.stopService()


def test_a_pipe_gets_lines_the_most_frequent_first(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Tally(Counter({"Thou\tcandle\n of  wax": 2, "Thee": 5}))
    report(counts, 7, 1.234)
    output = capsys.readouterr()
    assert output.out == "5\tThee\n2\tThou candle of wax\n"
    assert output.err == "7 of 7 answered in 1.23 s\n"


def test_failures_by_code_and_the_total_are_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    report(Tally(Counter(), Counter({"deadline": 1, "status-404": 3})), 4, 30)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "3\tstatus-404\n1\tdeadline\n0 of 4 answered in 30.00 s\n"


def test_a_terminal_gets_a_table_with_bars_that_does_nothing_to_it(tmp_path: Path) -> None:
    code = (
        "from collections import Counter\nfrom apps.insult import report\n"
        "from toolkit.tally import Tally\n"
        "report(Tally(Counter({'Thou\\x1b[2J [red]cur[/red]': 4, 'Thee': 1})), 5, 1)\n"
    )
    screen, terminal = os.openpty()
    try:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        ended = subprocess.run(
            [sys.executable, "-c", code],
            stdout=terminal,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=tmp_path,
            timeout=50,
            check=True,
        )
        shown = os.read(screen, 65536).decode()
    finally:
        os.close(screen)
        os.close(terminal)
    header, first, second = shown.splitlines()
    assert "count" in header
    assert re.search(r"\b4\b.*█{20}.*Thou\ufffd\[2J \[red\]cur\[/red\]", first)
    assert re.search(r"\b1\b.*█{5}[^█]*Thee", second)
    assert "\x1b[2J" not in shown
    assert ended.stderr == b"5 of 5 answered in 1.00 s\n"


@pytest_twisted.ensureDeferred
async def test_a_real_server_is_asked_and_all_answers_are_counted(
    start: Start, reactor: Any
) -> None:
    async with served(reactor) as url:
        program = start("python", "-W", "error", "-m", "apps.insult", url, "--requests", "40")
        assert await program.ended() == 0
    lines = [line.split("\t") for line in program.out.splitlines()]
    counts = [int(count) for count, _ in lines]
    assert sum(counts) == 40
    assert counts == sorted(counts, reverse=True)
    assert {insult for _, insult in lines} <= set(INSULTS)
    [total] = program.err.splitlines()
    assert re.fullmatch(TOTAL, total)


@pytest_twisted.ensureDeferred
async def test_an_answer_that_is_an_error_is_status_1(start: Start, reactor: Any) -> None:
    async with served(reactor) as url:
        program = start("python", "-m", "apps.insult", f"{url}no-such", "--requests", "40")
        assert await program.ended() == 1
    assert program.out == ""
    failed, total = program.err.splitlines()
    assert failed == "40\tstatus-404"
    answered = re.fullmatch(TOTAL, total)
    assert answered is not None
    assert answered[1] == "0"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: URL"),
        (["http://localhost/", "--requests", "0"], "expected a whole number from 1 to 100000"),
        (["http://localhost/", "--timeout", "0"], "expected seconds, more than 0, not '0'"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_wrong_usage_is_one_line_and_status_2(
    start: Start, arguments: list[str], told: str
) -> None:
    program = start("python", "-m", "apps.insult", *arguments)
    assert await program.ended() == 2
    [line] = program.err.splitlines()
    assert line.startswith("insult: ")
    assert told in line
    assert program.out == ""


@pytest_twisted.ensureDeferred
async def test_a_url_that_is_none_is_wrong_usage(start: Start) -> None:
    program = start("python", "-m", "apps.insult", "example.org")
    assert await program.ended() == 2
    assert program.err == (
        "insult: there is no scheme in example.org; write http://example.org/; see --help\n"
    )
