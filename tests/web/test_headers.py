"""The headers of an answer: those that can be sent, and are not for the server to set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.web.http_headers import Headers

from toolkit.web.headers import check_headers


@pytest.mark.parametrize(
    "headers", [{}, {"Retry-After": "5"}, {"X-A": "é €"}, {"x-a": ""}, {"Set-Cookie": "a=b; c"}]
)
def test_a_header_that_can_be_sent_is_taken(headers: dict[str, str]) -> None:
    before = dict(headers)
    check_headers(headers)
    assert headers == before


@pytest.mark.parametrize(
    ("headers", "kind", "said"),
    [
        ({"Retry-After": 5}, TypeError, "expected a header of text, found 'Retry-After': 5"),
        ({b"A": b"b"}, TypeError, "expected a header of text"),
        ({"Content-Length": "1"}, ValueError, "the header Content-Length is for the server to set"),
        ({"TRANSFER-ENCODING": "chunked"}, ValueError, "is for the server to set"),
        ({"connection": "close"}, ValueError, "is for the server to set"),
        ({"keep-alive": "5"}, ValueError, "is for the server to set"),
        ({"X A": "b"}, ValueError, "expected a header that can be sent, found 'X A': 'b'"),
        ({"": "b"}, ValueError, "expected a header that can be sent"),
        ({"€": "b"}, ValueError, "expected a header that can be sent"),
        ({"A": "\udcff"}, ValueError, "expected a header that can be sent"),
        ({"A": "b\x00"}, ValueError, "expected a header that can be sent"),
    ],
)
def test_one_that_cannot_is_named(
    headers: dict[Any, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        check_headers(headers)
    assert said in str(caught.value)


@given(st.text(max_size=5), st.text())
def test_what_is_taken_twisted_takes_too(name: str, value: str) -> None:
    try:
        check_headers({name: value})
    except ValueError:
        return
    headers = Headers()
    headers.setRawHeaders(name, [value])
    assert headers.hasHeader(name)
