"""A download is whole under its name or not there at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.http.net import Net, error_of, head, headers, moved, page_of, whole
from toolkit.http.failures import FetchError
from toolkit.http.sink import NOWHERE, FileSink


def written(path: Path, *pieces: bytes) -> FileSink:
    """A sink that has been given these pieces."""
    sink = FileSink(str(path))
    sink.begin()
    for piece in pieces:
        sink.write(piece)
    return sink


def test_a_body_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "page"
    sink = written(path, b"one ", b"", b"two")
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1
    sink.end()
    assert path.read_bytes() == b"one two"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_until_the_end_and_when_it_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"old")
    sink = written(path, b"new")
    assert path.read_bytes() == b"old"
    sink.drop()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    sink.begin()  # the request is sent again
    sink.write(b"newer")
    sink.end()
    assert path.read_bytes() == b"newer"


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "page", tmp_path / "link"
    link.symlink_to(target)
    written(link, b"new").end()
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "ü" * 127 + "\udcff", ".hidden", "a\nb"])
def test_a_name_may_be_as_long_and_as_odd_as_the_file_system_takes(
    tmp_path: Path, name: str
) -> None:
    written(tmp_path / name, b"new").end()
    assert os.listdir(tmp_path) == [name]


def test_two_downloads_to_one_name_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "page"
    first, second = written(path, b"first"), written(path, b"second")
    second.end()
    first.end()
    assert path.read_bytes() == b"first"


def test_a_fifo_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        written(path, b"through").end()
        assert os.read(reading, 100) == b"through"
    finally:
        os.close(reading)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_fifo_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(FetchError) as caught:
        FileSink(str(path)).begin()
    assert caught.value.code == "write-failed"


def test_a_device_is_written_in_place_and_a_full_one_says_so() -> None:
    sink = FileSink("/dev/full")
    sink.begin()
    with pytest.raises(FetchError, match=r"cannot write /dev/full: No space left") as caught:
        sink.write(b"x")
    assert caught.value.code == "write-failed"
    sink.drop()
    written(Path("/dev/null"), b"x").end()
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["missing/page", ".", "file/page", "nul\0", "n" * 256])
def test_what_cannot_be_written_is_said_before_a_byte_is_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    sink = FileSink(str(tmp_path / name))
    with pytest.raises(FetchError, match="cannot write") as caught:
        sink.begin()
    assert caught.value.code == "write-failed"
    assert str(caught.value).isprintable()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_that_has_become_a_folder_is_write_failed(tmp_path: Path) -> None:
    path = tmp_path / "page"
    sink = written(path, b"new")
    path.mkdir()
    (path / "inside").write_bytes(b"")
    with pytest.raises(FetchError, match="cannot write"):
        sink.end()
    sink.drop()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["drop", "end"])
def test_a_part_that_somebody_has_removed_is_no_bug(tmp_path: Path, end: str) -> None:
    sink = written(tmp_path / "page", b"new")
    for part in tmp_path.iterdir():
        part.unlink()
    if end == "drop":
        sink.drop()
    else:
        with pytest.raises(FetchError, match="cannot write"):
            sink.end()
    assert list(tmp_path.iterdir()) == []


# As a fetch uses it


def test_a_download_has_no_body_and_its_size(tmp_path: Path) -> None:
    net, path = Net(), tmp_path / "page"
    fetched = net.fetcher.download("http://a.example/", str(path))
    net.answer(moved("/x"))
    assert list(tmp_path.iterdir()) == []  # the body of a redirect is nobody's
    net.answer(head("200 OK", "Content-Length: 10") + b"first")
    net.answer(b"-then")
    page = page_of(fetched)
    assert (page.body, page.size) == (b"", 10)
    assert path.read_bytes() == b"first-then"
    net.end()


def test_an_answer_of_400_and_above_writes_nothing(tmp_path: Path) -> None:
    net, path = Net(), tmp_path / "page"
    path.write_bytes(b"old")
    fetched = net.fetcher.download("http://a.example/", str(path))
    net.answer(whole(b"nothing here", "404 None"))
    assert page_of(fetched).body == b"nothing here"
    assert path.read_bytes() == b"old"
    net.end()


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    net, path = Net(), tmp_path / "page"
    path.write_bytes(b"as it was")
    asked = headers(If_None_Match='"7"')
    sink = FileSink(str(path))
    fetched = net.fetcher.request("GET", "http://a.example/", asked, sink=sink)
    net.answer(head("304 Same", 'ETag: "7"'))
    assert (page_of(fetched).status, path.read_bytes()) == (304, b"as it was")
    net.end()


def cut(net: Net) -> None:
    net.peers[0].close()


def late(net: Net) -> None:
    net.clock.advance(40)


def garbage(net: Net) -> None:
    net.answer(b"zz\r\n")


@pytest.mark.parametrize("end", [cut, late, garbage])
def test_a_download_that_fails_leaves_what_was_there(tmp_path: Path, end: Any) -> None:
    net, path = Net(retries=0), tmp_path / "page"
    path.write_bytes(b"old")
    fetched = net.fetcher.download("http://a.example/", str(path))
    net.answer(head("200 OK", "Transfer-Encoding: chunked") + b"2\r\nhi\r\n")
    end(net)
    assert error_of(fetched).code in ("truncated", "stalled", "malformed-response")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    net.end()


def test_a_download_that_is_tried_again_begins_anew(tmp_path: Path) -> None:
    net, path = Net(), tmp_path / "page"
    fetched = net.fetcher.download("http://a.example/", str(path))
    net.answer(head("200 OK", "Content-Length: 10") + b"half")
    net.peers[0].close()
    assert list(tmp_path.iterdir()) == []
    net.clock.advance(1)
    net.answer(whole(b"whole"))
    assert (page_of(fetched).attempts, path.read_bytes()) == (2, b"whole")
    net.end()


def test_a_full_disk_fails_one_and_the_others_go_on(tmp_path: Path) -> None:
    net = Net(per_host=2)
    full = net.fetcher.download("http://a.example/1", "/dev/full")
    other = net.fetcher.download("http://a.example/2", str(tmp_path / "page"))
    body = head("200 OK", "Content-Length: 10") + b"half"
    net.answer(body, 0)
    net.answer(body, 1)
    assert error_of(full).code == "write-failed"
    assert len(net.open) == 1
    net.answer(b"-whole", 1)
    assert page_of(other).size == 10
    net.end()


def test_a_folder_that_is_removed_meanwhile_loses_no_turn(tmp_path: Path) -> None:
    net, folder = Net(concurrency=1), tmp_path / "folder"
    folder.mkdir()
    fetched = net.fetcher.download("http://a.example/", str(folder / "page"))
    net.answer(head("200 OK", "Content-Length: 10") + b"half")
    for part in folder.iterdir():
        part.unlink()
    folder.rmdir()
    fetched.cancel()
    assert error_of(fetched).code == "cancelled"
    net.end()


def test_who_may_read_what_was_there_may_read_what_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_bytes(b"old")
    path.chmod(0o600)
    sink = FileSink(str(path))
    sink.begin()
    sink.write(b"new")
    sink.end()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("code", [200, 404])
def test_a_body_that_nobody_wants_is_counted_and_not_kept(code: int) -> None:
    net = Net()
    fetched = net.fetcher.request("GET", "http://a.example/", sink=NOWHERE)
    net.answer(b"HTTP/1.1 %d OK\r\nContent-Length: 6\r\n\r\nnot" % code)
    net.answer(b"one")
    page = page_of(fetched)
    assert (page.status, page.size, page.body) == (code, 6, b"")
    fetched = net.fetcher.request("GET", "http://a.example/", sink=NOWHERE)
    net.answer(whole(b"whole"))
    assert (page_of(fetched).size, page_of(fetched).body) == (5, b"")
