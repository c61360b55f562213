"""The title of a page is what a browser shows, whatever the page is made of."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from toolkit.http.title import MAX_TITLE, title_of

HTML = b"text/html; charset=utf-8"
XHTML = b"application/xhtml+xml"


def of(page: str, content_type: bytes | None = HTML) -> str | None:
    return title_of(page.encode(), content_type)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<!doctype html><html><head><title>A page</title></head>", "A page"),
        ("<TITLE\nlang=en>A page</TiTle >", "A page"),
        ("<title>  A\r\n\t page&nbsp;\u2028 </title>", "A page"),
        ("<title>a &amp; b &lt;c&gt; &eacute;&#233;&#xe9; &copy</title>", "a & b <c> ééé ©"),
        ("<title>&#0; &#xD800; &#x110000;</title>", "\ufffd \ufffd \ufffd"),
        ("<title></title><title>second</title>", ""),
        ("<title>first</title><title>second</title>", "first"),
        ("<title/>not empty</title>", "not empty"),
        ("<title a='>' b=\">\" c=d'>A page</title>", "A page"),
        ("<p a=b='c>text<title>A page</title>", "A page"),
        ("1 < 2 </> </1> <1><title>A page</title>", "A page"),
    ],
)
def test_a_title_is_found_and_made_plain(page: str, title: str) -> None:
    assert of(page) == title


def test_what_is_within_a_title_is_text() -> None:
    title = "<b>bold</b> <!-- no comment --> <script> </titles>"
    assert of(f"<title>{title}</title><p>") == title


@pytest.mark.parametrize(
    "before",
    [
        "<!-- <title>no</title> -->",
        "<!--><!---><!-- --!>",
        "<!-- > -- ->--><!doctype html PUBLIC '<title'>",
        "<script>'<title>no</title>'</script>",
        "<SCRIPT src=x async>a </scripts> <title>no</title></SCRIPT\n>",
        "<style a='</style>'><title>no</title></style/>",
        "<textarea><title>no</title></textarea>",
        "<iframe><title>no</title></iframe><xmp><title>no</title></xmp>",
        "<svg><title>no</title></svg>",
        "<svg/><svg viewBox='0 0 1 1'><svg><title>no</title></svg><title>no</title></svg>",
        "<svg><style/><title/><![CDATA[</svg><title>no</title>]]></svg>",
        "<svg a=b/><title>no</title></svg>",
        "<template><title>no</title></template>",
        "<titles>no</titles><title-x>no</title-x>",
        "<p title='<title>no</title>'><p title=\"<title>no</title>\">",
        "<?php <title ?><![CDATA[ <title ]]>",
        "</title><!title>",
    ],
)
def test_what_only_looks_like_a_title_does_not_count(before: str) -> None:
    assert of(f"{before}<title>yes</title>") == "yes"
    assert of(before) is None


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>cut o", "cut o"),
        ("<title>cut off</titl", "cut off</titl"),
        ("<title>", ""),
        ("<title", None),
        ("<title a='>cut off</title>", None),
        ("<!-- <title>cut off</title>", None),
        ("<script><title>cut off</title>", None),
    ],
)
def test_what_has_no_end_goes_on_to_the_end_of_the_page(page: str, title: str | None) -> None:
    assert of(page) == title


@pytest.mark.parametrize("content_type", [XHTML, b"text/xml", b"application/xml; charset=utf-8"])
def test_in_xml_a_slash_ends_a_tag_and_a_section_is_literal(content_type: bytes) -> None:
    page = (
        "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><script src='x'/>"
        "<![CDATA[<title>no</title>]]><title>1 &lt; <![CDATA[2 &amp; <3>]]> &amp; 4</title>"
    )
    assert of(page, content_type) == "1 < 2 &amp; <3> & 4"


def test_the_encoding_is_the_page_s() -> None:
    page = "<meta charset=windows-1251><title>Привет</title>".encode("cp1251")
    assert title_of(page, b"text/html") == "Привет"


@pytest.mark.parametrize(
    "content_type", [b"image/png", b"text/plain", b"application/json", b"text/htmlx", b"xml"]
)
def test_what_is_no_markup_has_no_title(content_type: bytes) -> None:
    assert of("<title>no</title>", content_type) is None


def test_without_a_type_it_is_markup_if_it_begins_so() -> None:
    assert of(" \n<title>A page</title>", None) == "A page"
    assert of("\ufeff<title>A page</title>", b" ") == "A page"
    assert title_of("\ufeff<title>A page".encode("utf-16-le"), None) == "A page"
    assert of("PNG <title>no</title>", None) is None
    assert of("", None) is None


def test_a_long_title_is_cut_and_marked() -> None:
    assert of("<title>" + "é" * MAX_TITLE + "</title>") == "é" * MAX_TITLE
    assert of("<title>" + "é" * 100_000 + "</title>") == "é" * MAX_TITLE + "…"
    assert of("<title>early" + " " * 100_000 + "late</title>") == "early"


@pytest.mark.parametrize("number", ["&#" + "9" * 10_000 + ";", "&#" + "0" * 10_000 + "65"])
def test_a_number_too_long_for_python_is_none(number: str) -> None:
    assert of(f"<title>a {number} b</title>") == "a \ufffd b"


ENDLESS = [
    "<title", "<title ", "<title>", "</title", "</title ", "</title>", "<!--", "<!-- ", "<!-->",
    "<meta", "<meta ", "<meta charset=", "<", "</", "<!", "<?", "<![CDATA[", "<![CDATA[>", "<p>",
    "<a b='", '<a b="x" ', "a=b ", " =", "= ", "<svg>", "<svg/>", "<script>", "<style></style>",
    "&", "&amp", "&#", "&#1", "&#x1", " ", "-", "--", "\0", "é",
]  # fmt: skip


def seconds_for(page: str) -> float:
    began = time.process_time()
    title_of(page.encode(), b"text/html")
    return time.process_time() - began


@pytest.mark.parametrize("piece", ["<title", "<!--", "<meta"])
def test_5_mb_of_what_never_ends_take_less_than_a_second(piece: str) -> None:
    assert seconds_for(piece * (5_000_000 // len(piece))) < 1


@pytest.mark.parametrize("piece", ENDLESS)
@pytest.mark.parametrize("before", ["", "<title>", "<a ", "<!--", "<script>"])
def test_a_hostile_page_takes_time_in_proportion_to_its_length(before: str, piece: str) -> None:
    # What is quadratic takes minutes for so much; what is linear, a tenth of a second at most.
    assert seconds_for(before + piece * (1_000_000 // len(piece))) < 2


@given(st.binary(max_size=300), st.sampled_from([None, HTML, XHTML]) | st.binary(max_size=40))
def test_any_bytes_have_a_title_or_none(body: bytes, content_type: bytes | None) -> None:
    title = title_of(body, content_type)
    assert title is None or title == " ".join(title.split())


@given(st.lists(st.sampled_from([*ENDLESS, "</svg>", "</script>", ">", "'", '"', "/", "]]>"])))
def test_any_pieces_of_markup_have_a_title_or_none(pieces: list[str]) -> None:
    for content_type in (HTML, XHTML):
        title = of("<" + "".join(pieces), content_type)
        assert title is None or title == " ".join(title.split())


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="<&\0\r")))
def test_plain_text_in_a_title_comes_back(text: str) -> None:
    assert of(f"<title>{text}</title>") == " ".join(text.split())
