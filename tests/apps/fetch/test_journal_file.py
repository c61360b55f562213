"""A journal's file: whole lines, one process at a time, and no disk or name that spoils it."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as some

from apps.fetch.journal_file import MAX_LINE, JournalFailed, JournalFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def opened(path: Path, *lines: bytes) -> JournalFile:
    path.write_bytes(b"".join(lines))
    return JournalFile(str(path))


def test_each_line_is_given_with_where_it_begins_and_what_follows_the_last_too(path: Path) -> None:
    file = opened(path, b"one\n", b"\n", b"three\n", b"to")
    assert list(file.lines()) == [(0, b"one\n"), (4, b"\n"), (5, b"three\n"), (11, b"to")]
    assert [file.line_at(offset) for offset in (0, 4, 5, 11, 99)] == [
        b"one",
        b"",
        b"three",
        b"to",
        b"",
    ]
    file.close()


def test_a_line_longer_than_a_block_is_read_whole(path: Path) -> None:
    file = opened(path)
    assert file.append(b"first\n") == 0
    where = file.append(b"x" * 200_000 + b"\n")
    assert file.append(b"last\n") == file.size - 5
    assert file.line_at(where) == b"x" * 200_000
    file.close()


def test_a_line_that_never_ends_is_refused(path: Path) -> None:
    with path.open("wb") as made:
        made.truncate(MAX_LINE)
    file = JournalFile(str(path))
    with pytest.raises(JournalFailed, match=f"{path} is no journal: a line never ends"):
        list(file.lines())
    file.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "Is a directory"),
        ("none/journal", "No such file"),
        ("fifo", "is no regular file"),
        ("a\0b", "embedded null byte"),
        ("none/a\nb", "a\\\\nb: No such file"),
    ],
)
def test_what_can_be_no_journal_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(JournalFailed, match=said) as raised:
        JournalFile(f"{tmp_path}/{name}")
    assert str(raised.value).isprintable()
    assert raised.value.code == "journal-failed"


def test_one_process_has_it_also_after_it_was_replaced_until_it_is_closed(path: Path) -> None:
    first = opened(path, b"old\n")
    for _ in range(2):
        with pytest.raises(JournalFailed, match="another process uses the journal"):
            JournalFile(str(path))
        first.replace([b"new\n"])
    first.close()
    first.close()
    second = JournalFile(str(path))
    assert second.size == 4
    second.close()


def test_whoever_opens_it_while_it_is_replaced_gets_the_one_that_stays(path: Path) -> None:
    class Meanwhile(JournalFile):
        """Another run ends between its opening and its lock."""

        others = [b"of another\n", None]

        def _lock(self, descriptor: int) -> None:
            if self.others:
                path.unlink()
                content = self.others.pop()
                if content is not None:
                    path.write_bytes(content)
            super()._lock(descriptor)

    path.write_bytes(b"old\n")
    file = Meanwhile(str(path))
    assert file.append(b"mine\n") == 11
    file.close()
    assert path.read_bytes() == b"of another\nmine\n"


def test_what_is_cut_is_gone_and_the_next_line_stands_there(path: Path) -> None:
    file = opened(path, b"one\n", b"tw")
    file.cut(4)
    assert (file.size, file.append(b"two\n")) == (4, 4)
    file.close()
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_link_stays_and_its_file_keeps_its_mode(tmp_path: Path, path: Path) -> None:
    path.touch(0o600)
    link = tmp_path / "link"
    link.symlink_to("journal")
    file = JournalFile(str(link))
    file.replace([b"new\n"])
    file.close()
    assert link.is_symlink()
    assert path.read_bytes() == b"new\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_left_beside_it_goes(tmp_path: Path, path: Path) -> None:
    (tmp_path / "journal.new").write_text("half")
    JournalFile(str(path)).close()
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_cannot_be_replaced_stays(tmp_path: Path, path: Path) -> None:
    def lines() -> Iterator[bytes]:
        yield b"new\n"
        raise OSError(errno.EIO, "Input/output error")

    file = opened(path, b"old\n")
    with pytest.raises(JournalFailed, match=f"cannot write anew the journal {path}: Input"):
        file.replace(lines())
    assert list(tmp_path.iterdir()) == [path]
    assert list(file.lines()) == [(0, b"old\n")]
    assert file.append(b"more\n") == 4
    file.close()


def test_a_link_that_somebody_put_beside_it_is_not_written_through(
    tmp_path: Path, path: Path
) -> None:
    file = opened(path, b"old\n")
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "journal.new").symlink_to("theirs")
    with pytest.raises(JournalFailed, match="cannot write anew"):
        file.replace([b"new\n"])
    file.close()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_full_disk_is_told_and_leaves_whole_lines(path: Path) -> None:
    file = opened(path, b"one\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # a disk of that size
    try:
        with pytest.raises(JournalFailed, match=f"cannot write the journal {path}: ") as raised:
            file.append(b"two, and more\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == errno.EFBIG
    assert path.read_bytes() == b"one\n"
    assert file.append(b"two\n") == 4
    file.close()
    assert path.read_bytes() == b"one\ntwo\n"


lines = some.lists(some.binary(max_size=20).map(lambda one: one.replace(b"\n", b"") + b"\n"))


@given(some.lists(some.tuples(some.sampled_from(["append", "keep", "cut", "open"]), lines)))
@settings(deadline=None, max_examples=50)
def test_whatever_is_done_to_it_it_holds_the_lines_that_it_should(
    steps: list[tuple[str, list[bytes]]],
) -> None:
    with TemporaryDirectory() as folder:
        file, held = JournalFile(f"{folder}/journal"), list[bytes]()
        for step, some_lines in steps:
            if step == "append":
                for line in some_lines:
                    assert file.append(line) == sum(map(len, held))
                    held.append(line)
            elif step == "keep":
                held = [line for line in held if line not in some_lines] + some_lines
                file.replace(held)
            elif step == "cut":
                held = held[: len(some_lines)]
                file.cut(sum(map(len, held)))
            else:
                file.close()
                file = JournalFile(f"{folder}/journal")
            assert [line for _, line in file.lines()] == held
            assert [file.line_at(offset) + b"\n" for offset, _ in file.lines()] == held
            assert file.size == sum(map(len, held))
        file.close()
