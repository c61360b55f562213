"""What was coded comes back byte for byte, however it is cut up; what is corrupt never does."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from toolkit.http.decoding import PIECE, decoder_for
from toolkit.http.failures import FetchError


def decoded(coding: str, pieces: list[bytes]) -> bytes:
    decoder = decoder_for([coding.encode("ascii")])
    whole = b"".join(piece for data in pieces for piece in decoder.feed(data))
    decoder.finish()
    return whole


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


def raw_deflate(data: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-15)
    return deflating.compress(data) + deflating.flush()


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZIP": lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:]),
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "identity": bytes,
    "": bytes,
}


@given(
    coding=st.sampled_from(sorted(CODERS)),
    data=st.binary(max_size=500),
    places=st.lists(st.integers(0, 2000), max_size=10),
)
def test_any_split_gives_the_same_bytes(coding: str, data: bytes, places: list[int]) -> None:
    assert decoded(coding, cut(CODERS[coding](data), places)) == data


@given(
    coding=st.sampled_from(["gzip", "deflate"]),
    data=st.binary(min_size=1, max_size=300),
    end=st.integers(1, 10_000),
)
def test_a_cut_is_always_noticed(coding: str, data: bytes, end: int) -> None:
    coded = CODERS[coding](data)
    with pytest.raises(FetchError) as caught:
        decoded(coding, [coded[: 1 + end % (len(coded) - 1)]])
    assert caught.value.code == "decode-failed"


@given(data=st.binary(min_size=20, max_size=300), place=st.integers(0, 10_000))
def test_a_flipped_byte_in_a_gzip_never_gives_other_data(data: bytes, place: int) -> None:
    coded = bytearray(gzip.compress(data))
    coded[10 + place % (len(coded) - 10)] ^= 0xFF
    try:
        assert decoded("gzip", [bytes(coded)]) == data
    except FetchError as error:
        assert error.code == "decode-failed"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_bytes_after_the_end_are_an_error(coding: str) -> None:
    for after in (b"x", b"\0", b"more than a few bytes of it"):
        with pytest.raises(FetchError) as caught:
            decoded(coding, [CODERS[coding](b"data"), after])
        assert caught.value.code == "decode-failed"


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip;q=1", "\x1b[31m"])
def test_a_coding_that_was_not_asked_for_is_an_error(coding: str) -> None:
    with pytest.raises(FetchError, match="was not asked for") as caught:
        decoder_for([coding.encode("ascii")])
    assert caught.value.code == "decode-failed"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("codings", ["gzip, gzip", "deflate , gzip", ", ".join(["gzip"] * 100)])
def test_one_coding_on_another_is_an_error(codings: str) -> None:
    # Empty pieces inside such a tower would cost work that no limit of bytes counts.
    with pytest.raises(FetchError, match="codings on top of each other"):
        decoder_for([codings.encode()])


def test_a_bomb_comes_in_small_pieces() -> None:
    decoder = decoder_for([b"gzip"])
    bomb = gzip.compress(bytes(200_000_000), 1)
    sizes = [len(piece) for piece, _ in zip(decoder.feed(bomb), range(50), strict=False)]
    assert len(sizes) == 50
    assert max(sizes) <= PIECE


def test_no_body_at_all_is_an_empty_one() -> None:
    assert decoded("gzip", []) == decoded("deflate", [b""]) == b""
