"""A robots.txt is read by RFC 9309, for one robot, in time proportional to its length."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, strategies as st

from toolkit.errors import MissingExtra
from toolkit.http.robotstxt import MAX_BYTES, RobotsTxt, reader_for


def of(text: str, user_agent: str = "twisted-app-toolkit") -> RobotsTxt:
    return reader_for(user_agent)(text.encode())


def allowed(text: str, path: str = "/x/y", user_agent: str = "twisted-app-toolkit") -> bool:
    return of(text, user_agent).allows(f"http://example.org{path}")


ALL = "User-agent: *\nDisallow: /\n"
OURS = "User-agent: twisted-app-toolkit\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Disallow: /",
        "User-agent: other\nDisallow: /",
        "User-agent: twisted\nDisallow: /",
        "User-agent: t\nDisallow: /",
        "User-agent: app-toolkit\nDisallow: /",
        "User-agent: twisted-app-toolkit-2\nDisallow: /",
        "User-agent: *\nDisallow:",
        "User-agent: *\nDisallow: /z\nDisallow: /x$\nDisallow: /*.gif",
        "User-agent: *\nDisallow: /x\nAllow: /x/y",
        "User-agent: *\nDisallow: /x/y\nAllow: /x/y",
        ALL + OURS,
        ALL + OURS + "Allow: /",
        OURS + "Disallow: /z\n" + ALL,
        ALL + "User-agent: other\nDisallow: /\nUser-agent: TWISTED-App-Toolkit/1.0 # us\nAllow: /",
        "User-agent: other\nDisallow: /\nSitemap: /x\n\nUser-agent: *\nDisallow: /z",
        "<!doctype html><p>User-agent: *</p> Disallow: /",
    ],
)
def test_what_is_not_refused_is_allowed(text: str) -> None:
    assert allowed(text)


@pytest.mark.parametrize(
    "text",
    [
        ALL,
        "\ufeff" + ALL,
        ALL.upper(),
        ALL.replace("\n", "\r\n"),
        ALL.replace("\n", "\r"),
        " user-agent :\t* # all\n disallow:/ # it",
        OURS + "Disallow: /",
        "User-agent: other\nUser-agent: *\nDisallow: /",
        "User-agent: *\n# a comment\n\nSitemap: /s\nUser-agent: other\nDisallow: /",
        "User-agent: *\nAllow: /z\nUser-agent: other\nAllow: /\nUser-agent: *\nDisallow: /",
        "User-agent: *\nAllow: /x\nDisallow: /x/y",
        "User-agent: *\nDisallow: /*/y$",
        "User-agent: *\nDisallow: /%78/y",
        ALL + "User-agent: twisted\nAllow: /",
        OURS + "Disallow: /x\nUser-agent: *\nAllow: /x/y",
    ],
)
def test_what_is_refused_is_refused(text: str) -> None:
    assert not allowed(text)


def test_the_rules_are_those_of_the_robot_s_name_without_its_version() -> None:
    text = "User-agent: other\nDisallow: /\n\nUser-agent: *\nAllow: /"
    assert not allowed(text, user_agent="Other/2.0 (+http://example.org/)")
    assert allowed(text, user_agent="another")
    with pytest.raises(ValueError, match="must begin with a name, not '1'"):
        reader_for("1")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Crawl-delay: 1.5", 1.5),
        ("crawl-delay: 0", 0.0),
        ("Crawl-delay: 86400", 60.0),
        ("Crawl-delay: -1", None),
        ("Crawl-delay: nan", None),
        ("Crawl-delay: soon", None),
        ("", None),
        ("User-agent: other\nCrawl-delay: 1", None),
    ],
)
def test_a_delay_is_a_bounded_number_or_none(line: str, seconds: float | None) -> None:
    assert of(f"{OURS}Allow: /\n{line}").crawl_delay == seconds


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_of_a_long_file_the_whole_lines_within_500_kib_are_read(end: str) -> None:
    rule = f"User-agent: *{end}Disallow: /x{end}"
    filled = "#" * (MAX_BYTES - len(rule) - 1) + end
    assert not allowed(filled + rule + "Allow: /x/y")
    assert allowed(filled + "#" + rule)
    assert allowed("User-agent: *Disallow: /" * 30_000)


HOSTILE = {
    "agents and rules": "".join(f"User-agent: a{n}\n" for n in range(15_000))
    + "".join(f"Disallow: /{n}\n" for n in range(15_000)),
    "an agent and rules": "User-agent: *\n" + "".join(f"Disallow: /*{n}$\n" for n in range(25_000)),
    "one agent again": "User-agent: *\n" * 36_000,
    "stars": "User-agent: *\nDisallow: /" + "*a" * 250_000 + "b$",
    "dollars": "User-agent: *\nDisallow: " + "$" * 500_000,
    "spaces": "User-agent" + " " * 500_000 + "\nUser-agent: *\n" + " " * 500_000,
    "blank lines": "\n" * 500_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_takes_time_in_proportion_to_its_length(kind: str) -> None:
    began = time.process_time()
    allowed(HOSTILE[kind], "/" + "a" * 2000)
    assert time.process_time() - began < 3


def test_without_protego_it_is_one_line_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "protego", None)
    with pytest.raises(MissingExtra, match=r"pip install 'twisted-app-toolkit\[robots\]'$"):
        reader_for("a")


WORDS = ["User-agent", "Disallow", "Allow", "Crawl-delay", ":", "*", "$", "/", "\n", " ", "%", "a"]


@given(st.binary() | st.lists(st.sampled_from(WORDS)).map(lambda words: "".join(words).encode()))
def test_whatever_it_is_made_of_it_says_yes_or_no(body: bytes) -> None:
    rules = reader_for("a")(body)
    assert rules.allows("http://example.org/a%20b?c") in (True, False)
    assert rules.crawl_delay is None or 0 <= rules.crawl_delay <= 60
