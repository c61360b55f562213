"""Queries and bodies: typed, or refused with the field's name; nothing else is raised."""

from __future__ import annotations

import gzip
import io
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import Meta
from twisted.web.http_headers import Headers

from toolkit.web.errors import BadRequest, UnsupportedMediaType
from toolkit.web.reading import Body, Query


class Place(msgspec.Struct):
    x: int


class Record(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: Annotated[str, Meta(max_length=5)]
    place: Place | None = None
    is_old: bool = False
    tags: Annotated[tuple[str, ...], Meta(max_length=2)] = ()
    limits: dict[Annotated[str, Meta(max_length=3)], int] = {}


class Request:
    """As much of a request as is read."""

    def __init__(self, query: bytes = b"", body: bytes = b"") -> None:
        self.uri = b"/?" + query
        self.content = io.BytesIO(body)
        self.requestHeaders = Headers({b"content-type": [b"application/json"]})


def read_body(body: bytes) -> Any:
    return Body(Record).read(Request(body=body))


def test_a_query_is_read_by_the_types_of_its_fields() -> None:
    record = Query(Record).read(Request(b"name=ann&isOld=true&tags=a&tags=b"))
    assert record == Record("ann", None, True, ("a", "b"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"name": "a", "place": {}}', "body: place.x: it is missing"),
        (b'{"name": "a", "place": {"x": "1"}}', "body: place.x: expected int, got str"),
        (b'{"name": "a", "tags": ["a", 2]}', "body: tags[1]: expected str, got int"),
        (b'{"name": "a", "isold": 1}', "body: isold: unknown field; did you mean 'isOld'?"),
        (
            b'{"name": "a", "limits": {"long": 1}}',
            "body: limits: a key: expected str of length <= 3",
        ),
    ],
)
def test_the_place_of_a_mistake_is_told(body: bytes, told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(body)
    assert str(caught.value) == told


@pytest.mark.parametrize("name", ["x", " - at `$", "`"])
def test_a_name_as_long_as_a_body_is_not_repeated_whole(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(msgspec.json.encode({"name": "a", name * (1_000_000 // len(name)): 1}))
    assert len(str(caught.value)) < 300


def test_a_body_nested_too_deep_is_refused() -> None:
    with pytest.raises(BadRequest, match="nested too deep"):
        Body(object).read(Request(body=b"[" * 100_000))


@given(st.binary())
def test_any_body_is_a_record_or_a_bad_request(body: bytes) -> None:
    try:
        assert isinstance(read_body(body), Record)
    except BadRequest as error:
        assert error.code in ("invalid-body", "invalid-json")


@given(st.binary())
def test_any_query_is_a_record_or_a_bad_request(query: bytes) -> None:
    try:
        assert isinstance(Query(Record).read(Request(query)), Record)
    except BadRequest as error:
        assert error.code == "invalid-query"


VALUES = st.integers() | st.text() | st.lists(st.integers()) | st.none()


@given(st.dictionaries(st.text(max_size=6), VALUES))
def test_any_object_is_a_record_or_a_bad_request(value: dict[str, Any]) -> None:
    try:
        assert isinstance(read_body(msgspec.json.encode({"name": "a", **value})), Record)
    except BadRequest as error:
        assert error.code == "invalid-body"
        assert str(error).startswith("body: ")


def coded(body: bytes, *codings: bytes) -> Any:
    request = Request(body=body)
    request.requestHeaders.setRawHeaders(b"content-encoding", codings)
    return Body(Record).read(request)


@pytest.mark.parametrize(
    "codings", [(b"gzip",), (b"GZIP",), (b"br",), (b"identity, gzip",), (b"identity", b"deflate")]
)
def test_a_body_that_is_compressed_is_refused_and_told_how_to_send_it(
    codings: tuple[bytes, ...],
) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        coded(gzip.compress(b'{"name": "a"}'), *codings)
    assert (caught.value.status, caught.value.code) == (415, "unsupported-content-encoding")
    assert caught.value.headers == {"accept-encoding": "identity"}


@pytest.mark.parametrize("coding", [b"identity", b"Identity", b""])
def test_a_body_that_is_not_compressed_may_say_so(coding: bytes) -> None:
    assert coded(b'{"name": "a"}', coding).name == "a"


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        (rb"\ud800", r"\ud800"),
        (rb"\uDC00", r"\uDC00"),
        (rb"\ud83d\ude00 \ud83d", r"\ud83d"),
        (rb"\ud800A", r"\ud800"),
        (rb"\\\udfff", r"\udfff"),
    ],
)
def test_half_a_character_is_told_as_such(text: bytes, escape: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_body(b'{"name": "%s"}' % text)
    assert caught.value.code == "invalid-json"
    assert str(caught.value) == (
        f"the body has half a character: {escape}, a surrogate without its other half"
    )


@pytest.mark.parametrize(
    ("text", "name"), [(rb"\ud83d\ude00", "😀"), (rb"\\ud8", r"\ud8"), (rb"\u00e9", "é")]
)
def test_a_whole_character_may_be_escaped(text: bytes, name: str) -> None:
    assert read_body(b'{"name": "%s"}' % text).name == name


def test_a_body_that_ends_too_soon_is_told_so() -> None:
    with pytest.raises(BadRequest, match="the body is not JSON: Input data was truncated"):
        read_body(b'{"name": "a')


def test_of_a_name_that_is_given_twice_the_last_counts() -> None:
    assert read_body(b'{"name": "a", "name": "b"}').name == "b"
