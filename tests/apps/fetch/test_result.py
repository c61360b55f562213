"""A result is the record that the README promises, and comes back from its line as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from apps.fetch.result import Kept, Result, answered, decoded, encoded, failed, field_of
from tests.apps.fetch.fetching import URL, error, kept, page, result
from toolkit.http.page import Page, Timings, Trail

KEYS = [
    "url", "final_url", "status", "bytes", "seconds", "timings", "attempts", "redirects",
    "content_type", "title", "path", "error",
]  # fmt: skip
PHASES = ["queue", "name", "connect", "tls", "first_byte", "body"]
# What a command line can hold: any text, and bytes that were no UTF-8 as surrogate escapes.
GIVEN = st.one_of(st.text(), st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))


def test_the_record_of_a_page_has_its_keys_in_order_and_all_six_timings() -> None:
    fields = [(b"Content-Type", b"text/html; charset=utf-8")]
    found = Page(
        "http://a.example", URL, 200, fields, b"hello", 5, 0.0314159265,
        Timings(queue=0.001, first_byte=0.02), 2, ("http://a.example/old",),
    )  # fmt: skip
    record = json.loads(encoded(answered("http://a.example", found, "Hello", "d/a")))
    assert list(record) == KEYS
    assert list(record["timings"]) == PHASES
    assert record == {
        "url": "http://a.example",
        "final_url": URL,
        "status": 200,
        "bytes": 5,
        "seconds": 0.031416,
        "timings": dict.fromkeys(PHASES) | {"queue": 0.001, "first_byte": 0.02},
        "attempts": 2,
        "redirects": ["http://a.example/old"],
        "content_type": "text/html; charset=utf-8",
        "title": "Hello",
        "path": "d/a",
        "error": None,
    }


def test_the_record_of_an_error_says_how_far_it_came() -> None:
    failure = error("truncated", "it was cut off")
    failure.phase = "body"
    timings = Timings(queue=0.0, first_byte=1.0, body=0.5)
    failure.trail = Trail("http://b.example/", 1.5, timings, 3, ("http://c.example/",), 200)
    record = json.loads(encoded(failed(URL, failure)))
    assert list(record) == KEYS
    assert record["error"] == {"code": "truncated", "phase": "body", "message": "it was cut off"}
    assert (record["final_url"], record["status"], record["seconds"]) == (
        "http://b.example/", 200, 1.5
    )  # fmt: skip
    assert (record["attempts"], record["redirects"]) == (3, ["http://c.example/"])
    assert record["timings"]["body"] == 0.5


def test_an_error_before_the_first_request_has_no_trail() -> None:
    record = json.loads(encoded(failed("a", error("invalid-url"))))
    assert (record["final_url"], record["status"], record["attempts"]) == (None, None, 0)
    assert record["timings"] == dict.fromkeys(PHASES)
    assert record["error"]["phase"] is None


def test_an_answer_of_400_is_no_error_but_failed() -> None:
    assert not result(status=399).failed
    assert result(status=400).failed
    assert result(status=400).error is None
    assert failed(URL, error()).failed


def test_a_further_key_is_there_only_in_a_journal_and_only_where_it_is_known() -> None:
    assert b"etag" not in encoded(kept())
    assert json.loads(encoded(kept(etag='"x"')))["etag"] == '"x"'


@given(url=GIVEN, title=st.none() | st.text())
def test_what_is_written_is_read_back(url: str, title: str | None) -> None:
    found = answered(url, page(url), title)
    line = encoded(found)
    back = decoded(line)
    assert b"\n" not in line
    assert line.decode().isprintable()
    assert (back.url, back.title, back.seconds) == (url, title, found.seconds)
    assert back.timings == found.timings
    assert json.loads(line)["url"] == url


def test_what_drives_a_terminal_is_escaped_and_the_rest_stays_as_it_is() -> None:
    line = encoded(answered("http://é/\x9b\x7f\u202e\U000e0001", page()))
    assert line.startswith(b'{"url":"http://\xc3\xa9/\\u009b\\u007f\\u202e\\udb40\\udc01"')


def test_a_byte_that_is_no_utf_8_is_its_surrogate_escape() -> None:
    line = encoded(answered("http://a/\udcff\x7f", page()))
    assert line.startswith(b'{"url":"http://a/\\udcff\\u007f",')


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b'"status":200', b'"status":"200"'),
        (b'"bytes":5,', b""),
        (b'"title":null', b'"title":null,"more":1'),
        (b'"redirects":[]', b'"redirects":null'),
        (b'"queue"', b'"queues"'),
        (b'"error":null}', b'"error":null'),
        (b'"error":null}', b'"error":null}{}'),
        (b'"error":null}', b'"error":"\\udcff"}'),
        (b'{"url":', b'{"url":' + b"[" * 100_000 + b'"\\udcff"'),
    ],
)
def test_what_is_no_such_record_is_refused(part: bytes, instead: bytes) -> None:
    line = encoded(result())
    assert isinstance(decoded(line), Kept)
    assert part in line
    with pytest.raises(ValueError, match=r"."):
        decoded(line.replace(part, instead))


def test_a_header_is_found_whatever_its_case() -> None:
    found = page(fields=[(b"X", b"1"), (b"ETag", b'"a\xff"'), (b"etag", b"2")])
    assert field_of(found, b"etag") == '"a\xff"'
    assert field_of(found, b"last-modified") is None


def test_a_result_of_each_kind_has_one_word() -> None:
    assert (result().code, failed("a", error()).code) == ("200", "connect-refused")
    assert isinstance(result(), Result)
