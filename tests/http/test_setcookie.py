"""A Set-Cookie line is what it asks for, or no cookie; whatever it is made of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from toolkit.http.setcookie import MAX_PAIR_BYTES, SetCookie, parse_date, parse_set_cookie


@pytest.mark.parametrize(
    ("line", "cookie"),
    [
        (b"a=b", SetCookie(b"a", b"b")),
        (b' a\t= "b=c, d" ;', SetCookie(b"a", b'"b=c, d"')),
        (b"a=", SetCookie(b"a", b"")),
        (b"a=\xff; Secure; HttpOnly; SameSite=Lax", SetCookie(b"a", b"\xff", secure=True)),
        (b"a=b;SECURE=no", SetCookie(b"a", b"b", secure=True)),
        (b"a=b; Domain=.Example.ORG", SetCookie(b"a", b"b", domain="example.org")),
        (b"a=b; domain=x.example; Domain=", SetCookie(b"a", b"b", domain="x.example")),
        (b"a=b; path=/x; Path = /y/", SetCookie(b"a", b"b", path="/y/")),
        (b"a=b; path=/x; path=y", SetCookie(b"a", b"b")),
        (b"a=b; Max-Age=-5", SetCookie(b"a", b"b", max_age=-5)),
        (b"a=b; Max-Age=5.5; max-age=+5; max-age=", SetCookie(b"a", b"b")),
        (b"a=b; expires=Thu, 01 Jan 1970 00:00:09 GMT", SetCookie(b"a", b"b", expires=9.0)),
        (b"a=b; expires=soon", SetCookie(b"a", b"b")),
        (b"a=b; path=/" + b"x" * 2000, SetCookie(b"a", b"b")),
    ],
)
def test_a_line_is_read_as_browsers_do(line: bytes, cookie: SetCookie) -> None:
    assert parse_set_cookie(line) == cookie


@pytest.mark.parametrize(
    "line",
    [b"", b"a", b"=b", b" =b", b"; a=b", b"a=b\x00", b"a=b; path=/\n", b"a\x7f=b", b"a=\x1b[1m"],
)
def test_what_is_no_cookie_is_none(line: bytes) -> None:
    assert parse_set_cookie(line) is None


def test_a_cookie_has_at_most_4_kib() -> None:
    assert parse_set_cookie(b"a=" + b"x" * (MAX_PAIR_BYTES - 1)) is not None
    assert parse_set_cookie(b"a=" + b"x" * MAX_PAIR_BYTES) is None


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 6-November-1994 8:49:37",
        "8:49:37 6 nov 94 +0500",
    ],
)
def test_dates_come_in_many_forms(text: str) -> None:
    assert parse_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("year", "meant"), [("69", 2069), ("70", 1970), ("00", 2000)])
def test_two_digits_are_a_year_near_now(year: str, meant: int) -> None:
    assert parse_date(f"6 Nov {year} 00:00:00") == datetime(meant, 11, 6, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "", "6 Nov 1994", "08:49:37 Nov 1994", "08:49:37 6 1994", "08:49:37 6 Nov",
        "31 Feb 1994 08:49:37", "6 Nov 1994 24:00:00", "6 Nov 1994 08:60:00", "6 Nov 1600 00:00:00",
        "6 Nov 1994 008:49:37", "6 Nov 19940 08:49:37",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)))
def test_every_date_of_http_is_read(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    assert parse_date(f"{when:%a, %d %b %Y %H:%M:%S} GMT") == when.timestamp()


@given(st.text())
def test_whatever_is_written_is_a_date_or_none(text: str) -> None:
    seconds = parse_date(text)
    assert seconds is None or datetime.fromtimestamp(seconds, UTC).year >= 1601


WORDS = [b"a", b"=", b";", b"; expires=", b"; max-age=", b"; domain=", b" ", b"9" * 900, b"-", b"/"]


@given(st.binary() | st.lists(st.sampled_from(WORDS)).map(b"".join))
def test_any_line_is_a_cookie_that_can_be_sent_or_none(line: bytes) -> None:
    cookie = parse_set_cookie(line)
    if cookie is not None:
        assert cookie.name
        assert not {0, 10, 13, ord(";")} & {*cookie.name, *cookie.value}
