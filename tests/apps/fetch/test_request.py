"""What the options say is what is sent; what could not be is refused in one line."""

from __future__ import annotations

import pytest

from apps.fetch.request import FORM, JSON, Request, request_from

FILES = {"form": b"a=1\r\nb=2\n\0", "-": b'{"a": 1}\n'}


def made(
    method: str | None = None,
    headers: tuple[str, ...] = (),
    data: tuple[str, ...] = (),
    json: tuple[str, ...] = (),
) -> Request:
    return request_from(method, list(headers), list(data), list(json), FILES.__getitem__)


def test_without_options_it_is_a_get() -> None:
    assert made() == Request("GET", (), None)


def test_data_is_a_form_by_post() -> None:
    assert made(data=("a=1", "b=\udcff", "@form")) == (
        "POST", (("Content-Type", FORM),), b"a=1&b=\xff&a=1b=2"
    )  # fmt: skip


def test_json_is_sent_as_it_is() -> None:
    assert made(json=("@-", "é")) == (
        "POST", (("Content-Type", JSON), ("Accept", JSON)), '{"a": 1}\né'.encode()
    )  # fmt: skip


def test_a_body_that_is_empty_is_one() -> None:
    assert made(data=("",)).body == b""
    assert made(data=("",)).method == "POST"


def test_what_is_given_goes_before_what_is_implied() -> None:
    request = made("PUT", ("content-type: text/plain", "X-Empty;", "A:\t b: c "), json=("1",))
    assert request.method == "PUT"
    assert request.headers == (
        ("content-type", "text/plain"), ("X-Empty", ""), ("A", "b: c"), ("Accept", JSON)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "headers", "said"),
    [
        ("GE T", (), "-X: expected a method such as POST, not GE T"),
        ("", (), "-X: expected a method"),
        ("connect", (), "-X: expected a method"),
        (None, ("nonsense",), "-H: expected 'Name: value' on one line, not 'nonsense'"),
        (None, ("A: b\r\nC: d",), "on one line, not 'A: b\\\\r\\\\nC: d'"),
        (None, (": x",), "-H: expected"),
        (None, ("é: x",), "-H: expected"),
        (None, ("Content-Length: 5",), "-H: Content-Length cannot be set"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    method: str | None, headers: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        made(method, headers)


def test_two_kinds_of_body_are_refused() -> None:
    with pytest.raises(ValueError, match="give one"):
        made(data=("a",), json=("b",))
