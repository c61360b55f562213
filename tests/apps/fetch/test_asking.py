"""Whatever comes of a URL is a result, and no file is left that should not be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from apps.fetch.asking import Asking, TitleOf
from apps.fetch.checking import Checksums
from apps.fetch.naming import name_for
from apps.fetch.partial import BEGINNING_BYTES
from apps.fetch.request import Request
from apps.fetch.result import Kept, Result
from apps.fetch.saving import File, Folder
from tests.apps.fetch.fetching import URL, FakeFetcher, error, kept, page
from toolkit.http.sink import NOWHERE
from toolkit.testing import is_waiting, result_of


def asked(
    fetcher: FakeFetcher,
    target: Folder | File | None = None,
    checksums: Checksums | None = None,
    titles: bool = False,
    keeps: bool = False,
    former: Kept | None = None,
    url: str = URL,
) -> Result:
    clock = Clock()
    title_of: TitleOf | None = (lambda body, _: body.decode()) if titles else None
    asking = Asking(clock, fetcher, None, target, checksums, title_of, keeps)
    return settled(clock, asking.ask(url, former))


def settled(clock: Clock, result: Deferred[Result]) -> Result:
    for _ in range(100):
        if is_waiting(result):
            clock.advance(0.05)
    return result_of(result)


def checksums(tmp_path: Path, body: bytes, name: str = URL) -> Checksums:
    path = tmp_path / "sums"
    path.write_text(f"{hashlib.sha256(body).hexdigest()}  {name}\n")
    return Checksums(str(path))


def test_what_is_sent_is_what_was_asked_for() -> None:
    fetcher = FakeFetcher({URL: page()})
    request = Request("PUT", (("A", "b"),), b"body")
    assert result_of(Asking(Clock(), fetcher, request).ask(URL)).status == 200
    assert fetcher.asked == [("PUT", URL, [(b"A", [b"b"])], b"body")]


def test_a_failure_is_a_result() -> None:
    found = asked(FakeFetcher({URL: error("stalled")}))
    assert found.error is not None
    assert found.error.code == "stalled"
    assert not isinstance(found, Kept)
    assert isinstance(asked(FakeFetcher({URL: error("stalled")}), keeps=True), Kept)


def test_a_title_is_found_where_it_is_asked_for(tmp_path: Path) -> None:
    fetcher = FakeFetcher({URL: page()})
    assert asked(fetcher).title is None
    assert asked(fetcher, titles=True).title == "hello"
    assert asked(fetcher, Folder(str(tmp_path)), titles=True).title == "hello"


def test_of_a_body_that_is_not_saved_no_more_is_kept_than_is_looked_at(tmp_path: Path) -> None:
    fetcher = FakeFetcher({URL: page(body=b"x" * (BEGINNING_BYTES + 1))})
    assert asked(fetcher).bytes == BEGINNING_BYTES + 1
    assert asked(fetcher, keeps=True).bytes == BEGINNING_BYTES + 1
    assert fetcher.sinks == [NOWHERE, NOWHERE]
    assert asked(fetcher, titles=True).title == "x" * BEGINNING_BYTES
    asked(fetcher, None, checksums(tmp_path, b""))
    assert fetcher.sinks[3:] == [None]  # the checksum is that of the whole


def test_the_title_of_a_page_that_says_no_is_found_too() -> None:
    found = asked(FakeFetcher({URL: page(status=404, body=b"gone")}), titles=True)
    assert (found.status, found.title) == (404, "gone")


def test_a_journal_gets_what_the_url_can_be_asked_again_by() -> None:
    fields = [(b"ETag", b'"1"'), (b"Last-Modified", b"yesterday")]
    found = asked(FakeFetcher({URL: page(fields=fields)}), keeps=True)
    assert isinstance(found, Kept)
    assert (found.etag, found.last_modified) == ('"1"', "yesterday")


def test_304_keeps_the_former_result() -> None:
    fetcher = FakeFetcher({URL: page(status=304, body=b"")})
    found = asked(fetcher, keeps=True, former=kept(etag='"1"'))
    assert fetcher.asked[0][2] == [(b"If-None-Match", [b'"1"'])]
    assert (found.status, found.bytes, found.failed) == (304, 5, False)


def test_304_is_only_itself_where_nothing_was_asked_conditionally() -> None:
    fetcher = FakeFetcher({URL: page(status=304, body=b"")})
    found = asked(fetcher, keeps=True, former=kept(status=500, etag='"1"'))
    assert fetcher.asked[0][2] == []
    assert found.bytes == 0


def test_a_body_is_saved_and_its_path_told(tmp_path: Path) -> None:
    found = asked(FakeFetcher({URL: page()}), Folder(str(tmp_path)))
    assert found.path == os.path.join(str(tmp_path), name_for(URL))
    assert Path(found.path).read_bytes() == b"hello"
    assert found.bytes == 5


@pytest.mark.parametrize("status", [304, 400, 404, 500])
def test_what_is_no_good_answer_is_not_saved(tmp_path: Path, status: int) -> None:
    found = asked(FakeFetcher({URL: page(status=status)}), Folder(str(tmp_path)))
    assert (found.status, found.path, found.error) == (status, None, None)
    assert os.listdir(tmp_path) == []


def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    found = asked(FakeFetcher({URL: error("truncated")}), Folder(str(tmp_path)))
    assert found.code == "truncated"
    assert os.listdir(tmp_path) == []


def test_what_is_cancelled_leaves_no_file(tmp_path: Path) -> None:
    fetcher = FakeFetcher()
    waiting = Asking(Clock(), fetcher, None, Folder(str(tmp_path))).ask(URL)
    assert len(os.listdir(tmp_path)) == 1
    waiting.cancel()
    with pytest.raises(CancelledError):
        result_of(waiting)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_is_write_failed() -> None:
    found = asked(FakeFetcher({URL: page()}), File("/dev/full"))
    assert found.error is not None
    assert (found.code, found.status, found.path) == ("write-failed", 200, None)
    assert found.error.message == "cannot write /dev/full: No space left on device"


def test_a_folder_that_goes_meanwhile_is_write_failed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    fetcher = FakeFetcher()
    waiting = Asking(Clock(), fetcher, None, Folder(str(folder))).ask(URL)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    fetcher.answer(page())
    assert result_of(waiting).code == "write-failed"


def test_a_fifo_that_nobody_reads_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    clock = Clock()
    asking = Asking(clock, FakeFetcher({URL: page()}), None, File(str(path)), wait_seconds=1.0)
    found = settled(clock, asking.ask(URL))
    assert found.error is not None
    assert "nobody has read from it within 1 s" in found.error.message


@pytest.mark.parametrize("saves", [False, True])
def test_what_has_its_checksum_is_kept(tmp_path: Path, saves: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    target = Folder(str(folder)) if saves else None
    found = asked(FakeFetcher({URL: page()}), target, checksums(tmp_path, b"hello"))
    assert found.error is None
    assert len(os.listdir(folder)) == saves


@pytest.mark.parametrize("saves", [False, True])
@pytest.mark.parametrize("name", [URL, "http://b/"])
def test_what_has_another_or_none_is_not(tmp_path: Path, saves: bool, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    target = Folder(str(folder)) if saves else None
    found = asked(FakeFetcher({URL: page()}), target, checksums(tmp_path, b"other", name))
    assert (found.code, found.status, found.path) == ("checksum-mismatch", 200, None)
    assert found.error is not None
    assert found.error.phase == "body"
    assert os.listdir(folder) == []


def test_an_answer_of_400_is_not_checked(tmp_path: Path) -> None:
    found = asked(FakeFetcher({URL: page(status=404)}), None, checksums(tmp_path, b"other"))
    assert found.error is None


def test_with_checksums_the_body_itself_is_asked_for(tmp_path: Path) -> None:
    fetcher = FakeFetcher({URL: page()})
    asked(fetcher, None, checksums(tmp_path, b"hello"), keeps=True, former=kept(etag='"1"'))
    assert fetcher.asked[0][2] == []


def test_a_bug_is_no_result() -> None:
    fetcher = FakeFetcher()
    asked = Asking(Clock(), fetcher).ask(URL)
    fetcher.answer(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        result_of(asked)
