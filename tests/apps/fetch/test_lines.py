"""Each form of a line holds the result whole, and nothing in a result breaks it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, strategies as st

from apps.fetch.lines import COLUMNS, csv_line, line_maker, text_line
from apps.fetch.result import Result, answered, failed
from tests.apps.fetch.fetching import URL, error, page, result
from toolkit.http.page import Page, Timings

OK = result(URL, 200, b"x" * 12345)
REFUSED = failed("http://b.example/", error(message="b.example:80 refused it"))


def test_a_line_for_a_pipe_has_tabs() -> None:
    assert text_line(OK) == f"200\t12345\t30\t{URL}"
    assert text_line(REFUSED) == "connect-refused\t-\t0\thttp://b.example/\tb.example:80 refused it"
    assert text_line(answered(URL, page(), "A\ttitle")) == f"200\t5\t30\t{URL}\tA\\ttitle"


def test_the_milliseconds_are_without_our_own_waiting() -> None:
    found = answered(URL, page(seconds=9.0, timings=Timings(queue=8.5, body=0.5)))
    assert text_line(found) == f"200\t5\t500\t{URL}"
    assert found.seconds == 9.0


def test_a_line_for_a_terminal_has_columns() -> None:
    lines = [text_line(OK, aligned=True), text_line(REFUSED, aligned=True)]
    assert lines[0].index("http://a") == lines[1].index("http://b")
    assert lines[0].startswith("200   ")
    assert "\t" not in "".join(lines)
    assert lines[1].endswith("  b.example:80 refused it")


@given(url=st.text(), message=st.text(), aligned=st.booleans())
def test_nothing_breaks_a_line_or_a_column(url: str, message: str, aligned: bool) -> None:
    printed = text_line(failed(url, error(message=message)), aligned)
    assert printed.replace("\t", "").isprintable()
    if not aligned:
        assert len(printed.split("\t")) == 5


def test_csv_has_the_records_columns_flattened() -> None:
    found = Page(
        "http://a, b/", URL, 200, [(b"content-type", b'text/"html"')], b"", 5, 0.5,
        Timings(queue=0.00001, body=1.5), 2, ("http://1/", "http://2/"),
    )  # fmt: skip
    [row] = csv.DictReader(
        io.StringIO(",".join(COLUMNS) + "\r\n" + csv_line(answered("http://a, b/", found, "T")))
    )
    record = dict.fromkeys(COLUMNS, "") | {
        "url": "http://a, b/",
        "final_url": URL,
        "status": "200",
        "bytes": "5",
        "seconds": "0.500000",
        "timings.queue": "0.000010",
        "timings.body": "1.500000",
        "attempts": "2",
        "redirects": "http://1/ http://2/",
        "content_type": 'text/"html"',
        "title": "T",
    }
    assert row == record


@given(text=st.text())
def test_a_row_of_csv_is_one_line_and_never_a_formula(text: str) -> None:
    line = csv_line(failed(text, error(message=text)))
    assert line.isprintable()
    [row] = csv.reader([line], strict=True)
    assert len(row) == len(COLUMNS)
    assert not row[0].startswith(("=", "+", "-", "@"))
    assert row[0].removeprefix("'").startswith("-") == text.startswith("-")


def test_lines_of_each_form_have_their_ends_and_csv_its_header() -> None:
    header, jsonl = line_maker("jsonl")
    assert header == b""
    assert jsonl(OK).endswith(b"}\n")
    assert next(iter(json.loads(jsonl(OK)))) == "url"
    header, row = line_maker("csv")
    assert header == ",".join(COLUMNS).encode() + b"\r\n"
    assert row(OK).endswith(b"\r\n")
    header, text = line_maker("text")
    assert (header, text(OK)) == (b"", f"200\t12345\t30\t{URL}\n".encode())


@pytest.mark.parametrize(("encoding", "said"), [("ascii", b"\\xe9"), ("utf-8", b"\xc3\xa9")])
def test_text_the_terminal_has_no_byte_for_is_escaped(encoding: str, said: bytes) -> None:
    line = line_maker("text", encoding=encoding)[1]
    found: Result = result("http://é/")
    assert said in line(found)
