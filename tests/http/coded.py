"""Coded data to decode: each coding's usual form, its odd forms, and its bombs."""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest

from toolkit.http.decoding import decoder_for
from toolkit.http.failures import FetchError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-15)
    return deflating.compress(data) + deflating.flush()


def zstd_frame(data: bytes) -> bytes:
    """With a checksum, and without the length, as a server that streams sends it."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})
    return compressor.compress(data) + compressor.flush()


def skippable(data: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A57, len(data)) + data  # RFC 8878 §3.1.2


def windowed(log: int, blocks: bytes = b"") -> bytes:
    """A zstd frame with a window of so many bits (RFC 8878 §3.1.1.1.2)."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + blocks + b"\x01\x00\x00"


def brotli_stream(data: bytes) -> bytes:
    coded: bytes = brotli.compress(data)
    return coded


WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli_stream,
    "zstd": zstd_frame,
}
"""One member, stream or frame."""

ODD: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip members": (
        "X-GZIP",
        lambda data: gzip.compress(data[:3]) + gzip.compress(b"") + gzip.compress(data[3:]),
    ),
    "raw deflate": ("Deflate", raw_deflate),
    "zstd frames": (
        "ZSTD",
        lambda data: skippable(b"") + zstd_frame(data[:3]) + skippable(data) + zstd_frame(data[3:]),
    ),
    "identity": ("identity", bytes),
    "no coding": ("", bytes),
}


def bomb(coding: str, gib: int) -> bytes:
    """Zeros, so many GiB of them: at most 10 MB of coded data for 10 GiB."""
    if coding == "zstd":
        block = struct.pack("<I", (131_072 << 3) | 2)[:3] + b"\0"  # one byte, 128 KiB times
        return windowed(23, block * (gib * 8192))
    if coding == "br":
        compressor: Any = brotli.Compressor(quality=5, lgwin=24)
        pieces: list[bytes] = [
            compressor.process(bytes(MIB)) + compressor.flush() for _ in range(3)
        ]
        assert pieces[1] == pieces[2]
        return pieces[0] + pieces[1] * (gib * 1024)
    deflating = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    pieces = [deflating.compress(bytes(MIB)) + deflating.flush(zlib.Z_FULL_FLUSH) for _ in range(2)]
    return pieces[0] + pieces[1] * (gib * 1024)


def decoded(coding: str, pieces: list[bytes]) -> bytes:
    decoder = decoder_for([coding.encode("ascii")])
    whole = b"".join(piece for data in pieces for piece in decoder.feed(data))
    decoder.finish()
    return whole


def refused(coding: str, pieces: list[bytes]) -> str:
    with pytest.raises(FetchError) as caught:
        decoded(coding, pieces)
    assert caught.value.code == "decode-failed"
    return str(caught.value)
