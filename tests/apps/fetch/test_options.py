"""Options say what they mean, and those that contradict each other are refused."""

from __future__ import annotations

import pytest

from apps.fetch.options import contradiction, parsed, parser

A = "http://a/"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no URL"),
        (["-o", "x", "-d", "y", A], "-o and -d are two places"),
        (["-o", "x", A, A], "-o goes with one URL"),
        (["-o", "x", "-i", "urls"], "-o goes with one URL"),
        (["--retry-failed", A], "--retry-failed needs a --journal"),
        (["--refresh", A], "--refresh needs a --journal"),
        (["--insecure", "--cacert", "x", A], "give one"),
        (["-i", "-", "--data", "@-"], "standard input cannot be both"),
        (["-i", "-", "--json", "@-"], "standard input cannot be both"),
        (["--report", "-", A], "--report: expected a file"),
        (["-X", "HEAD", "--title", A], "--title is about a body"),
        (["-X", "head", "-o", "x", A], "-o is about a body"),
        (["-X", "HEAD", "-d", "x", A], "-d is about a body"),
        (["-X", "HEAD", "--check", "x", A], "--check is about a body"),
        (["-X", "HEAD", "--data", "x", A], "--data is about a body"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: list[str], said: str) -> None:
    problem = contradiction(parser().parse_args(arguments))
    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    "arguments",
    [
        [A],
        ["-i", "-"],
        ["-o", "-", "-X", "POST", A],
        ["-d", "x", "-i", "y", "--check", "z", A, "--title", "--report", "r"],
        ["--journal", "x", "--refresh", "--retry-failed", A],
        ["-X", "HEAD", "-H", "A: b", A],
    ],
)
def test_what_does_not_is_taken(arguments: list[str]) -> None:
    assert contradiction(parser().parse_args(arguments)) is None


def test_urls_stand_before_between_and_after_the_options() -> None:
    options = parsed(parser(), ["A", "--title", "B", "-o", "x", "C"])
    assert (options.urls, options.title, options.output) == (["A", "B", "C"], True, "x")
    assert parsed(parser(), ["-i", "x"]).urls == []


def test_what_follows_two_dashes_is_no_option() -> None:
    options = parsed(parser(), ["A", "--title", "--", "--report=x", "-q", "--"])
    assert options.urls == ["A", "--report=x", "-q", "--"]
    assert (options.report, options.quiet) == (None, False)


@pytest.mark.parametrize(
    "option", ["-i", "-o", "-d", "--check", "--journal", "--report", "--cacert"]
)
def test_a_name_that_is_empty_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parser().parse_args([option, "", A])
    assert raised.value.code == 2
    assert "expected a name, not ''" in capsys.readouterr().err
