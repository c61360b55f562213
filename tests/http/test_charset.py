"""The encoding of a page is what says so first, and never a codec that is no charset."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, strategies as st

from toolkit.http.charset import PRESCAN_BYTES, text_of

HTML = b"text/html"


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", codecs.BOM_UTF16_LE),
    ],
)
def test_a_mark_wins_over_header_and_meta(codec: str, mark: bytes) -> None:
    text = "<meta charset=koi8-r>žluť"
    assert text_of(mark + text.encode(codec), b"text/html; charset=big5") == text


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/html; charset=iso-8859-2",
        b'text/html;charset="ISO-8859-2"; x=y',
        b"text/html; x=y ;\tCharset = latin2",
    ],
)
def test_the_header_wins_over_meta(content_type: bytes) -> None:
    body = "<meta charset=koi8-r>žluť".encode("iso-8859-2")
    assert text_of(body, content_type) == "<meta charset=koi8-r>žluť"


@pytest.mark.parametrize(
    "head",
    [
        "<meta charset=iso-8859-2>",
        "<META CHARSET = 'latin2' />",
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">',
        "<meta content='a; charset = \"latin2\"' http-equiv=content-type>",
        "<!-- <meta charset=koi8-r> --><meta charset=l2>",
        "<a title='<meta charset=koi8-r>'><meta charset=l2>",
        "<meta content='charset=koi8-r'><meta charset=l2>",
        "<meta charset=no-such><meta charset=l2>",
        "<meta charset=l2 charset=koi8-r><meta charset=koi8-r>",
        "<!doctype html><?x <meta charset=koi8-r?></x y='>'><meta/charset=l2>",
        "<?xml version='1.0' encoding='iso-8859-2'?>",
    ],
)
@pytest.mark.parametrize("content_type", [HTML, b"text/html; charset=no-such", None])
def test_the_first_meta_that_counts_is_obeyed(head: str, content_type: bytes | None) -> None:
    assert text_of(f"{head}žluť".encode("iso-8859-2"), content_type) == f"{head}žluť"


@pytest.mark.parametrize(
    "head",
    [
        "<!-- <meta charset=l2>",
        "<metacharset=l2>",
        "<meta name=charset content=l2>",
        "<meta http-equiv=content-type content='charset=\"l2'>",
        " " * PRESCAN_BYTES + "<meta charset=l2>",
        " <?xml version='1.0' encoding='latin2'?>",
    ],
)
def test_what_is_no_declaration_is_none(head: str) -> None:
    assert text_of(f"{head}žluť".encode(), HTML) == f"{head}žluť"


def test_a_page_that_says_nothing_is_utf8_if_it_can_be() -> None:
    assert text_of("naïve €".encode(), None) == "naïve €"
    assert text_of("naïve €".encode("cp1252"), None) == "naïve €"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("latin1", "cp1252", "€"),
        ("us-ascii", "cp1252", "“"),
        ("gb2312", "gb18030", "镕€"),
        ("shift_jis", "cp932", "①"),
        ("euc-kr", "cp949", "똠"),
        ("iso-8859-9", "cp1254", "ğ€"),
        ("tis-620", "cp874", "ก…"),
        ("big5", "big5hkscs", "中"),
        ("euc-jp", "euc_jp", "日本"),
        ("iso-2022-jp", "iso2022_jp", "日本"),
        ("x-sjis", "cp932", "ｱ"),
        ("windows-1251", "cp1251", "Привет"),
        ("koi8-u", "koi8-u", "Їжак"),
    ],
)
def test_a_label_is_what_browsers_take_it_for(label: str, codec: str, text: str) -> None:
    header = f"text/html; charset={label}".encode()
    assert text_of(text.encode(codec), header) == text


@pytest.mark.parametrize("label", ["utf-16", "utf-16be", "unicode"])
def test_a_meta_that_could_be_read_does_not_stand_in_utf16(label: str) -> None:
    assert text_of(f"<meta charset={label}>é".encode(), HTML).endswith("é")


def test_a_declaration_in_utf16_without_a_mark_is_known_by_its_zeros() -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        assert text_of("<?xml version='1.0'?>é".encode(codec), None).endswith("é")


@pytest.mark.parametrize("label", ["zip", "hex", "rot13", "idna", "punycode", "unicode_escape"])
def test_a_codec_of_python_is_no_charset(label: str) -> None:
    assert text_of("é\\x41".encode(), f"text/html; charset={label}".encode()) == "é\\x41"


@given(st.binary(max_size=200), st.none() | st.binary(max_size=80))
def test_any_bytes_are_some_text(body: bytes, content_type: bytes | None) -> None:
    text = text_of(body, content_type)
    assert text.encode().decode() == text


@given(
    st.lists(st.sampled_from([b"<meta ", b"charset=", b"'", b'"', b"<!--", b">", b"=", b"a"])),
    st.lists(st.sampled_from([b"text/html", b";", b" charset", b"=", b'"', b"utf-8", b" "])),
)
def test_pieces_of_declarations_are_some_text_too(body: list[bytes], header: list[bytes]) -> None:
    assert text_of(b"".join(body), b"".join(header)) == b"".join(body).decode()
