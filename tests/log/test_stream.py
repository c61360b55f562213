"""A stream gets each line whole and in order, past its buffer."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from toolkit.log.stream import TextStream


def test_a_stream_in_memory_is_written_as_text() -> None:
    stream = io.StringIO()
    TextStream(stream).write("ä\n".encode())
    assert stream.getvalue() == "ä\n"


def test_a_stream_of_a_file_is_written_past_its_buffer_in_order(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding="utf-8") as stream:
        stream.write("printed\n")
        TextStream(stream).write(b"logged\n")
        assert (tmp_path / "out").read_bytes() == b"printed\nlogged\n"


def test_a_stream_that_was_closed_is_never_another_files_number(tmp_path: Path) -> None:
    stream = open(tmp_path / "out", "w", encoding="utf-8")  # noqa: SIM115 - closed below, on purpose
    number = stream.fileno()
    writer = TextStream(stream)
    stream.close()
    with open(tmp_path / "other", "wb") as other:
        assert other.fileno() == number
        with pytest.raises(ValueError, match="closed"):
            writer.write(b"secret\n")
    assert (tmp_path / "other").read_bytes() == b""
