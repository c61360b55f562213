"""A file that one option reads or writes is not written by another."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from apps.fetch.clashes import clash
from apps.fetch.options import parser

READ = ["-i", "--check", "--cacert"]
WRITTEN = ["-o", "--journal", "--report"]


def said(*arguments: str) -> str | None:
    return clash(parser().parse_args([*arguments, "http://a/"]))


@pytest.mark.parametrize(
    ("one", "other"), [pair for pair in combinations(READ + WRITTEN, 2) if pair[1] in WRITTEN]
)
def test_what_is_written_is_named_once(tmp_path: Path, one: str, other: str) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(path)
    told = f"{one} and {other} both name {path}; give each a file of its own"
    assert said(other, str(link), one, str(path)) == told  # it is not there yet
    path.write_bytes(b"x")
    assert said(other, str(link), one, str(path)) == told
    os.link(path, tmp_path / "hard")
    assert said(one, str(path), other, str(tmp_path / "hard")) == told
    assert said(one, str(path), other, str(tmp_path / "its-own")) is None


@pytest.mark.parametrize("option", ["--data", "--json"])
def test_a_body_is_not_overwritten(tmp_path: Path, option: str) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"{}")
    found = said("--report", str(path), option, f"@{path}")
    assert found == f"--report and {option} both name {path}; give each a file of its own"
    assert said("--report", str(path), option, str(path)) is None  # the text itself


def test_what_is_only_read_may_be_named_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    assert said("-i", path, "--data", f"@{path}", "--data", f"@{path}") is None


def test_devices_and_standard_output_may_be_named_twice() -> None:
    assert said("-o", os.devnull, "--report", os.devnull, "-i", os.devnull) is None
    assert said("-o", "-", "-i", "-") is None


def test_a_name_that_cannot_be_one_is_told_by_whoever_opens_it() -> None:
    assert said("-i", "a\0", "--report", "a\0") is None
