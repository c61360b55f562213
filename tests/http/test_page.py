"""A Page is what a URL answered; its title is found in it."""

from __future__ import annotations

import pytest

from tests.http.net import Net, error_of, page_of, whole
from toolkit.http.page import Page, Timings, values_of
from toolkit.testing import result_of

FIELDS = [(b"Content-Type", b"text/html"), (b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d")]


def test_headers_are_made_when_they_are_asked_for() -> None:
    page = Page("u", "f", 200, FIELDS, b"", 0, 1.0, Timings())
    assert page.headers.getRawHeaders("set-cookie") == ["a=b", "c=d"]
    assert page.headers is page.headers
    assert (page.attempts, page.redirects) == (1, ())


def test_a_header_has_all_its_values_in_order_whatever_its_case() -> None:
    assert values_of(FIELDS, b"set-cookie") == [b"a=b", b"c=d"]
    assert values_of(FIELDS, b"content-type") == [b"text/html"]
    assert values_of(FIELDS, b"content-kind") == []


def test_it_shows_where_it_is_from_and_not_all_that_it_holds() -> None:
    page = Page("u", "http://a/", 404, FIELDS, b"x" * 1_000, 1_000, 1.0, Timings())
    assert repr(page) == "<Page 404 http://a/ of 1000 bytes>"


def test_it_says_what_was_given_what_answered_and_how_it_came_there() -> None:
    net = Net()
    fetched = net.get(" HTTP://user:secret@A.example:80/a b#part")
    net.answer(whole(b"hello", "203 Sure", "X: y"))
    page = page_of(fetched)
    assert page.url == " HTTP://user:secret@A.example:80/a b#part"
    assert page.final_url == "http://a.example/a%20b"
    assert (page.status, page.body, page.size) == (203, b"hello", 5)
    assert page.fields == [(b"Content-Length", b"5"), (b"X", b"y")]
    net.end()


def test_all_its_seconds_are_those_since_it_was_asked_for() -> None:
    net = Net(concurrency=1)
    first, second = net.get(), net.get()
    net.clock.advance(2)
    net.answer(whole())
    net.clock.advance(3)
    net.answer(whole())
    assert (page_of(first).seconds, page_of(second).seconds) == (2, 5)
    assert page_of(second).timings == Timings(2, None, None, None, 3, 0)
    net.end()


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        (b"<title> One &amp;\n two </title>", "text/html", "One & two"),
        (b"<title>\xfc</title>", "text/html; charset=latin-1", "ü"),
        (b"\xef\xbb\xbf<title>\xc3\xbc</title>", "text/html; charset=latin-1", "ü"),
        (b"<meta charset=latin-1><title>\xfc</title>", "text/html", "ü"),
        (b"<title>no page</title>", "text/plain", None),
        (b"<p>nothing", "text/html", None),
        (b"", "text/html", None),
    ],
)
def test_the_title_of_a_page(body: bytes, content_type: str, title: str | None) -> None:
    net = Net()
    found = net.fetcher.page_title("http://a.example/")
    net.answer(whole(body, "200 OK", f"Content-Type: {content_type}"))
    assert result_of(found) == title
    net.end()


def test_the_title_of_what_cannot_be_fetched_fails_as_a_fetch_does() -> None:
    net = Net()
    found = net.fetcher.page_title("http://a.example/")
    found.cancel()
    assert error_of(found).code == "cancelled"
    assert error_of(net.fetcher.page_title("nothing")).code == "invalid-url"
    net.end()
