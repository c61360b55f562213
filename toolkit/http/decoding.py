"""Content codings: gzip and deflate, strict. No I/O.

Twisted's own decoder passes on what is corrupt or cut as if it were whole; these do not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from toolkit.http.failures import FetchError, shown

ACCEPTED = b"gzip, deflate"
"""What an Accept-Encoding header may offer."""

PIECE = 65_536


class Decoder(Protocol):
    """Takes a body apart as it comes."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the decoded bytes in pieces of at most 64 KiB.

        Raises:
            FetchError: `decode-failed`.
        """
        ...

    def finish(self) -> None:
        """Say that there is no more.

        Raises:
            FetchError: `decode-failed`, where the coded data is not complete.
        """
        ...


class Identity:
    """No coding: the bytes as they are."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the data itself."""
        yield data

    def finish(self) -> None:
        """Nothing can be missing."""


class Inflate:
    """gzip (RFC 1952, several members) or deflate (RFC 1950, and the raw RFC 1951 kind).

    No byte at all is taken for an empty body: many servers answer so.

    Args:
        coding: `gzip` or `deflate`.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflating = zlib.decompressobj(wbits=31)
        self._began = False
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the decoded bytes; raises FetchError `decode-failed` where the data is corrupt."""
        data = self._held + data
        self._held = b""
        if not self._began:
            if self._coding == "deflate":
                if len(data) < 2:
                    self._held = data
                    return
                self._inflating = zlib.decompressobj(wbits=_kind_of_deflate(data))
            self._began = bool(data)
        while data:
            if self._inflating.eof:
                if self._coding != "gzip":
                    raise FetchError("there are bytes after the end of the body", "decode-failed")
                self._inflating = zlib.decompressobj(wbits=31)
            try:
                piece = self._inflating.decompress(data, PIECE)
            except zlib.error as error:
                raise FetchError(
                    f"the body is no valid {self._coding}: {shown(str(error))}", "decode-failed"
                ) from error
            data = self._inflating.unconsumed_tail or self._inflating.unused_data
            if piece:
                yield piece

    def finish(self) -> None:
        """Raises FetchError `decode-failed` where the end of the coded data is missing."""
        if self._held or (self._began and not self._inflating.eof):
            raise FetchError(f"the body ends inside its {self._coding}", "decode-failed")


def _kind_of_deflate(data: bytes) -> int:
    # Half the servers send RFC 1950, as they should, the others raw deflate. The header of the
    # first is a method of 8 in the low bits, and a multiple of 31 in all (RFC 1950 §2.2).
    if data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0:
        return zlib.MAX_WBITS
    return -zlib.MAX_WBITS


def decoder_for(codings: list[bytes]) -> Decoder:
    """The decoder for a response's Content-Encoding (RFC 9110 §8.4).

    Args:
        codings: The values of its Content-Encoding headers.

    Returns:
        A Decoder, used for one body.

    Raises:
        FetchError: `decode-failed`, for a coding that was not asked for, or too many of them.
    """
    names = [
        name
        for name in b",".join(codings).decode("latin-1").lower().replace(" ", "").split(",")
        if name not in ("", "identity")
    ]
    if len(names) > 1:  # nothing is asked for twice, and what is inside a tower is hard to bound
        raise FetchError(f"the body has {len(names)} codings on top of each other", "decode-failed")
    for name in names:
        if name not in ("gzip", "x-gzip", "deflate"):
            raise FetchError(
                f"the body has the coding {shown(name, 30)!r}, which was not asked for",
                "decode-failed",
            )
        return Inflate(name.removeprefix("x-"))
    return Identity()
