"""Whoever reads the log is never waited for: what it does not read is kept, then dropped."""

from __future__ import annotations

import os
import pty
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent

from toolkit.log.file import RotatedFile
from toolkit.log.output import Output
from toolkit.log.pipe import ROOM, LinesLost, Pipe
from toolkit.log.stream import TextStream

LINE = b"x" * 999 + b"\n"
TOLD = re.compile(rb"(\d+) log lines were lost: its reader does not read\r?\n")


def rendered(event: LogEvent) -> bytes:
    """An event as its message."""
    return formatEvent(event).encode() + b"\n"


class Ends:
    """Two ends of something: one to write to, and one that is read when the test says so."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self.writing = writing

    def read(self, until: Callable[[bytes], object], seconds: float = 30.0) -> bytes:
        """All that comes, until it is enough."""
        got = b""
        os.set_blocking(self.reading, False)
        end = time.monotonic() + seconds
        while not until(got):
            try:
                got += os.read(self.reading, 1_000_000)
            except BlockingIOError:
                assert time.monotonic() < end, f"{len(got)} bytes have come: {got[-200:]!r}"
                time.sleep(0.001)
        return got

    def close(self) -> None:
        for fd in (self.reading, self.writing):
            if fd >= 0:
                os.close(fd)
        self.reading = self.writing = -1


def a_pipe() -> Ends:
    return Ends(*os.pipe())


def a_terminal() -> Ends:
    ends = Ends(*pty.openpty())
    os.set_blocking(ends.writing, True)
    return ends


def a_socket() -> Ends:
    reading, writing = socket.socketpair()
    return Ends(reading.detach(), writing.detach())


@pytest.fixture(params=[a_pipe, a_terminal, a_socket])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    both: Ends = request.param()
    yield both
    both.close()


@pytest.fixture
def stream(ends: Ends) -> Iterator[Any]:
    with open(os.dup(ends.writing), "w", encoding="utf-8") as opened:
        yield opened


def filled(output: Output, line: bytes = LINE) -> int:
    """Write until lines are lost, and some more; how many there were in all."""
    count = 0
    while output.lost < 100:
        output.write(line)
        count += 1
        assert count < 3 * ROOM // len(line), "somebody reads"
    return count


def test_one_that_nobody_reads_costs_lines_and_no_time(ends: Ends, stream: Any) -> None:
    output = Output(TextStream(stream), rendered)
    count = filled(output)
    assert ROOM < count * len(LINE) < 2 * ROOM
    # It is read again, and nothing is logged any more.
    got = ends.read(lambda got: TOLD.search(got, max(0, len(got) - 200))).replace(b"\r\n", b"\n")
    lost = TOLD.search(got)
    assert lost is not None
    lines = got[: lost.start()].splitlines(keepends=True)
    assert set(lines) == {LINE}
    assert len(lines) + int(lost[1]) == count
    assert output.lost == 0
    output.write(b"after\n")
    assert ends.read(lambda got: b"after" in got).strip() == b"after"
    output.close()


def test_whoever_shares_it_finds_it_blocking_as_before(ends: Ends, stream: Any) -> None:
    output = Output(TextStream(stream), rendered)
    output.write(LINE)
    assert os.get_blocking(ends.writing)
    assert os.get_blocking(stream.fileno())
    output.close()
    stream.write("still open\n")
    stream.flush()
    assert b"still open" in ends.read(lambda got: b"still open" in got)


def test_a_slow_reader_gets_every_line_of_a_burst_once_and_in_order() -> None:
    ends = a_pipe()
    with open(ends.writing, "w", encoding="utf-8") as stream:
        output = Output(TextStream(stream), rendered)
        burst = b"".join(b"line %d.\n" % number for number in range(50_000))
        assert 65_536 < len(burst) < ROOM
        for line in burst.splitlines(keepends=True):
            output.write(line)
        assert ends.read(lambda got: len(got) >= len(burst)) == burst
        assert output.lost == 0
        output.close()
        ends.writing = -1
    ends.close()


def test_a_line_larger_than_a_pipe_comes_whole() -> None:
    ends = a_pipe()
    pipe = Pipe(ends.writing)
    large = b"y" * 1_000_000 + b"\n"
    pipe.write(large)
    assert pipe.waiting
    pipe.write(b"next\n")
    got = b""
    while pipe.waiting:
        got += os.read(ends.reading, 65_536)
        pipe.drain()
    got += os.read(ends.reading, 100_000)
    assert got == large + b"next\n"
    pipe.close()
    pipe.close()
    ends.close()


def test_when_the_reader_goes_what_was_kept_for_it_counts_as_lost(ends: Ends) -> None:
    pipe = Pipe(ends.writing)
    while not pipe.waiting:
        pipe.write(LINE)
    for _ in range(4):
        pipe.write(LINE)
    kept = pipe._kept.count(b"\n")
    assert kept > 0
    os.close(ends.reading)
    ends.reading = -1
    with pytest.raises(LinesLost) as caught:
        pipe.write(b"in hand\n")
    assert caught.value.count == kept
    assert not pipe.waiting
    with pytest.raises(OSError, match=r"Broken pipe|Input/output error"):
        pipe.write(b"in hand\n")
    pipe.close()


def test_a_fifo_whose_reader_goes_and_comes_again_is_told_how_many_it_missed(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    ends = Ends(os.open(path, os.O_RDONLY | os.O_NONBLOCK), -1)
    output = Output(RotatedFile(path, 100, 3), rendered)
    output.write(b"a\n")
    assert ends.read(lambda got: b"\n" in got) == b"a\n"
    os.close(ends.reading)
    for _ in range(3):
        output.write(b"missed\n")
    assert output.lost == 3
    ends.reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    output.reopen()
    output.write(b"b\n")
    told = b"3 log lines were lost: Broken pipe\nb\n"
    assert ends.read(lambda got: len(got) >= len(told)) == told
    output.close()
    ends.close()


def test_a_fifo_that_nobody_reads_yet_keeps_its_first_lines_for_the_reader(tmp_path: Path) -> None:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    output = Output(RotatedFile(path, 100, 3), rendered)
    for number in range(20_000):
        output.write(b"line %d.\n" % number)
    assert output.lost == 0
    ends = Ends(os.open(path, os.O_RDONLY | os.O_NONBLOCK), -1)
    got = ends.read(lambda got: got.endswith(b"19999.\n"))
    assert got == b"".join(b"line %d.\n" % number for number in range(20_000))
    output.close()
    ends.close()


def test_a_fifo_that_is_reopened_keeps_what_its_reader_has_not_read(tmp_path: Path) -> None:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    ends = Ends(os.open(path, os.O_RDONLY | os.O_NONBLOCK), -1)
    output = Output(RotatedFile(path, 100, 3), rendered)
    for number in range(20_000):
        output.write(b"line %d.\n" % number)
    output.reopen()
    output.write(b"last\n")
    got = ends.read(lambda got: got.endswith(b"last\n"))
    assert got == b"".join(b"line %d.\n" % number for number in range(20_000)) + b"last\n"
    output.close()
    ends.close()


def test_at_the_end_a_slow_reader_has_a_moment_and_no_more() -> None:
    ends = a_pipe()
    with open(ends.writing, "w", encoding="utf-8") as stream:
        output = Output(TextStream(stream), rendered)
        filled(output)
        began = time.monotonic()
        output.close()
        assert 0.4 < time.monotonic() - began < 5.0
        ends.writing = -1
    ends.close()


def test_a_reader_that_reads_on_gets_what_was_kept_at_the_end() -> None:
    ends = a_pipe()
    with open(ends.writing, "w", encoding="utf-8") as stream:
        output = Output(TextStream(stream), rendered)
        for _ in range(500):
            output.write(LINE)
        reader = threading.Thread(target=ends.read, args=(lambda got: len(got) == 500_000,))
        reader.start()
        output.close()
        reader.join(30)
        assert not reader.is_alive()
        assert output.lost == 0
        ends.writing = -1
    ends.close()


def test_what_is_behind_a_stream_may_change(tmp_path: Path) -> None:
    first = a_pipe()
    with open(first.writing, "w", encoding="utf-8") as stream, open(tmp_path / "f", "wb") as file:
        target = TextStream(stream)
        target.write(b"first\n")
        os.dup2(file.fileno(), stream.fileno())
        target.write(b"second\n")
        # The pipe has no other end any more: whoever reads it learns of it.
        assert os.read(first.reading, 100) == b"first\n"
        assert os.read(first.reading, 100) == b""
        target.close()
        first.writing = -1
    assert (tmp_path / "f").read_bytes() == b"second\n"
    first.close()


def test_where_it_cannot_be_opened_again_each_write_is_announced() -> None:
    ends = a_pipe()
    pipe = Pipe(ends.writing)
    os.set_blocking(pipe._fd, True)
    pipe._send = pipe._write_if_announced
    while not pipe.waiting:
        pipe.write(LINE)
    got = ends.read(lambda got: len(got) > 60_000)
    pipe.drain()
    assert not pipe.waiting
    got += ends.read(lambda more: len(got + more) % len(LINE) == 0)
    assert set(got.splitlines(keepends=True)) == {LINE}
    pipe.close()
    ends.close()
