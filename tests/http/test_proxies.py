"""The proxy is the one that the environment names, and its password is never shown."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, strategies as st

from toolkit.errors import SettingsError
from toolkit.http.proxies import Proxies, Proxy, parse_proxy, proxies_from
from toolkit.http.urls import parse_url

HTTP = parse_url("http://example.org/")
HTTPS = parse_url("https://example.org/")


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example:3128/", Proxy("proxy.example", 3128)),
        (" proxy.example:3128 ", Proxy("proxy.example", 3128)),
        ("HTTP://Proxy.Example", Proxy("proxy.example", 80)),
        ("127.0.0.1:8080", Proxy("127.0.0.1", 8080)),
        ("http://[::1]:8080", Proxy("::1", 8080)),
        ("https://proxy.example", Proxy("proxy.example", 443, secure=True)),
        ("http://me:pass@p:1", Proxy("p", 1, basic(b"me:pass"))),
        ("me:p%40ss%3a@p:1", Proxy("p", 1, basic(b"me:p@ss:"))),
        ("http://me:p/@#?s@p:1", Proxy("p", 1, basic(b"me:p/@#?s"))),
        ("http://me@p:1", Proxy("p", 1, basic(b"me:"))),
        ("http://\udcff:\u00e9@p:1", Proxy("p", 1, basic(b"\xff:\xc3\xa9"))),
    ],
)
def test_a_proxy_is_read_as_people_write_it(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text, "--proxy") == proxy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found nothing"),
        ("http://", 'found "http://"'),
        ("no proxy", 'found "no proxy"'),
        ("http://me:secret@", 'found "http://****@"'),
        ("http://me:secret@p:99999", 'found "http://****@p:99999"'),
        ("me:secret@p:0", 'found "****@p:0"'),
        ("http://p:3128/path", 'found "http://p:3128/path", which has a path'),
        ("http://me:secret@p?q", 'found "http://****@p?q", which has a path'),
        ("socks5://me:secret@p:1", 'found "socks5://****@p:1"; such a proxy is not spoken to'),
        ("http://\x1b[31m", 'found "http://\\x1b[31m"'),
    ],
)
def test_what_is_no_proxy_is_one_line_without_a_password(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_proxy(text, "--proxy")
    expected = "--proxy: expected the URL of an HTTP proxy, such as http://127.0.0.1:3128, "
    assert str(caught.value) == expected + told
    assert "secret" not in str(caught.value.__cause__)


def test_a_proxy_shows_its_place_and_not_its_user() -> None:
    assert repr(parse_proxy("https://me:secret@[::1]:1", "x")) == "<Proxy [::1]:1 over TLS>"


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"http_proxy": "a:1"}, "a", None),
        ({"https_proxy": "b:1"}, None, "b"),
        ({"all_proxy": "c:1"}, "c", "c"),
        ({"http_proxy": "a:1", "HTTPS_PROXY": "b:1", "ALL_PROXY": "c:1"}, "a", "b"),
        ({"http_proxy": "a:1", "HTTP_PROXY": "x:1"}, "a", None),
        ({"all_proxy": "c:1", "ALL_PROXY": "x:1", "https_proxy": "b:1"}, "c", "b"),
        ({"http_proxy": "", "https_proxy": " ", "all_proxy": ""}, None, None),
        ({"http_proxy": "", "HTTP_PROXY": "a:1"}, "a", None),
        ({"HTTP_PROXY": "a:1", "HTTPS_PROXY": "b:1"}, "a", "b"),
        ({"HTTP_PROXY": "x:1", "HTTPS_PROXY": "b:1", "REQUEST_METHOD": "GET"}, None, "b"),
        ({"http_proxy": "a:1", "HTTP_PROXY": "x:1", "REQUEST_METHOD": ""}, "a", None),
        ({"all_proxy": "c:1", "no_proxy": "example.org"}, None, None),
        ({"all_proxy": "c:1", "NO_PROXY": ".org"}, None, None),
        ({"all_proxy": "c:1", "no_proxy": "example.com", "NO_PROXY": "*"}, "c", "c"),
        ({"all_proxy": "c:1", "no_proxy": "example.org:443"}, "c", None),
    ],
)
def test_the_environment_says_which(
    environ: dict[str, str], http: str | None, https: str | None
) -> None:
    proxies = proxies_from(environ)
    found = [proxies.proxy_for(target) for target in (HTTP, HTTPS)]
    assert [proxy and proxy.host for proxy in found] == [http, https]


def test_each_wrong_variable_is_named_in_a_line_of_its_own() -> None:
    with pytest.raises(SettingsError) as caught:
        proxies_from({"http_proxy": "me:secret@", "HTTPS_PROXY": "ftp://p", "all_proxy": "p:1"})
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["http_proxy", "HTTPS_PROXY"]
    assert "secret" not in str(caught.value)


def test_proxies_can_be_given_without_an_environment() -> None:
    proxies = Proxies(https=Proxy("p", 1), no_proxy="other.example")
    assert proxies.proxy_for(HTTP) is None
    assert proxies.proxy_for(HTTPS) == Proxy("p", 1)
    assert proxies.proxy_for(parse_url("https://a.other.example/")) is None


@given(st.text())
def test_whatever_is_written_is_a_proxy_or_one_line(text: str) -> None:
    try:
        proxy = parse_proxy(text, "--proxy")
    except SettingsError as error:
        assert str(error).isprintable()
    else:
        assert 0 < proxy.port < 65_536


@given(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="%\x00"), min_size=3)
)
def test_no_password_is_ever_shown(password: str) -> None:
    password = f"pw{password}pw"
    with pytest.raises(SettingsError) as caught:
        parse_proxy(f"http://me:{password}@host:port", "--proxy")
    assert password not in str(caught.value)
    assert password not in str(caught.value.__cause__)
