"""Each coding: its kinds, its ends, what it may take of memory, and what is there without it."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import pytest

from tests.http.coded import WHOLE, brotli_stream, decoded, raw_deflate, refused, windowed
from toolkit.http.codings import PIECE, Deflate, Member, Zlib, brotli_streams, zstd_frames
from toolkit.http.decoding import accepted


def members() -> dict[str, Member]:
    brotli, zstd = brotli_streams(), zstd_frames()
    assert brotli is not None
    assert zstd is not None
    return {"gzip": Zlib(31), "deflate": Deflate(), "br": brotli(), "zstd": zstd()}


@pytest.mark.parametrize("coding", sorted(WHOLE))
def test_a_member_gives_pieces_and_says_when_it_has_ended(coding: str) -> None:
    member, data = members()[coding], WHOLE[coding](b"how now " * 100_000)
    pieces = [member.decode(data)]
    while member.pending:
        assert not member.ended
        pieces.append(member.decode(b""))
    assert member.ended
    assert b"".join(pieces) == b"how now " * 100_000
    assert max(map(len, pieces)) <= PIECE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_what_comes_after_its_end_is_told(coding: str) -> None:
    member = members()[coding]
    assert member.decode(WHOLE[coding](b"x") + b"after") == b"x"
    assert (member.ended, member.rest) == (True, b"after")


@pytest.mark.parametrize("coding", sorted(WHOLE))
def test_what_is_corrupt_raises_its_own_error(coding: str) -> None:
    member = members()[coding]
    with pytest.raises(member.error):
        member.decode(b"\xff" * 100)


@pytest.mark.parametrize("code", [zlib.compress, raw_deflate])
def test_the_kind_of_deflate_is_told_by_two_bytes_that_may_come_apart(code: Any) -> None:
    member, data = Deflate(), code(b"how now")
    assert member.decode(data[:1]) == b""
    assert not member.pending
    assert member.decode(data[1:]) == b"how now"
    assert member.ended


def test_only_gzip_and_zstd_go_on_after_the_end() -> None:
    for coding, several in {"gzip": True, "zstd": True, "deflate": False, "br": False}.items():
        coded = WHOLE[coding](b"data")
        if several:
            assert decoded(coding, [coded + coded, coded]) == b"data" * 3
        else:
            refused(coding, [coded + coded])
            refused(coding, [coded, coded])


def test_the_end_of_a_raw_deflate_may_hide_in_bits_that_have_been_read() -> None:
    for length in range(2 * PIECE - 300, 2 * PIECE + 2):
        deflating = zlib.compressobj(9, wbits=-15)
        coded = deflating.compress(bytes(length)) + deflating.flush()
        assert len(decoded("deflate", [coded])) == length


def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accepted() == b"gzip, deflate, br, zstd"
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert accepted() == b"gzip, deflate, zstd"
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    assert accepted() == b"gzip, deflate"
    for coding in ("br", "zstd"):
        told = refused(coding, [])
        assert repr(coding) in told
        assert "pip install 'twisted-app-toolkit[compression]'" in told


def test_a_brotli_that_cannot_be_bounded_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class OfVersion11:
        error = ValueError
        Decompressor = type("Decompressor", (), {"process": None, "is_finished": None})

    monkeypatch.setitem(sys.modules, "brotli", OfVersion11)
    assert accepted() == b"gzip, deflate, zstd"
    assert "brotli 1.2" in refused("br", [brotli_stream(b"data")])


def test_a_zstd_window_is_at_most_8_mib() -> None:
    assert decoded("zstd", [windowed(23)]) == b""
    assert "too much memory" in refused("zstd", [windowed(24)])
    # A single segment's window is its content (RFC 8878 §3.1.1.1.2).
    single = b"\x28\xb5\x2f\xfd\xa0" + (9 << 20).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    assert "too much memory" in refused("zstd", [single])
