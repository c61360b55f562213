"""Arguments: bounds are kept, and a mistake is one line and status 2."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as some

from apps.arguments import Parser, count, seconds, size

ROOT = Path(__file__).parents[2]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a program with two options says of arguments that are wrong."""
    parser = Parser(prog="try")
    parser.add_argument("--seconds", type=seconds)
    parser.add_argument_group("more").add_argument("-r", "--max-rounds", action="store_true")
    with pytest.raises(SystemExit) as end:
        parser.parse_args(arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("64K", 65536), ("16m", 16 << 20), ("2G", 2 << 30)]
)
def test_a_size_is_plain_or_has_a_unit(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "K", "1KB", "٣", "9" * 16, "1 K"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a size such as"):
        size(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "", "soon"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected seconds, more than 0"):
        seconds(text)


@given(some.integers())
def test_a_count_keeps_its_bounds(value: int) -> None:
    convert = count(1, 100)
    if 1 <= value <= 100:
        assert convert(str(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 100"):
            convert(str(value))


def test_a_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--seconds", "never") == (
        "try: argument --seconds: expected seconds, more than 0, not 'never'; see --help\n"
    )
    assert told(capsys, "a\nb\x1b[2J") == (
        "try: unrecognized arguments: a\\nb\\x1b[2J; see --help\n"
    )


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["--secnods", "3"], "'--seconds'"),
        (["--secnods=" + "3" * 99], "'--seconds'"),
        (["x", "--max-runds", "--secnods"], "'--max-rounds'"),
        (["-z", "--hlep"], "'--help'"),
        (["--vesion"], "'--version'"),
    ],
)
def test_for_an_option_that_is_not_there_the_nearest_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], near: str
) -> None:
    given = " ".join(arguments)
    assert told(capsys, *arguments) == (
        f"try: unrecognized arguments: {given}; did you mean {near}?; see --help\n"
    )


@pytest.mark.parametrize("arguments", [["--zzz"], ["-z"], ["seconds"]])
def test_for_one_that_is_like_none_nothing_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert "did you mean" not in told(capsys, *arguments)


@pytest.mark.parametrize(
    ("program", "wrong", "near"),
    [
        ("collect", ["--tmeout", "3", "tcp:127.0.0.1:1"], "--timeout"),
        ("copy_database", ["--relpace", "sqlite:a", "sqlite:b"], "--replace"),
        ("countdown", ["--intervall", "3"], "--interval"),
        ("fetch", ["http://127.0.0.1:1/", "--retrys", "3"], "--retries"),
        ("insult", ["--reqests", "3"], "--requests"),
        ("wait_for_file", ["--timout", "3", "x"], "--timeout"),
    ],
)
def test_every_program_names_it(program: str, wrong: list[str], near: str) -> None:
    command = [sys.executable, "-m", f"apps.{program}", *wrong]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith(f"; did you mean '{near}'?; see --help\n")
    assert ended.stderr.count("\n") == 1


def test_version_is_that_of_the_toolkit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Parser("count", "Counts.").parse_args(["--version"])
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("twisted-app-toolkit ")
