"""A redirect is followed as a browser would, with less than was sent before where it leaves."""

from __future__ import annotations

import pytest

from tests.http.net import Net, error_of, head, headers, moved, page_of, whole


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"), (301, "POST", "GET"), (301, "HEAD", "HEAD"), (301, "PUT", "PUT"),
        (302, "GET", "GET"), (302, "POST", "GET"), (302, "HEAD", "HEAD"), (302, "PUT", "PUT"),
        (303, "GET", "GET"), (303, "POST", "GET"), (303, "HEAD", "HEAD"), (303, "PUT", "GET"),
        (307, "GET", "GET"), (307, "POST", "POST"), (307, "HEAD", "HEAD"), (307, "PUT", "PUT"),
        (308, "GET", "GET"), (308, "POST", "POST"), (308, "HEAD", "HEAD"), (308, "PUT", "PUT"),
    ],
)  # fmt: skip
def test_a_redirect_keeps_the_method_or_makes_it_GET(status: int, method: str, then: str) -> None:
    net = Net()
    body = b"body" if method in ("POST", "PUT") else None
    fetched = net.fetcher.request(
        method, "http://a.example/", headers(Content_Type="text/plain", X_A="1"), body
    )
    location = head(f"{status} There", "Location: /x", "Content-Length: 0")
    net.answer(location)
    received = net.peers[0].received
    assert received.startswith(f"{then} /x HTTP/1.1\r\n".encode())
    kept = body if then == method else None
    assert received.endswith(b"\r\n\r\n" + (kept or b""))
    assert (b"Content-Type" in received) == (body is None or kept is not None)
    assert b"X-A: 1" in received
    net.answer(head("204 Nothing"))
    assert page_of(fetched).redirects == ("http://a.example/",)
    net.end()


SECRET = {"Authorization": "Basic x", "Cookie": "a=b", "Host": "other", "X_A": "1"}


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/x", True), ("http://a.example:80/x", True), ("http://A.example/x", True),
        ("http://b.example/x", False), ("http://a.example:8080/x", False),
        ("http://a.example.b.example/x", False),
    ],
)  # fmt: skip
def test_credentials_cookies_and_host_stay_with_their_origin(location: str, kept: bool) -> None:
    net = Net()
    given = headers(**SECRET)
    before = list(given.getAllRawHeaders())
    fetched = net.fetcher.request("GET", "http://a.example/", given)
    net.answer(moved(location))
    received = net.peers[-1].received
    for line in (b"Authorization: Basic x", b"Cookie: a=b", b"Host: other"):
        assert (b"\r\n" + line + b"\r\n" in received) == kept
    assert b"X-A: 1" in received
    net.answer(moved("http://a.example/back"))
    assert b"Basic" not in net.peers[0].received or kept  # what was dropped stays dropped
    net.answer(whole(), 0)
    assert page_of(fetched).final_url == "http://a.example/back"
    assert list(given.getAllRawHeaders()) == before
    net.end()


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("x", "/a/x"), ("../x", "/x"), ("?q", "/a/b?q"), ("/\xc3\xa9 \xc3\xbc", "/%C3%A9%20%C3%BC"),
        ("#part", "/a/b?c"), ("/\xff", "/%FF"), ("//a.example/y", "/y"), ("\\\\a.example\\y", "/y"),
    ],
)  # fmt: skip
def test_a_location_is_read_from_where_it_stands(location: str, path: str) -> None:
    net = Net()
    fetched = net.get("http://a.example/a/b?c")
    net.answer(moved(location))
    assert net.asked() == path
    net.answer(whole())
    assert page_of(fetched).final_url == f"http://a.example{path}"
    net.end()


def test_redirects_without_end_are_too_many_and_a_circle_is_called_one() -> None:
    for location, said in (("/", "in a circle"), ("/%d", "too-many")):
        net = Net(max_redirects=3)
        fetched = net.get()
        for number in range(4):
            net.answer(moved(location.replace("%d", str(number))))
        error = error_of(fetched)
        assert error.code == "too-many-redirects"
        assert (said in str(error)) == (location == "/")
        assert error.trail is not None
        assert len(error.trail.redirects) == 3
        assert error.trail.status == 302
        net.end()


@pytest.mark.parametrize("location", ["", " ", "ftp://b/", "mailto:a@b", "http://[", "http://"])
def test_a_location_that_leads_nowhere_is_a_bad_redirect(location: str) -> None:
    net = Net()
    fetched = net.get()
    net.answer(head("302 Found", f"Location: {location}", "Content-Length: 9") + b"never")
    assert error_of(fetched).code == "bad-redirect"
    assert not net.open
    net.end()


@pytest.mark.parametrize("rest", [b"x" * 100_000, b"5\r\nhalf"])
def test_the_body_of_a_redirect_that_is_large_or_bad_is_left_unread(rest: bytes) -> None:
    net = Net()
    fetched = net.get()
    framing = "Transfer-Encoding: chunked" if rest[:1] == b"5" else "Content-Length: 9999999"
    net.answer(head("302 Found", "Location: /x", framing) + rest)
    if rest[:1] == b"5":
        net.peers[0].close()
    assert len(net.peers) == 2
    assert len(net.open) == 1
    net.answer(whole())
    assert page_of(fetched).status == 200
    net.end()


def test_a_redirect_without_location_and_with_none_allowed_is_the_answer() -> None:
    for most, fields in ((5, []), (0, ["Location: /x"])):
        net = Net(max_redirects=most)
        fetched = net.get()
        net.answer(whole(b"stays", "302 Found", *fields))
        assert (page_of(fetched).status, page_of(fetched).body) == (302, b"stays")
        net.end()
