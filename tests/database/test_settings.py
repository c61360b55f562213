"""Which database a URL names; one that is nearly a URL is told how it is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as some

from toolkit.database.database import Database
from toolkit.database.settings import EXPECTED, Place, place_of
from toolkit.errors import SettingsError


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite://x", "mysql://u:pw@h/d", "sqlite:x?y=z"])
def test_a_url_of_no_database_is_told_with_what_would_be_right(reactor: Any, url: str) -> None:
    with pytest.raises(SettingsError, match="expected sqlite:PATH") as raised:
        Database(reactor, url)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "nothing was given"),
        ("  ", "nothing was given"),
        ("sqlite:///abs/path", "without // before the path: sqlite:/absolute/path"),
        ("sqlite:////abs/path", "without // before the path: sqlite:/absolute/path"),
        ("sqlite:x?cache=shared", "after a ? only mode=ro"),
        ("file:x.db", "sqlite: in place of file:"),
        ("site.db", "a path begins with sqlite:"),
        ("C:site.db", "a path begins with sqlite:"),
        ("mysql://h/d", "there is no other kind"),
        ("postgresql+psycopg://h/d", "without the driver's name"),
        ("postgresql://h/a b", "a space in it is written %20"),
        ("postgresql:h", "with // after postgresql:"),
    ],
)
def test_a_url_that_is_nearly_one_is_told_how_it_is_written(
    reactor: Any, url: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        Database(reactor, url)
    assert f"({hint}" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://", "postgresql:///d?host=/tmp"])
def test_both_names_of_postgresql_are_taken(reactor: Any, url: str) -> None:
    assert Database(reactor, url).dialect == "postgresql"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:a.db", Place("sqlite", "a.db")),
        ("sqlite:/abs/a b.db", Place("sqlite", "/abs/a b.db")),
        ("sqlite:a.db?mode=ro", Place("sqlite", "a.db", True)),
        ("sqlite::memory:", Place("sqlite", ":memory:")),
        ("postgresql://u@h:1/d?x=y", Place("postgresql", "postgresql://u@h:1/d?x=y")),
    ],
)
def test_a_url_names_a_place(url: str, place: Place) -> None:
    assert place_of(url) == place


@given(
    some.builds(
        "".join,
        some.tuples(
            some.sampled_from(["", "sqlite:", "postgresql://"]),
            some.text(),
            some.sampled_from(["", "\0", "?mode=ro", " "]),
        ),
    )
)
def test_any_text_names_a_place_or_is_told_in_one_line(url: str) -> None:
    try:
        place = place_of(url)
    except ValueError as error:
        assert str(error).startswith(EXPECTED)
        assert "\n" not in str(error)
    else:
        assert place.target in url
        assert "\0" not in place.target
