"""no_proxy names hosts, with all below them, addresses and blocks of them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toolkit.http.direct import Direct


@pytest.mark.parametrize(
    ("no_proxy", "host", "port"),
    [
        ("example.org", "example.org", 80),
        ("example.org", "a.b.example.org", 80),
        (".example.org", "example.org", 80),
        (".example.org", "a.example.org", 80),
        ("*.example.org", "a.example.org", 80),
        ("EXAMPLE.org.", "a.example.org", 80),
        ("example.org", "example.org.", 80),
        ("bücher.example", "xn--bcher-kva.example", 80),
        ("localhost", "localhost", 80),
        ("a, b.example  c", "x.b.example", 80),
        ("a,,b.example,", "b.example", 80),
        ("a b.example", "b.example", 80),
        ("example.org:8080", "a.example.org", 8080),
        ("example.org:80", "example.org", 80),
        ("127.0.0.1", "127.0.0.1", 80),
        ("127.1", "127.0.0.1", 80),
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("10.0.0.0/8", "10.200.3.4", 80),
        ("10.1.2.3/8", "10.200.3.4", 80),
        ("::1", "::1", 80),
        ("[::1]", "::1", 80),
        ("[0:0::1]:8080", "::1", 8080),
        ("fd00::/8", "fd12::1", 80),
        ("[fd00::]/8", "fd12::1", 80),
        ("*", "example.org", 80),
        ("a, *", "::1", 80),
    ],
)
def test_what_is_named_is_asked_directly(no_proxy: str, host: str, port: int) -> None:
    assert Direct.parsed(no_proxy).holds(host, port)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port"),
    [
        ("", "example.org", 80),
        ("example.org", "example.com", 80),
        ("example.org", "notexample.org", 80),
        ("a.example.org", "example.org", 80),
        ("example.org:8080", "example.org", 80),
        ("127.0.0.1:8080", "127.0.0.1", 80),
        ("0.0.1", "127.0.0.1", 80),
        (".1", "127.0.0.1", 80),
        ("10.0.0.0/8", "11.0.0.1", 80),
        ("0.0.0.0/0", "::1", 80),
        ("0.0.0.0/0", "example.org", 80),
        ("::/0", "127.0.0.1", 80),
        ("<local>", "local", 80),
        ("10.0.0.0/33 [::1 example.org:x http://example.org/", "example.org", 80),
    ],
)
def test_what_is_not_named_is_not(no_proxy: str, host: str, port: int) -> None:
    assert not Direct.parsed(no_proxy).holds(host, port)


@given(st.text(), st.sampled_from(["example.org", "127.0.0.1", "::1"]))
def test_whatever_is_written_is_read(text: str, host: str) -> None:
    assert Direct.parsed(text).holds(host, 80) in (True, False)
    assert Direct.parsed(f"{text},{host}").holds(host, 80)
