"""Names are safe wherever they are written, and no two URLs share one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from apps.fetch.naming import MAX_NAME, last_name_in, name_for

RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$|clock\$)(\..*)?")
ANY = st.one_of(
    st.text(),
    st.text("aA./:?#@%-_ \\\0\n\udcffé"),
    st.builds("http://{}/{}".format, st.text("con.COM1-"), st.text("nul.aux/.")),
)


@given(ANY)
def test_a_name_is_safe_on_any_file_system(url: str) -> None:
    name = name_for(url)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    assert 20 <= len(name) <= MAX_NAME
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert ".." not in name
    assert not RESERVED.fullmatch(name)
    assert name == name_for(url)


@given(ANY, ANY)
def test_two_urls_have_two_names_in_any_case(one: str, other: str) -> None:
    assert (name_for(one).lower() == name_for(other).lower()) == (one == other)


@pytest.mark.parametrize(
    ("url", "begins", "ends"),
    [
        ("http://a.example/pics/Cat.JPG?w=1#x", "a.example_pics_Cat-", ".JPG"),
        ("http://user:secret@a.example/x@y/", "a.example_x_y-", ""),
        ("http://a.example", "a.example-", ""),
        ("http://a.example/..", "a.example-", ""),
        ("http://a.example/b%2Fc.tar.gz", "a.example_b_c.tar-", ".gz"),
        ("http://con.example/", "xcon.example-", ""),
        ("nonsense", "", ""),
    ],
)
def test_a_name_tells_where_it_is_from(url: str, begins: str, ends: str) -> None:
    name = name_for(url)
    assert re.fullmatch(rf"{re.escape(begins)}[a-z2-7]{{20}}{re.escape(ends)}", name)


def test_names_differ_where_only_the_case_does() -> None:
    assert name_for("http://a/B").lower() != name_for("http://a/b").lower()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://a/b/c%20d.gz?x/y#z/", "c d.gz"),
        ("http://a/b/", ""),
        ("http://a", ""),
        ("nonsense", ""),
    ],
)
def test_the_last_part_of_a_url(url: str, name: str) -> None:
    assert last_name_in(url) == name
