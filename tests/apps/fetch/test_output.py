"""Lines are printed whole and in order, and a slow reader holds up nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from apps.fetch.lines import line_maker, text_line
from apps.fetch.output import FULL_BYTES, Output
from tests.apps.fetch.fetching import result
from toolkit.testing import is_waiting, result_of


class Reactor(Clock):
    """A clock, and what waits to be written."""

    def __init__(self) -> None:
        super().__init__()
        self.writing: set[Any] = set()
        self.addWriter = self.writing.add
        self.removeWriter = self.writing.discard

    def end_turn(self) -> None:
        self.advance(0)


class Pipe:
    """A pipe; `read` gives what is there."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self, size: int = 1_000_000) -> bytes:
        try:
            return os.read(self.reader, size)
        except BlockingIOError:
            return b""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == made.reader  # the test has closed it


def test_a_header_then_lines_after_what_makes_room_for_them(pipe: Pipe) -> None:
    reactor, rooms = Reactor(), []
    output = Output(
        reactor,
        pipe.writer,
        b"header\n",
        lambda found: found.url.encode() + b"\n",
        lambda: rooms.append(1),
    )
    output.add(result("a"))
    output.add(result("b"))
    assert pipe.read() == b""
    reactor.end_turn()
    assert pipe.read() == b"header\na\nb\n"
    assert rooms == [1]
    assert not reactor.getDelayedCalls()


def test_a_header_is_printed_also_where_there_are_no_lines(pipe: Pipe) -> None:
    output = Output(Reactor(), pipe.writer, b"header\n", lambda found: b"")
    result_of(output.drained())
    assert pipe.read() == b"header\n"


def test_a_slow_reader_holds_up_nothing_and_loses_nothing(pipe: Pipe) -> None:
    reactor, rooms = Reactor(), []
    output = Output(reactor, pipe.writer, *line_maker("text"))
    output.tell(lambda: rooms.append(1), Failure.raiseException)
    count = 0
    while not output.is_full:
        output.add(result())
        reactor.end_turn()
        count += 1
    assert reactor.writing == {output}
    received = pipe.read()
    output.doWrite()
    assert rooms == [1]
    drained = output.drained()
    while is_waiting(drained):
        received += pipe.read()
        output.doWrite()
    received += pipe.read()
    assert received == (text_line(result()).encode() + b"\n") * count
    assert len(received) > FULL_BYTES
    assert not reactor.writing
    assert not reactor.getDelayedCalls()


def test_whoever_stops_waiting_leaves_only_whole_lines(pipe: Pipe) -> None:
    reactor = Reactor()
    output = Output(reactor, pipe.writer, *line_maker("text"))
    while not output.is_full:
        output.add(result())
        reactor.end_turn()
    output.close()
    assert not reactor.writing
    assert not reactor.getDelayedCalls()
    received = pipe.read()
    line = text_line(result()).encode() + b"\n"
    assert received == line * (len(received) // len(line))


def test_a_line_longer_than_a_pipe_takes_at_once_is_whole(pipe: Pipe) -> None:
    reactor = Reactor()
    output = Output(reactor, pipe.writer, b"", lambda found: found.url.encode() + b"\n")
    for size in (10_000, 1, 20_000):
        output.add(result("x" * size))
    reactor.end_turn()
    assert pipe.read() == b"x" * 10_000 + b"\nx\n" + b"x" * 20_000 + b"\n"


def test_a_file_is_written_at_once(tmp_path: Path) -> None:
    reactor, path = Reactor(), tmp_path / "lines"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    output = Output(reactor, descriptor, b"", lambda found: found.url.encode() + b"\n")
    for _ in range(10):
        output.add(result("x" * 1_000))
    reactor.end_turn()
    os.close(descriptor)
    assert path.read_bytes() == (b"x" * 1_000 + b"\n") * 10


def test_a_pipe_that_does_not_block_is_written_to_as_well(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    reactor = Reactor()
    output = Output(reactor, pipe.writer, *line_maker("text"))
    output.add(result())
    reactor.end_turn()
    assert pipe.read() == text_line(result()).encode() + b"\n"


def test_a_reader_that_has_gone_is_told(pipe: Pipe) -> None:
    os.close(pipe.reader)
    reactor = Reactor()
    failures: list[Failure] = []
    output = Output(reactor, pipe.writer, *line_maker("text"))
    output.tell(list, failures.append)
    output.add(result())
    reactor.end_turn()
    (failure,) = failures
    assert failure.check(BrokenPipeError)
    result_of(output.drained())
    output.close()
    assert not reactor.writing


def test_a_reader_that_goes_while_lines_wait_is_told(pipe: Pipe) -> None:
    reactor = Reactor()
    failures: list[Failure] = []
    output = Output(reactor, pipe.writer, *line_maker("text"))
    output.tell(list, failures.append)
    while not output.is_full:
        output.add(result())
        reactor.end_turn()
    os.close(pipe.reader)
    output.connectionLost(Failure(OSError()))
    assert [failure.check(BrokenPipeError) for failure in failures] == [BrokenPipeError]
