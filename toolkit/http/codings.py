"""What one gzip member, deflate or brotli stream, or zstd frame decodes to. No I/O.

Four libraries, one shape: at most 64 KiB of output for each call, whatever the input.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

PIECE = 65_536
"""The most bytes that one call gives."""

WINDOW_LOG = 23  # 8 MiB: no response may ask for more (RFC 9659 §3), and no frame may cost more


class Member(Protocol):
    """One complete unit of coded data, read from its first byte to its last.

    `error` is what corrupt data raises, `cost` how many bytes of input its making is worth.
    """

    error: type[Exception]
    cost: int
    ended: bool
    """Whether its last byte has been read and all it decodes to been given."""
    pending: bool
    """Whether `decode(b"")` may give more."""
    rest: bytes
    """What came after its end."""

    def decode(self, data: bytes) -> bytes:
        """Take coded bytes, none while there is something pending; give at most PIECE."""
        ...


class Zlib:
    """A gzip member (RFC 1952), a zlib stream (RFC 1950) or a raw deflate stream (RFC 1951).

    Args:
        wbits: The kind, in zlib's terms: 31, 15 or -15.
    """

    error: type[Exception] = zlib.error
    cost = 0  # half a microsecond

    def __init__(self, wbits: int) -> None:
        self._inflating = zlib.decompressobj(wbits=wbits)
        self.ended = self.pending = False
        self.rest = b""

    def decode(self, data: bytes) -> bytes:
        """Give the next bytes."""
        inflating = self._inflating
        piece = inflating.decompress(inflating.unconsumed_tail + data, PIECE)
        self.ended = inflating.eof
        # The last bits of a stream may be in zlib's hands already, unread for want of room.
        self.pending = not self.ended and len(piece) == PIECE
        self.rest = inflating.unused_data
        return piece


class Deflate(Zlib):
    """What servers call deflate: half of them mean RFC 1950, as RFC 9110 §8.4.1.2 does."""

    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._head: bytes | None = b""

    def decode(self, data: bytes) -> bytes:
        """Give the next bytes: none before the two that tell which kind it is."""
        if self._head is not None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
            self._head = None
            # A method of 8 in the low bits, and a multiple of 31 in all (RFC 1950 §2.2).
            if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
                self._inflating = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return super().decode(data)


class Brotli:
    """A brotli stream (RFC 7932), whose window is at most 16 MiB.

    Args:
        brotli: The module.
    """

    cost = 0  # there is but one in a body

    def __init__(self, brotli: Any) -> None:
        self.error = brotli.error
        self._decompressor = brotli.Decompressor()
        self.ended = self.pending = False
        self.rest = b""

    def decode(self, data: bytes) -> bytes:
        """Give the next bytes; bytes after the end are corrupt to it."""
        # It goes on until it has at least as much as asked for, in blocks of 32 and 64 KiB.
        limit = PIECE // 4
        piece: bytes = self._decompressor.process(data, output_buffer_limit=limit)
        self.ended = self._decompressor.is_finished()
        # That it can take more input does not mean that it has given all its output.
        self.pending = not self.ended and (
            len(piece) >= limit or not self._decompressor.can_accept_more_data()
        )
        return piece


class Zstd:
    """A zstd frame, or a skippable one (RFC 8878 §3.1).

    Args:
        zstd: The module.
    """

    cost = 1024  # 20 to 60 microseconds

    def __init__(self, zstd: Any) -> None:
        self.error = zstd.ZstdError
        self._decompressor = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
        )
        self.ended = self.pending = False
        self.rest = b""

    def decode(self, data: bytes) -> bytes:
        """Give the next bytes."""
        piece: bytes = self._decompressor.decompress(data, PIECE)
        self.ended = self._decompressor.eof
        self.pending = not self.ended and not self._decompressor.needs_input
        self.rest = self._decompressor.unused_data
        return piece


def brotli_streams() -> Callable[[], Member] | None:
    """What makes a Brotli; None where the package is not there, or too old to be bounded."""
    try:
        import brotli
    except ImportError:
        return None
    # Before 1.2 all that was fed is decoded in one piece.
    if not hasattr(brotli.Decompressor, "can_accept_more_data"):
        return None
    return lambda: Brotli(brotli)


def zstd_frames() -> Callable[[], Member] | None:
    """What makes a Zstd; None where there is neither the standard library's nor the backport."""
    zstd: Any
    try:
        if sys.version_info >= (3, 14):
            import compression.zstd as zstd
        else:
            import backports.zstd as zstd
    except ImportError:
        return None
    return lambda: Zstd(zstd)
