"""The log's file keeps every line whole: at rotation, on a full disk, beside another writer."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent

from toolkit.errors import ToolkitError
from toolkit.log.file import RotatedFile
from toolkit.log.output import Output


def rendered(event: LogEvent) -> bytes:
    """An event as its message."""
    return formatEvent(event).encode() + b"\n"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., RotatedFile]]:
    """Opens files called `log`, and closes them."""
    files = []

    def open_file(max_bytes: int = 1000, keep: int = 3, name: str = "log") -> RotatedFile:
        files.append(RotatedFile(str(tmp_path / name), max_bytes, keep))
        return files[-1]

    yield open_file
    for file in files:
        file.close()


def numbers(folder: Path) -> list[int]:
    """The numbers of the lines in all files, the oldest file first; each line is whole."""
    names = sorted(folder.glob("log*"), key=lambda path: int(path.suffix[1:] or 0), reverse=True)
    lines = b"".join(path.read_bytes() for path in names).splitlines(keepends=True)
    assert all(line.endswith(b".\n") and line.startswith(b"line ") for line in lines)
    return [int(line[5:-2]) for line in lines]


def test_a_line_is_in_the_file_at_once(opened: Any, tmp_path: Path) -> None:
    opened().write(b"a\n")
    assert (tmp_path / "log").read_bytes() == b"a\n"


def test_what_the_file_held_stays(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old\n")
    opened().write(b"new\n")
    assert (tmp_path / "log").read_bytes() == b"old\nnew\n"


def test_a_new_file_is_for_its_owner_and_group(opened: Any, tmp_path: Path) -> None:
    before = os.umask(0o007)
    try:
        opened()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/log", "No such file or directory"),
        (".", "Is a directory"),
        ("socket", "No such device or address"),
        ("a\0b", "embedded null"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_opened_is_one_clear_line(
    name: str, reason: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(tmp_path):
        one.bind("socket")
    with pytest.raises(ToolkitError) as caught:
        RotatedFile(str(tmp_path / name), 1000, 3)
    assert caught.value.code == "log-file"
    assert str(caught.value).startswith(f"cannot write the log file {tmp_path}")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rotation_keeps_as_many_as_it_should_and_each_line_whole(
    opened: Any, tmp_path: Path
) -> None:
    file = opened(max_bytes=100, keep=3)
    for number in range(50):
        file.write(b"line %d.\n" % number)
    assert {path.name for path in tmp_path.iterdir()} == {"log", "log.1", "log.2", "log.3"}
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    kept = numbers(tmp_path)
    assert kept == list(range(kept[0], 50))
    assert len(kept) > 30


def test_nothing_is_lost_while_there_is_room(opened: Any, tmp_path: Path) -> None:
    file = opened(max_bytes=100, keep=100)
    for number in range(200):
        file.write(b"line %d.\n" % number)
    assert numbers(tmp_path) == list(range(200))


def test_a_file_that_was_large_before_is_rotated_first(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 2000)
    opened().write(b"new\n")
    assert (tmp_path / "log").read_bytes() == b"new\n"
    assert (tmp_path / "log.1").stat().st_size == 2000


def test_a_line_that_is_longer_than_a_file_is_written_whole(opened: Any, tmp_path: Path) -> None:
    file = opened(max_bytes=100)
    for _ in range(2):
        file.write(b"y" * 500 + b"\n")
    assert (
        (tmp_path / "log").read_bytes() == (tmp_path / "log.1").read_bytes() == b"y" * 500 + b"\n"
    )
    assert not (tmp_path / "log.2").exists()


def test_with_none_to_keep_there_is_one_file(opened: Any, tmp_path: Path) -> None:
    file = opened(max_bytes=20, keep=0)
    for number in range(10):
        file.write(b"line %d.\n" % number)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert numbers(tmp_path) == [8, 9]


def test_a_gap_among_the_old_files_is_filled(opened: Any, tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"log.{number}").write_bytes(b"old %d\n" % number)
    file = opened(max_bytes=10, keep=3)
    file.write(b"12345678\n")
    file.write(b"12345678\n")
    kept = [(tmp_path / f"log.{number}").read_bytes() for number in (1, 2, 3)]
    assert kept == [b"12345678\n", b"old 1\n", b"old 3\n"]


def test_when_fewer_are_to_be_kept_the_others_go(opened: Any, tmp_path: Path) -> None:
    for number in range(1, 9):
        (tmp_path / f"log.{number}").write_bytes(b"old\n")
    file = opened(max_bytes=10, keep=2)
    file.write(b"12345678\n")
    file.write(b"12345678\n")
    assert {path.name for path in tmp_path.iterdir()} == {"log", "log.1", "log.2"}


def test_after_it_was_moved_away_it_goes_on_in_a_new_file(opened: Any, tmp_path: Path) -> None:
    file = opened()
    file.write(b"a\n")
    (tmp_path / "log").rename(tmp_path / "moved")
    file.write(b"b\n")
    file.reopen()
    file.write(b"c\n")
    assert (tmp_path / "moved").read_bytes() == b"a\nb\n"
    assert (tmp_path / "log").read_bytes() == b"c\n"


def test_one_that_was_moved_and_not_reopened_is_not_rotated_over_another(
    opened: Any, tmp_path: Path
) -> None:
    file = opened(max_bytes=10)
    file.write(b"12345678\n")
    (tmp_path / "log").rename(tmp_path / "moved")
    (tmp_path / "log").write_bytes(b"new\n")
    file.write(b"abc\n")
    assert (tmp_path / "log").read_bytes() == b"new\nabc\n"
    assert not (tmp_path / "log.1").exists()


def test_one_that_was_truncated_goes_on_at_its_start(opened: Any, tmp_path: Path) -> None:
    file = opened()
    file.write(b"a" * 500 + b"\n")
    os.truncate(tmp_path / "log", 0)
    file.write(b"b\n")
    assert (tmp_path / "log").read_bytes() == b"b\n"


def test_when_it_cannot_be_reopened_the_old_one_is_written(opened: Any, tmp_path: Path) -> None:
    file = opened()
    (tmp_path / "log").rename(tmp_path / "moved")
    (tmp_path / "log").mkdir()
    file.reopen()
    file.write(b"a\n")
    assert (tmp_path / "moved").read_bytes() == b"a\n"
    assert file.trouble == (
        f"cannot reopen the log file {tmp_path}/log: Is a directory; "
        "the old one is written to until that works"
    )


def test_a_file_that_could_not_be_reopened_is_tried_again_until_it_can_be(
    opened: Any, tmp_path: Path
) -> None:
    output = Output(opened(max_bytes=10**9), lambda event: f"{event['reason']}\n".encode())
    (tmp_path / "log").rename(tmp_path / "moved")
    (tmp_path / "log").mkdir()
    output.reopen()
    output.write(b"while it cannot be\n")
    (tmp_path / "log").rmdir()
    end = time.monotonic() + 20
    while not (tmp_path / "log").exists():
        output.write(b"more\n")
        assert time.monotonic() < end
    output.write(b"last\n")
    assert (tmp_path / "log").read_bytes() == b"more\nlast\n"
    assert (tmp_path / "moved").read_bytes().count(b"cannot reopen the log file") == 1


def test_when_it_cannot_be_rotated_no_line_is_lost(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "log.1").mkdir()  # which no file can replace
    (tmp_path / "log.1" / "x").touch()
    file = opened(max_bytes=100, keep=1)
    for number in range(50):
        file.write(b"line %d.\n" % number)
    assert "cannot rotate the log file" in file.trouble
    assert (tmp_path / "log").read_bytes().count(b".\n") == 50
    (tmp_path / "log.1").rename(tmp_path / "away")
    for number in range(50):
        file.write(b"line %d.\n" % number)
    assert (tmp_path / "log.1").is_file()
    assert file.trouble == ""


def test_a_symbolic_link_stays_one_when_its_file_is_rotated(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "data" / "real")
    file = opened(max_bytes=10)
    for _ in range(3):
        file.write(b"12345678\n")
    assert (tmp_path / "log").is_symlink()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"real", "real.1", "real.2"}


def test_a_device_is_not_rotated(opened: Any) -> None:
    file = opened(max_bytes=10, name="/dev/null")
    for _ in range(5):
        file.write(b"12345678\n")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_closed_file_says_so_and_closes_twice(opened: Any) -> None:
    file = opened()
    file.close()
    file.close()
    file.reopen()
    with pytest.raises(OSError, match="the log is closed"):
        file.write(b"a\n")


def test_a_full_disk_says_so(opened: Any) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        opened(name="/dev/full").write(b"a\n")
    assert caught.value.errno == errno.ENOSPC


def test_a_line_that_went_out_in_part_is_taken_back(opened: Any, tmp_path: Path) -> None:
    file = opened(max_bytes=10_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        file.write(b"whole\n")
        with pytest.raises(OSError, match="File too large"):
            file.write(b"z" * 500 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "log").read_bytes() == b"whole\n"
    file.write(b"again\n")
    assert (tmp_path / "log").read_bytes() == b"whole\nagain\n"


WRITER = """
import sys
from toolkit.log.file import RotatedFile
file = RotatedFile(sys.argv[1], 5_000, 1000)
sys.stdin.read()
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 3000):
    file.write(b"line %d.\\n" % number)
"""


def test_processes_that_write_and_rotate_at_once_neither_lose_nor_tear_a_line(
    tmp_path: Path,
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "log"), first], stdin=subprocess.PIPE
        )
        for first in ("0", "10000", "20000")
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    expected = [first + number for first in (0, 10000, 20000) for number in range(3000)]
    assert sorted(numbers(tmp_path)) == expected
    assert len(list(tmp_path.iterdir())) > 3


def test_threads_may_write_to_one_output(opened: Any, tmp_path: Path) -> None:
    output = Output(opened(max_bytes=5000, keep=1000), rendered)

    def write(first: int) -> None:
        for number in range(first, first + 1000):
            output.write(b"line %d.\n" % number)

    threads = [threading.Thread(target=write, args=(first * 1000,)) for first in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(numbers(tmp_path)) == list(range(5000))
    assert output.lost == 0


def test_a_file_that_was_deleted_is_made_again(opened: Any, tmp_path: Path) -> None:
    file = opened(max_bytes=10**9)
    file.write(b"first\n")
    (tmp_path / "log").unlink()
    end = time.monotonic() + 20
    while not (tmp_path / "log").exists():
        file.write(b"more\n")
        assert time.monotonic() < end
    file.write(b"last\n")
    assert (tmp_path / "log").read_bytes() == b"more\nlast\n"


def test_while_the_folder_of_a_deleted_file_is_gone_lines_are_lost_and_counted(
    opened: Any, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    output = Output(opened(name="folder/log", max_bytes=10**9), rendered)
    shutil.rmtree(tmp_path / "folder")
    end = time.monotonic() + 20
    while not output.lost:
        output.write(b"gone\n")
        assert time.monotonic() < end
    output.write(b"gone\n")
    (tmp_path / "folder").mkdir()
    output.write(b"back\n")
    told = b"2 log lines were lost: No such file or directory\n"
    assert (tmp_path / "folder" / "log").read_bytes() == told + b"back\n"
