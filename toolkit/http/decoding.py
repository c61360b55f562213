"""Content codings: gzip, deflate, br and zstd, strict and bounded. No I/O.

Twisted's own decoder passes on what is corrupt or cut as if it were whole; these do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from toolkit.http.codings import PIECE, Deflate, Member, Zlib, brotli_streams, zstd_frames
from toolkit.http.failures import FetchError, shown

__all__ = ["PIECE", "Decoder", "Identity", "Strict", "accepted", "decoder_for"]

SLICE = 16_384  # each member's end copies what is left: small, so that many ends cost little

# What is coded may be so much longer than what it decodes to: gzip members of one byte each, or a
# flush after every byte, are within. The rest is room for heads and for what decodes late or not
# at all: a zstd block of 128 KiB, a skippable frame.
LENGTHENING = 32
ROOM = 1_048_576


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


class Strict:
    """One coding: what is corrupt, cut off or followed by something else is an error.

    So is a body that is coded for nothing: members, frames or blocks without end that decode to
    no byte are never stopped by a bound on decoded bytes. Coded bytes may be 32 times as many as
    those they decode to, and at most 1 MiB of them in a row more than that; each zstd frame counts
    as 1 KiB, for the work of its making.

    No byte at all is taken for an empty body: many servers answer so.

    Args:
        coding: Its name, for messages.
        begin: Makes what decodes the first member, and where `several` is true each after it.
        several: Whether members may follow each other (RFC 1952 §2.2, RFC 8878 §3).
    """

    def __init__(self, coding: str, begin: Callable[[], Member], several: bool = False) -> None:
        self._coding = coding
        self._begin = begin
        self._several = several
        self._member: Member | None = None
        self._room = ROOM

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the decoded bytes in pieces of at most 64 KiB.

        Raises:
            FetchError: `decode-failed`, where the data is corrupt or coded for nothing.
        """
        for start in range(0, len(data), SLICE):
            yield from self._decode(data[start : start + SLICE])

    def finish(self) -> None:
        """Say that there is no more.

        Raises:
            FetchError: `decode-failed`, where the end of the coded data is missing.
        """
        if self._member is not None and not self._member.ended:
            raise FetchError(f"the body ends inside its {self._coding}", "decode-failed")

    def _decode(self, data: bytes) -> Iterator[bytes]:
        self._room -= len(data)
        member = self._member
        while data or (member is not None and member.pending):
            if member is None or member.ended:
                if member is not None and not self._several:
                    raise FetchError("there are bytes after the end of the body", "decode-failed")
                member = self._member = self._begin()
                self._room -= member.cost
            try:
                piece = member.decode(data)
            except member.error as error:
                raise FetchError(
                    f"the body is no valid {self._coding}: {shown(str(error))}", "decode-failed"
                ) from error
            data = member.rest if member.ended else b""
            self._room = min(self._room + LENGTHENING * len(piece), ROOM)
            if self._room < 0:
                raise FetchError(
                    f"the body is {self._coding} that decodes to next to nothing", "decode-failed"
                )
            if piece:
                yield piece


def accepted() -> bytes:
    """What an Accept-Encoding header may offer: the codings whose packages are there.

    To be asked once, not for each request: it imports them.
    """
    names = [b"gzip", b"deflate"]
    if brotli_streams():
        names.append(b"br")
    if zstd_frames():
        names.append(b"zstd")
    return b", ".join(names)


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
    if not names:
        return Identity()
    name = "gzip" if names[0] == "x-gzip" else names[0]  # RFC 9110 §8.4.1.3
    if name == "gzip":
        return Strict(name, lambda: Zlib(31), several=True)
    if name == "deflate":
        return Strict(name, Deflate)
    if name == "br":
        return Strict(name, brotli_streams() or _missing(name, "brotli 1.2"))
    if name == "zstd":
        return Strict(name, zstd_frames() or _missing(name, "backports.zstd"), several=True)
    raise FetchError(
        f"the body has the coding {shown(name, 30)!r}, which was not asked for", "decode-failed"
    )


def _missing(name: str, package: str) -> Callable[[], Member]:
    raise FetchError(
        f"the body has the coding {name!r}, which was not asked for and needs {package}: "
        "pip install 'twisted-app-toolkit[compression]'",
        "decode-failed",
    )
