"""Lines that cannot be written are counted, and a stream gets each line whole and in order."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, formatEvent

from toolkit.log.output import Output
from toolkit.log.pipe import Pipe


def rendered(event: LogEvent) -> bytes:
    """An event as its message."""
    return formatEvent(event).encode() + b"\n"


class FailingTarget:
    """Keeps lines, unless it is told to fail."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error: Exception | None = None
        self.trouble = ""
        self.pipe: Pipe | None = None
        self.reopened = 0
        self.closed = False

    def write(self, line: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.lines.append(line.decode())

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def target() -> FailingTarget:
    return FailingTarget()


@pytest.fixture
def output(target: FailingTarget) -> Iterator[Output]:
    output = Output(target, rendered)
    yield output
    output.close()


def test_lines_that_cannot_be_written_are_counted_and_told_of_later(
    target: FailingTarget, output: Output
) -> None:
    output.write(b"a\n")
    target.error = OSError(errno.ENOSPC, "No space left on device")
    for _ in range(3):
        output.write(b"gone\n")
    assert output.lost == 3
    target.error = None
    output.write(b"b\n")
    output.write(b"c\n")
    told = "3 log lines were lost: No space left on device\n"
    assert target.lines == ["a\n", told, "b\n", "c\n"]


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), ValueError("closed"), KeyError()]
)
def test_whatever_a_target_raises_stays_here(
    target: FailingTarget, output: Output, error: Exception
) -> None:
    target.error = error
    output.write(b"gone\n")
    target.error = None
    output.close()
    assert target.closed
    reason = getattr(error, "strerror", "") or str(error) or "KeyError"
    assert target.lines == [f"1 log lines were lost: {reason}\n"]


def test_trouble_is_told_once(target: FailingTarget, output: Output) -> None:
    target.trouble = "cannot rotate"
    output.write(b"a\n")
    output.write(b"b\n")
    target.trouble = ""
    output.write(b"c\n")
    assert target.lines == ["a\n", "cannot rotate\n", "b\n", "c\n"]


def test_what_is_logged_while_a_line_is_written_comes_after_it(
    target: FailingTarget, output: Output
) -> None:

    class Logging(FailingTarget):
        def write(self, line: bytes) -> None:
            if line == b"outer\n":
                output.write(b"inner\n")
                output.reopen()
                assert target.reopened == 0
            target.write(line)

        def reopen(self) -> None:
            target.reopen()

    output._target = Logging()
    output.write(b"outer\n")
    assert target.lines == ["outer\n", "inner\n"]
    assert target.reopened == 1


def test_a_target_that_logs_each_line_it_is_given_comes_to_an_end(target: FailingTarget) -> None:
    class Echoing(FailingTarget):
        def write(self, line: bytes) -> None:
            target.write(line)
            echoes.write(b"echo\n")

    echoes = Output(Echoing(), rendered)
    echoes.write(b"a\n")
    assert target.lines == ["a\n", "echo\n"]
    assert echoes.lost == 1
    echoes.close()


def test_lines_that_follow_at_once_are_written_together_and_in_order(
    target: FailingTarget, output: Output
) -> None:
    output.hold(b"a\n", b"".join)
    output.hold(b"b\n", b"".join)
    assert target.lines == []
    output.write(b"c\n")
    output.write(b"d\n")
    assert target.lines == ["a\nb\nc\n", "d\n"]


def test_lines_that_are_held_are_bounded_and_written_before_a_reopening_and_the_end(
    target: FailingTarget, output: Output
) -> None:
    for _ in range(501):
        output.hold(b"a\n", b"".join)
    assert "".join(target.lines) == "a\n" * 501
    output.hold(b"b\n", b"".join)
    output.reopen()
    output.hold(b"c\n", b"".join)
    output.close()
    assert target.lines[1:] == ["b\n", "c\n"]


def test_lines_that_are_lost_together_are_counted_each(
    target: FailingTarget, output: Output
) -> None:
    target.error = OSError(errno.ENOSPC, "No space left on device")
    output.hold(b"a\n", b"".join)
    output.write(b"b\n")
    assert output.lost == 2


def test_a_pipe_gets_each_line_by_itself(target: FailingTarget, output: Output) -> None:
    reader, writer = os.pipe()
    target.pipe = Pipe(writer)
    output.hold(b"a\n", b"".join)
    assert target.lines == ["a\n"]
    target.pipe.close()
    os.close(reader)
    os.close(writer)


def test_what_was_lost_is_told_without_another_event(target: FailingTarget, output: Output) -> None:
    target.error = OSError(errno.ENOSPC, "No space left on device")
    output.write(b"a\n")
    output.write(b"b\n")
    target.error = None
    end = time.monotonic() + 10
    while not target.lines:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert target.lines == ["2 log lines were lost: No space left on device\n"]


def test_once_it_is_closed_nothing_more_is_tried(target: FailingTarget, output: Output) -> None:
    before = {*threading.enumerate()}
    target.error = OSError(errno.ENOSPC, "No space left on device")
    output.write(b"a\n")
    [thread] = {*threading.enumerate()} - before
    output.close()
    thread.join(10)
    assert not thread.is_alive()
    output.write(b"b\n")
    assert {*threading.enumerate()} <= before
