"""Patterns match what a shell's do, and no tree is too deep or too tangled."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from toolkit.globbing import Globbing, absolute


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.csv",
        "b.txt",
        ".hidden.csv",
        "[1].csv",
        "x/a.csv",
        "x/y/b.csv",
        "x/y/z/c.csv",
        ".git/d.csv",
        "x/.e/f.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    ["*", "*.csv", "?.csv", "[ab].*", "[!a].*", ".*", "*/*.csv", "*/y/*", "**", "**/*.csv",
     "x/**/*.csv", "**/y/**", "**/**/*.csv", "x/*/../a.csv", "no/*", "a.csv", "a.csv/*", ".git/*",
     "**/.*/*", "[[]1].csv"],
)  # fmt: skip
def test_files_match_as_they_do_for_the_standard_library(tree: Path, pattern: str) -> None:
    expected = {
        os.path.normpath(path)
        for path in glob.glob(f"{tree}/{pattern}", recursive=True)
        if os.path.isfile(path)
    }
    found = {path for path in Globbing().paths(absolute(f"{tree}/{pattern}")) if isfile(path)}
    assert found == expected


def isfile(path: str) -> bool:
    return os.path.isfile(path)


def test_a_folder_stands_for_the_files_in_it(tree: Path) -> None:
    expected = {f"{tree}/x/{name}" for name in ("a.csv", "y")}
    for pattern in ("x", "x/", "*x/"):
        assert set(Globbing().paths(absolute(f"{tree}/{pattern}"))) == expected


def test_links_that_lead_in_a_circle_end(tree: Path) -> None:
    (tree / "x" / "up").symlink_to(tree)
    walk = Globbing()
    found = [path for path in walk.paths(f"{tree}/**/c.csv") if isfile(path)]
    assert found == [f"{tree}/x/y/z/c.csv"]
    assert walk.trouble() == ""


def test_a_link_to_a_folder_is_followed_where_one_folder_is_asked_for(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "x")
    assert set(Globbing().paths(f"{tree}/l*/*.csv")) == {f"{tree}/link/a.csv"}


def test_a_tree_deeper_than_paths_may_be_long_is_walked_as_far_as_it_goes(tree: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    os.chdir(tree)
    try:
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        walk = Globbing()
        assert len(set(walk.paths(f"{tree}/**/d"))) > 1500
        assert walk.trouble().endswith("File name too long")
        for _ in range(3000):
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.fchdir(before)
        os.close(before)


def test_a_relative_pattern_is_below_the_current_folder_and_a_tilde_is_home() -> None:
    assert absolute("in/*.csv") == os.path.join(os.getcwd(), "in/*.csv")
    assert absolute("~/in/") == os.path.expanduser("~") + "/in/"
    assert absolute("//srv/../in") == "/in"
    assert absolute("/") == "/"
