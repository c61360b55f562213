"""A URL is asked for conditionally only where its former result can stand for the answer."""

from __future__ import annotations

from pathlib import Path

from apps.fetch.refreshing import conditions, unchanged
from tests.apps.fetch.fetching import kept, result


def test_both_validators_are_sent() -> None:
    former = kept(etag='W/"1"')
    former.last_modified = "Mon, 01 Jan 2024 00:00:00 GMT"
    assert conditions(former, saves=False, titles=False) == [
        ("If-None-Match", 'W/"1"'),
        ("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ]


def test_nothing_is_sent_for_what_is_not_known_or_failed() -> None:
    assert conditions(None, saves=False, titles=False) == []
    assert conditions(kept(), saves=False, titles=False) == []
    assert conditions(kept(status=404, etag='"1"'), saves=False, titles=False) == []


def test_a_file_that_is_gone_or_of_another_size_is_asked_for_whole(tmp_path: Path) -> None:
    former = kept(etag='"1"')
    assert conditions(former, saves=True, titles=False) == []
    former.path = str(tmp_path / "saved")
    assert conditions(former, saves=True, titles=False) == []
    (tmp_path / "saved").write_bytes(b"hell")  # cut off, by whoever
    assert conditions(former, saves=True, titles=False) == []
    (tmp_path / "saved").write_bytes(b"hello")
    assert conditions(former, saves=True, titles=False) == [("If-None-Match", '"1"')]


def test_a_title_that_is_not_known_is_asked_for() -> None:
    former = kept(etag='"1"')
    assert conditions(former, saves=False, titles=True) == []
    former.title = "T"
    assert conditions(former, saves=False, titles=True) == [("If-None-Match", '"1"')]


def test_304_keeps_what_is_known_of_the_body() -> None:
    former = kept(etag='"1"')
    former.title, former.path, former.content_type = "T", "d/a", "text/html"
    found = unchanged(result(status=304, body=b"", seconds=2.0), former)
    assert (found.status, found.seconds, found.failed) == (304, 2.0, False)
    assert (found.bytes, found.title, found.path, found.etag) == (5, "T", "d/a", '"1"')
    assert found.content_type == "text/html"
