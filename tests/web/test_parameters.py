"""Parameters are read as WHATWG's URL standard reads them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, strategies as st

from toolkit.web.parameters import parameters


@pytest.mark.parametrize(
    ("encoded", "found"),
    [
        (b"", {}),
        (b"a=b&a=c&d=e", {b"a": [b"b", b"c"], b"d": [b"e"]}),
        (b"a=b;c=d", {b"a": [b"b;c=d"]}),
        (b"a&b=", {b"a": [b""], b"b": [b""]}),
        (b"&&a=b&", {b"a": [b"b"]}),
        (b"=a", {b"": [b"a"]}),
        (b"a=b=c", {b"a": [b"b=c"]}),
        (b"%61+b=c+d%2B%zz", {b"a b": [b"c d+%zz"]}),
    ],
)
def test_parameters_are_what_is_between_ampersands(
    encoded: bytes, found: dict[bytes, list[bytes]]
) -> None:
    assert parameters(encoded) == found


@given(st.text("ab&;=+%26 ", max_size=20))
def test_they_are_those_of_python(encoded: str) -> None:
    found = parse_qs(encoded, keep_blank_values=True, encoding="latin-1")
    assert parameters(encoded.encode()) == {
        name.encode("latin-1"): [value.encode("latin-1") for value in values]
        for name, values in found.items()
    }


@given(st.lists(st.tuples(st.text(), st.text())))
def test_what_is_encoded_is_read_back(pairs: list[tuple[str, str]]) -> None:
    found = parameters(urlencode(pairs, errors="surrogatepass").encode())
    for name, value in pairs:
        assert value.encode() in found[name.encode()]


@given(st.binary())
def test_any_bytes_are_parameters(encoded: bytes) -> None:
    assert sum(map(len, parameters(encoded).values())) <= encoded.count(b"&") + 1
