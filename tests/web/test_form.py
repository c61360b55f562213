"""Forms: their fields as browsers send them, so many at most, in little time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.web.http import _getMultiPartArgs

from toolkit.web.errors import BadRequest, HttpError
from toolkit.web.form import form_fields, parameter_of

PARTS = b"multipart/form-data; boundary=cut"
NAMED = b"--cut\r\nContent-Disposition: form-data; name=a\r\n\r\n"


def read(body: bytes, kind: bytes = PARTS, most: int = 1000) -> dict[bytes, list[bytes]]:
    return form_fields(kind, body, most)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"form-data; name=a", b"a"),
        (b'form-data; name="a b"; filename="c"', b"a b"),
        (b'form-data; filename="; name=b"; name=a', b"a"),
        (b"form-data ; NAME = a ; b", b"a"),
        (b"form-data; b; name=a", b"a"),
        (b'form-data; name="a\\"b\\\\"', b'a"b\\'),
        (b'form-data; name="C:\\new"', b"C:\\new"),
        (b"form-data;\r\n name=a", b"a"),
        (b"form-data; name=a; name=b", b"a"),
        (b"form-data; name=", b""),
        (b"form-data; xname=a", None),
        (b"form-data; name*=utf-8''a", None),
        (b'form-data; filename="; name=a', None),
        (b"form-data", None),
        (b"", None),
        (b"x" + b";a=b" * 30 + b";name=a", None),
    ],
)
def test_a_parameter_of_a_header_is_found(header: bytes, value: bytes | None) -> None:
    assert parameter_of(header, b"name") == value


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (NAMED + b"x\r\n--cut--\r\n", {b"a": [b"x"]}),
        (NAMED + b"x\r\n" + NAMED + b"y\r\n--cut--", {b"a": [b"x", b"y"]}),
        (NAMED + b"\r\n--cut--", {b"a": [b""]}),
        (NAMED + b"\r\nx\r\n\r\n\r\n--cut--", {b"a": [b"\r\nx\r\n\r\n"]}),
        (NAMED + b"--cutx\r\n --cut\r\n--cut--", {b"a": [b"--cutx\r\n --cut"]}),
        (NAMED.replace(b"\r\n", b"\n") + b"x\n--cut--", {b"a": [b"x"]}),
        (b"before\r\n" + NAMED + b"x\r\n--cut-- \r\nafter\r\n--cut\r\n", {b"a": [b"x"]}),
        (b"--cut\r\ncontent-disposition:form-data;\r\n name=a\r\n\r\nx\r\n--cut--", {b"a": [b"x"]}),
        (b"--cut\r\nX: y\r\n\r\nx\r\n--cut--", {}),
        (b"--cut\r\n\r\nContent-Disposition: form-data; name=a\r\n\r\n--cut--", {}),
        (b"--cut\r\n--cut\r\n--cut--", {}),
        (b"--cut--", {}),
    ],
)
def test_the_fields_of_parts_are_between_the_lines_of_the_boundary(
    body: bytes, fields: dict[bytes, list[bytes]]
) -> None:
    assert read(body) == fields


def test_what_is_no_form_has_no_fields() -> None:
    assert read(b"a=b", b"text/plain") == read(b"a=b", b"") == {}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"multipart/form-data", b"--cut--"),
        (b"multipart/form-data; boundary=", b"--cut--"),
        (b"multipart/form-data; boundary=" + b"x" * 71, b"--cut--"),
        (PARTS, b""),
        (PARTS, b"x"),
        (PARTS, NAMED + b"x\r\n"),
        (PARTS, NAMED + b"x--cut--"),
    ],
)
def test_a_form_that_cannot_be_read_is_a_bad_request(kind: bytes, body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body, kind)
    assert caught.value.code == "malformed-form"


@pytest.mark.parametrize(
    ("kind", "field", "end"),
    [
        (b"application/x-www-form-urlencoded; charset=utf-8", b"a=b&", b"a=b"),
        (PARTS, NAMED + b"x\r\n", NAMED + b"x\r\n--cut--"),
        (b"Multipart/Form-Data; xboundary=zz; boundary=cut", NAMED, NAMED + b"\r\n--cut--"),
        (b'multipart/form-data; x="boundary=zz";boundary="cut"', NAMED, NAMED + b"\r\n--cut--"),
    ],
)
def test_there_are_so_many_fields_at_most(kind: bytes, field: bytes, end: bytes) -> None:
    assert len(read(field * 2 + end, kind, 3)[b"a"]) == 3
    with pytest.raises(HttpError) as caught:
        read(field * 3 + end, kind, 3)
    assert (caught.value.status, caught.value.code) == (413, "too-many-fields")


BROWSERS = st.lists(
    st.tuples(
        st.text("abc;= .é'", min_size=1).filter(str.isascii),
        st.lists(st.sampled_from([b"\r\n", b"\n", b"--", b"cut", b"a: b", b" ", b"\xff"])),
    ),
    min_size=1,
)


@given(BROWSERS)
def test_what_browsers_send_is_read_as_twisted_reads_it(sent: list[Any]) -> None:
    boundary = b"----7d29c1"
    body = b""
    for name, pieces in sent:
        head = b'Content-Disposition: form-data; name="%s"; filename="x"' % name.encode()
        body += b"--%b\r\n%b\r\nContent-Type: text/plain\r\n\r\n" % (boundary, head)
        body += b"".join(pieces) + b"\r\n"
    body += b"--%b--\r\n" % boundary
    kind = b"multipart/form-data; boundary=" + boundary
    assert read(body, kind) == _getMultiPartArgs(body, kind)


@given(st.lists(st.sampled_from([NAMED, b"\n", b"\r\n", b"--cut", b"--", b";", b'"', b"\\", b"a"])))
def test_whatever_is_sent_is_read_or_refused(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    try:
        fields = read(body, most=3)
    except HttpError as error:
        assert error.code in ("malformed-form", "too-many-fields")
    else:
        assert sum(map(len, fields.values())) <= 3


SIZE = 1_048_576
DISPOSITION = b"--cut\r\nContent-Disposition: form-data"


@pytest.mark.parametrize(
    "body",
    [
        NAMED * 20_000,
        NAMED + b"\r\n" * (SIZE // 2),
        NAMED + b"\n--cut" + b" " * SIZE,
        NAMED + b"\n--cut-" * (SIZE // 7),
        b"--cut\r\n" + b"X: y\r\n" * 170_000 + NAMED[7:],
        NAMED + b"--b\r\nA: b\r\n\r\n\r\n" * 60_000,
        DISPOSITION + b";" * SIZE,
        DISPOSITION + b';a="' * (SIZE // 4),
        DISPOSITION + b';a="' + b"\\" * SIZE,
        DISPOSITION + b"\r\n ;" * (SIZE // 4),
        DISPOSITION[:-1] + b" " * SIZE,
    ],
    ids=range(11),
)
def test_no_form_of_a_megabyte_holds_the_reactor(body: bytes) -> None:
    before = time.process_time()
    try:
        read(body + b"\r\n--cut--")
    except HttpError as error:
        assert error.code == "too-many-fields"
    # It takes 4 to 90 ms; Twisted's own reader of the same forms takes up to a second.
    assert time.process_time() - before < 0.3
