"""Lines are printed whole, also into a pipe that is full."""

from __future__ import annotations

import os
import threading

import pytest

from apps.fetch.lines import line_maker, text_line
from apps.fetch.output import Output
from tests.apps.fetch.fetching import result


def test_a_header_then_lines_each_after_what_makes_room_for_it() -> None:
    reader, writer = os.pipe()
    rooms = []
    output = Output(
        writer, b"header\n", lambda found: found.url.encode() + b"\n", lambda: rooms.append(1)
    )
    output.begin()
    output.add(result("a"))
    output.add(result("b"))
    os.close(writer)
    assert os.read(reader, 100) == b"header\na\nb\n"
    assert rooms == [1, 1]
    os.close(reader)


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    output = Output(writer, *line_maker("text"))
    received = b""

    def read() -> None:
        nonlocal received
        while data := os.read(reader, 1000):
            received += data

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(5000):
        output.add(result())
    os.close(writer)
    thread.join()
    os.close(reader)
    assert received == (text_line(result()).encode() + b"\n") * 5000


def test_a_reader_that_has_gone_is_told() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Output(writer, *line_maker("text")).add(result())
    os.close(writer)
