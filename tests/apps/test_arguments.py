"""Arguments: bounds are kept, and a mistake is one line and status 2."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given, strategies as some

from apps.arguments import Parser, count, seconds, size


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
    parser = Parser(prog="try")
    parser.add_argument("--seconds", type=seconds)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--seconds", "never"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "try: argument --seconds: expected seconds, more than 0, not 'never'; see --help\n"
    )


def test_version_is_that_of_the_toolkit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Parser("count", "Counts.").parse_args(["--version"])
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("twisted-app-toolkit ")
