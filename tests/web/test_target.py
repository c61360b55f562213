"""The first line and the Host of a request: taken where they are valid, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from toolkit.web.target import method_of_other_version, name_a_host, path_of


@pytest.mark.parametrize(
    ("hosts", "version", "is_named"),
    [
        ([b"a"], b"HTTP/1.1", True),
        ([b"a.example:8080"], b"HTTP/1.1", True),
        ([b"[::1]:80"], b"HTTP/1.1", True),
        ([], b"HTTP/1.0", True),
        ([], b"HTTP/1.1", False),
        ([b"a", b"a"], b"HTTP/1.1", False),
        ([b"a", b"b"], b"HTTP/1.0", False),
        ([b"a..b"], b"HTTP/1.0", False),
        ([b"a@b"], b"HTTP/1.1", False),
        ([b"a" * 64], b"HTTP/1.1", False),
        ([b".".join([b"a" * 63] * 5)], b"HTTP/1.1", False),
    ],
)
def test_one_valid_host_is_named(hosts: list[bytes], version: bytes, is_named: bool) -> None:
    assert name_a_host(hosts, version) is is_named


@pytest.mark.parametrize(
    ("method", "target", "path"),
    [
        (b"GET", b"http://example/a?b=c", b"/a?b=c"),
        (b"GET", b"https://example", b"/"),
        (b"GET", b"http://example?a=/b", b"/?a=/b"),
        (b"OPTIONS", b"*", b"*"),
        (b"GET", b"*", None),
        (b"GET", b"a", None),
        (b"CONNECT", b"example:443", None),
        (b"GET", b"ftp://example/", None),
        (b"GET", b"http://[/users/ann", None),
        (b"GET", b"http://a@example/", None),
        (b"GET", b"http://[::1]:80/a", b"/a"),
    ],
)
def test_a_target_is_a_path_a_url_or_the_server(
    method: bytes, target: bytes, path: bytes | None
) -> None:
    assert path_of(method, target) == path


@given(st.binary(), st.binary())
def test_of_any_target_comes_a_path_or_nothing(method: bytes, target: bytes) -> None:
    assert (path_of(method, target) or b"/")[:1] in (b"/", b"*")


@pytest.mark.parametrize(
    ("line", "method"),
    [
        (b"GET / HTTP/2.0", b"GET"),
        (b"PRI * HTTP/2.0", b"PRI"),
        (b"HEAD / HTTP/0.9", b"HEAD"),
        (b"G(T / HTTP/1.1", b""),
        (b"GET / http/2.0", b""),
        (b"GET / HTTP/2", b""),
        (b"GET /", b""),
        (b"", b""),
    ],
)
def test_another_version_is_told_from_what_is_no_http(line: bytes, method: bytes) -> None:
    assert method_of_other_version(line) == method
