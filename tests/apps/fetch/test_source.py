"""URLs are read as they are asked for: none lost, none early, no more than one read held."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError

from apps.fetch.source import MAX_LINE, READ_BYTES, Source
from toolkit.testing import is_waiting, result_of


class Readers:
    """Knows who wants to read."""

    def __init__(self) -> None:
        self.reading: set[Any] = set()
        self.addReader = self.reading.add
        self.removeReader = self.reading.discard

    def turn(self) -> None:
        for reader in list(self.reading):
            reader.doRead()


def everything(source: Source, readers: Readers) -> list[str]:
    found = []
    while not source.exhausted:
        asked = source.next()
        while is_waiting(asked):
            readers.turn()
        url = result_of(asked)
        if url is not None:
            found.append(url)
    return found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_a_byte_order_mark_at_the_beginning_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "path"
    readers = Readers()
    for begins, found in ((b"http://b/", ["http://a/", "http://b/"]), (b"# c", ["http://a/"])):
        path.write_bytes(b"\xef\xbb\xbf" + begins + b"\n\xef\xbb\xbfc")
        source = Source(readers, ["http://a/"], os.open(path, os.O_RDONLY))
        assert everything(source, readers) == [*found, "\ufeffc"]


def test_those_named_come_first_then_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_bytes(b"# a comment\n\n  http://b/ \r\nhttp://c/\xff\n   \n  # another\nhttp://d/")
    readers = Readers()
    source = Source(readers, ["http://a/"], os.open(path, os.O_RDONLY))
    assert everything(source, readers) == ["http://a/", "http://b/", "http://c/\udcff", "http://d/"]
    assert source.exhausted
    assert not readers.reading


def test_a_slow_pipe_holds_nothing_up(pipe: tuple[int, int]) -> None:
    readers = Readers()
    source = Source(readers, [], pipe[0])
    first, second = source.next(), source.next()
    assert is_waiting(first)
    os.write(pipe[1], b"http://a/\nhttp:")
    readers.turn()
    assert result_of(first) == "http://a/"
    assert is_waiting(second)
    os.write(pipe[1], b"//b/\n")
    readers.turn()
    assert result_of(second) == "http://b/"
    assert not readers.reading  # nobody asks, nothing is read
    third = source.next()
    os.close(pipe[1])
    readers.turn()
    assert result_of(third) is None


def test_no_more_than_one_read_is_held(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_bytes(b"http://a/\n" * 100_000)
    readers = Readers()
    source = Source(readers, [], os.open(path, os.O_RDONLY))
    count = 0
    while not source.exhausted:
        asked = source.next()
        readers.turn()
        count += result_of(asked) is not None
        assert source.held <= READ_BYTES // 10 + 1
    assert count == 100_000


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_bytes(b"http://a/" + b"x" * 1_000_000 + b"\nhttp://b/\n")
    readers = Readers()
    urls = everything(Source(readers, [], os.open(path, os.O_RDONLY)), readers)
    assert [len(url) for url in urls] == [MAX_LINE, 9]


def test_one_who_gives_up_leaves_the_line_to_the_next(pipe: tuple[int, int]) -> None:
    readers = Readers()
    source = Source(readers, [], pipe[0])
    first, second = source.next(), source.next()
    first.cancel()
    with pytest.raises(CancelledError):
        result_of(first)
    os.write(pipe[1], b"http://a/\n")
    readers.turn()
    assert result_of(second) == "http://a/"


def test_a_file_that_cannot_be_read_fails_all_who_wait(tmp_path: Path) -> None:
    readers = Readers()
    source = Source(readers, [], os.open(tmp_path, os.O_RDONLY))
    asked = [source.next(), source.next()]
    readers.turn()
    for one in [*asked, source.next()]:
        with pytest.raises(IsADirectoryError):
            result_of(one)


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n\r#"), max_size=30)),
    st.lists(st.integers(1, 50), min_size=1),
)
def test_any_split_gives_the_same_urls(lines: list[str], sizes: list[int]) -> None:
    data = "\n".join(lines).encode("ascii")
    readers = Readers()
    reading, writing = os.pipe()
    try:
        source = Source(readers, [], reading)
        found = []
        asked = source.next()
        while data or writing >= 0:
            size = sizes[len(data) % len(sizes)]
            if data:
                os.write(writing, data[:size])
            else:
                os.close(writing)
                writing = -1
            data = data[size:]
            readers.turn()
            while not is_waiting(asked) and (url := result_of(asked)) is not None:
                found.append(url)
                asked = source.next()
    finally:
        os.close(reading)
    expected = [line.encode("ascii").strip().decode("ascii") for line in lines]
    assert found == [line for line in expected if line]
