"""URLs as people write them become what can be asked for, or are refused with a line."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given, strategies as st

from toolkit.http.failures import FetchError
from toolkit.http.urls import MAX_KNOWN, Target, Targets, masked, parse_url, redirected


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("http://example.org", "http://example.org/"),
        ("  HTTP://EXAMPLE.org:80/A \n", "http://example.org/A"),
        ("https://example.org:443?q", "https://example.org/?q"),
        ("http://example.org:8080/#part", "http://example.org:8080/"),
        ("http://example.org/a b?c d", "http://example.org/a%20b?c%20d"),
        ("http://example.org/é?ü=ß", "http://example.org/%C3%A9?%C3%BC=%C3%9F"),
        ("http://example.org/%C3%A9%zz", "http://example.org/%C3%A9%zz"),
        ("http://example.org/\udcff", "http://example.org/%FF"),
        ('http://example.org/"<>`{}', "http://example.org/%22%3C%3E%60%7B%7D"),
        ("http://example.org\\a\\b?c\\d", "http://example.org/a/b?c\\d"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"),
        ("http://日本語。jp/", "http://xn--wgv71a119e.jp/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://[2001:DB8:0::1]/", "http://[2001:db8::1]/"),
        ("http://user:pass@example.org/", "http://example.org/"),
        ("http://example.org./", "http://example.org./"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://0X7F.1/", "http://127.0.0.1/"),
        ("http://0177.0.0.1/", "http://127.0.0.1/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0/", "http://0.0.0.0/"),
        ("http://127.0.0.1./", "http://127.0.0.1/"),
        ("http://127.%30.0.%EF%BC%91/", "http://127.0.0.1/"),
        ("http://1.2.3.4.example/", "http://1.2.3.4.example/"),
        ("http://1a/", "http://1a/"),
        ("http://0x1g/", "http://0x1g/"),
        ("http://exam\tple.org/", "http://example.org/"),
        ("http://example.org/\x00\x1b[2J", "http://example.org/%00%1B[2J"),
    ],
)
def test_a_url_is_read_as_a_browser_would(written: str, asked: str) -> None:
    assert parse_url(written).url == asked


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("example.org", "write http://example.org/"),
        ("example.org/a", "write http://example.org/a"),
        ("//example.org/a", "write http://example.org/a"),
        ("localhost:8080", "write http://localhost:8080/"),
        ("", "an empty URL; write http://example.org/"),
        ("http:", "no host in http:; write http://example.org/"),
        ("http:///path", "no host"),
        ("https://?q", "no host .*; write https://example.org/"),
        ("http://:80/", "no host"),
        ("http:example.org", "no host"),
        ("http://a..b/", "'a..b' cannot be the name of a host"),
        ("http://.a/", "cannot be the name"),
        ("http://a b/", "cannot be the name"),
        ("http://a%00b/", "cannot be the name"),
        ("http://" + "a" * 64 + ".org/", "cannot be the name"),
        ("http://" + "a." * 127 + "abc/", "cannot be the name"),
        ("http://" + "ü" * 2000, "cannot be the name"),
        ("http://\udcff/", "cannot be the name"),
        ("http://1.2.3.4.5/", "'1.2.3.4.5' cannot be the name"),
        ("http://256.1.1.1/", "cannot be the name"),
        ("http://4294967296/", "cannot be the name"),
        ("http://08.1/", "cannot be the name"),
        ("http://a.0x/", "cannot be the name"),
        ("http://example.1/", "cannot be the name"),
        ("http://127.0.0.1../", "cannot be the name"),
        ("http://[::1", "is no URL"),
        ("http://[::g]/", "is no URL|cannot be the name"),
        ("http://[fe80::1%25eth0]/", "is no URL|cannot be the name"),
        ("http://a:b/", "is no URL"),
        ("http://a:65536/", "is no URL"),
        ("http://a:0/", "port 0"),
        ("http://a/" + "x" * 70_000, "longer than 65536"),
        ("http://evil\x1b[31m/", "is no URL"),
        ("http://evil\x1b/", "cannot be the name"),
    ],
)
def test_what_is_no_url_is_refused_with_what_to_write(written: str, message: str) -> None:
    with pytest.raises(FetchError, match=message) as caught:
        parse_url(written)
    assert caught.value.code == "invalid-url"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("url", ["ftp://a/", "mailto:a@b", "file:///etc/passwd", "javascript:x"])
def test_other_schemes_are_unsupported(url: str) -> None:
    with pytest.raises(FetchError, match="only http and https") as caught:
        parse_url(url)
    assert caught.value.code == "unsupported-scheme"


def test_a_user_becomes_a_header_and_never_a_message() -> None:
    target = parse_url("http://user:p%40ss@example.org/")
    assert target.authorization == b"Basic dXNlcjpwQHNz"
    assert masked("http://user:p%40ss@example.org/") == "http://****@example.org/"
    with pytest.raises(FetchError) as caught:
        parse_url("http://user:secret@example.org:0/")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (b"b", "http://example.org/a/b"),
        (b"/b", "http://example.org/b"),
        (b"../b", "http://example.org/b"),
        (b"?q", "http://example.org/a/x?q"),
        (b"//other.example/b", "http://other.example/b"),
        (b"\\\\other.example\\b", "http://other.example/b"),
        (b"https://other.example", "https://other.example/"),
        ("/é".encode(), "http://example.org/%C3%A9"),
        (b"/\xe9 x", "http://example.org/%E9%20x"),
        (b"#part", "http://example.org/a/x"),
    ],
)
def test_a_location_is_relative_to_the_current_url(location: bytes, url: str) -> None:
    assert redirected(parse_url("http://example.org/a/x"), location).url == url


def test_a_user_in_a_location_is_not_used() -> None:
    current = parse_url("http://a.example/")
    assert redirected(current, b"http://u:p@b.example/").authorization is None
    assert redirected(current, b"http://u:p@a.example/").authorization is None


@given(st.text(max_size=60) | st.text(max_size=60).map("http://".__add__))
def test_whatever_is_written_gives_a_sendable_url_or_an_error(text: str) -> None:
    try:
        target = parse_url(text)
    except FetchError as error:
        assert str(error).isprintable()
        return
    assert re.fullmatch(r"https?://[!-~]+", target.url)
    assert parse_url(target.url)[:4] == target[:4]


@given(st.ip_addresses(v=4), st.integers(1, 4), st.lists(st.sampled_from("dox"), min_size=4))
def test_every_spelling_of_an_ipv4_address_is_that_address(
    address: IPv4Address, parts: int, bases: list[str]
) -> None:
    last = int(address) & (1 << 8 * (5 - parts)) - 1
    numbers = [*address.packed[: parts - 1], last]
    written = {"d": "{:d}", "o": "0{:o}", "x": "0x{:x}"}
    host = ".".join(
        written[base].format(number) for base, number in zip(bases[:parts], numbers, strict=True)
    )
    assert parse_url(f"http://{host}/").host == str(address)


@given(st.binary(max_size=60))
def test_whatever_a_server_redirects_to_is_a_target_or_a_bad_redirect(location: bytes) -> None:
    try:
        target = redirected(parse_url("http://example.org/"), location)
    except FetchError as error:
        assert error.code == "bad-redirect"
        assert str(error).isprintable()
    else:
        assert re.fullmatch(r"https?://[!-~]+", target.url)


def outcome(parse: Callable[[str], Target], text: str) -> Target | tuple[str, str]:
    try:
        return parse(text)
    except FetchError as error:
        return error.code, str(error)


URLS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["http://", "https://", "HTTP://", "http:/", "ftp://", " http://"]),
            st.sampled_from(
                ["a.example", "A.example", "a..b", "[::1]", "[::1", "127.1", "1.2.3.4", "0x7f.1",
                 "ü.example", "u:p@a.example", "a%41.example", "a.example.", "-", "_", "a b", ""]
            ),
            st.sampled_from(["", ":", ":80", ":443", ":0", ":8080", ":65536", ":x", ":80 "]),
            st.text(st.sampled_from("/?#ab%41\\ \t\n'\"<>[]|^`{}~!$&()*+,;:=@ü\udcff")),
        ),
    ),
)  # fmt: skip


@given(texts=st.lists(URLS, min_size=1, max_size=8))
def test_many_are_read_exactly_as_one(texts: list[str]) -> None:
    targets = Targets()
    for text in (*texts, *texts):  # the second time their origins are known
        assert outcome(targets.parse, text) == outcome(parse_url, text)


def test_however_many_origins_come_a_bounded_number_is_known() -> None:
    targets = Targets()
    for number in range(MAX_KNOWN + 10):
        targets.parse(f"http://{number}.example/")
    assert len(targets._known) <= MAX_KNOWN
    long = "http://a.example/" + "x" * 65_536
    assert outcome(targets.parse, long) == outcome(parse_url, long)
