"""A file or a pipe is sent whole, and no faster than it is taken."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from toolkit.sending import CHUNK_BYTES, send_file
from toolkit.testing import Peer, connected, is_waiting, logged, result_of


class Unreadable(io.BytesIO):
    """Fails after the first piece, as a file on a broken disk does."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(size)


def peer() -> Peer:
    return connected(Factory.forProtocol(Protocol))


def test_a_file_in_memory_is_sent_whole() -> None:
    data = os.urandom(3 * CHUNK_BYTES + 1)
    far = peer()
    result_of(send_file(None, io.BytesIO(data), far.transport))  # type: ignore[arg-type]
    assert far.received == data
    assert far.transport.producer is None


def test_a_file_is_read_only_as_the_peer_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(bytes(range(256)) * 8192)
    far = peer()
    far.stops_reading()
    with path.open("rb") as file:
        sending = send_file(None, file, far.transport)  # type: ignore[arg-type]
        assert file.tell() <= 2 * CHUNK_BYTES
        assert is_waiting(sending)
        far.starts_reading()
        result_of(sending)
    assert far.received == path.read_bytes()


@pytest.mark.parametrize("read_before", [0, 1])
def test_a_file_that_cannot_be_read_fails_the_deferred(read_before: int) -> None:
    far = peer()
    file = Unreadable(b"x" * CHUNK_BYTES * 3)
    file.seek(read_before)
    with pytest.raises(OSError, match="Input/output error"):
        result_of(send_file(None, file, far.transport))  # type: ignore[arg-type]
    assert far.transport.producer is None


def test_a_connection_that_is_lost_fails_the_deferred(tmp_path: Path) -> None:
    far = peer()
    far.stops_reading()
    sending = send_file(None, io.BytesIO(b"x" * 10**6), far.transport)  # type: ignore[arg-type]
    far.vanish()
    with pytest.raises(Exception, match="stop producing"):
        result_of(sending)


@pytest_twisted.ensureDeferred
async def test_a_pipe_is_sent_to_its_end(reactor: Any) -> None:
    reading, writing = os.pipe()
    far = peer()
    with open(reading, "rb") as file:
        sending = send_file(reactor, file, far.transport)
        os.write(writing, b"first, ")
        os.write(writing, b"last")
        os.close(writing)
        await sending
        assert os.get_blocking(reading)
    assert far.received == b"first, last"


@pytest_twisted.ensureDeferred
async def test_dev_null_is_an_empty_file(reactor: Any) -> None:
    far = peer()
    with open(os.devnull, "rb") as file:
        await send_file(reactor, file, far.transport)
    assert far.received == b""


@pytest_twisted.ensureDeferred
async def test_a_pipe_is_left_alone_while_the_peer_takes_nothing(reactor: Any) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    far = peer()
    far.stops_reading()
    with open(reading, "rb") as file:
        sending = send_file(reactor, file, far.transport)
        written = 0
        for _ in range(200):
            with suppress(BlockingIOError):
                written += os.write(writing, b"x" * 65536)
            turn: Deferred[None] = Deferred()
            reactor.callLater(0, turn.callback, None)
            await turn
        assert len(far.transport.dataBuffer) + far.transport._tempDataLen <= 128 * 1024
        os.close(writing)
        far.starts_reading()
        await sending
    assert len(far.received) == written


@pytest_twisted.ensureDeferred
async def test_a_pipe_is_no_longer_read_when_the_connection_is_lost(reactor: Any) -> None:
    reading, writing = os.pipe()
    far = peer()
    with open(reading, "rb") as file, logged() as events:
        sending = send_file(reactor, file, far.transport)
        assert any(reader.fileno() == reading for reader in reactor.getReaders())
        far.vanish()
        assert not any(reader.fileno() == reading for reader in reactor.getReaders())
        with pytest.raises(Exception, match="closed cleanly"):
            await sending
    os.close(writing)
    assert events == []
