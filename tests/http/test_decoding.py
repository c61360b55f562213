"""What was coded comes back byte for byte, however it is cut up; what is corrupt never does."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import pytest_twisted
from hypothesis import given, strategies as st

from tests.http.coded import MIB, ODD, WHOLE, bomb, decoded, refused, skippable, windowed
from tests.processes import Start
from toolkit.http.decoding import PIECE, decoder_for
from toolkit.http.failures import FetchError

SUMMED = ["gzip", "deflate", "zstd"]  # a brotli stream has no checksum
KINDS = {**{name: (name, code) for name, code in WHOLE.items()}, **ODD}
# What repeats, what does not, and more of it than one call of a decoder gives.
BODIES = st.one_of(
    st.binary(max_size=500), st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 50_000))
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(
    kind=st.sampled_from(sorted(KINDS)),
    data=BODIES,
    places=st.lists(st.integers(0, 1_000_000), max_size=10),
)
def test_any_split_gives_the_same_bytes(kind: str, data: bytes, places: list[int]) -> None:
    coding, code = KINDS[kind]
    assert decoded(coding, cut(code(data), places)) == data


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_byte_by_byte_gives_the_same_bytes(kind: str) -> None:
    coding, code = KINDS[kind]
    data = b"how now brown cow " * 10 + bytes(range(256))
    assert decoded(coding, list(in_pieces(code(data), 1))) == data


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_comes_at_once_and_is_long_comes_back_whole(kind: str) -> None:
    coding, code = KINDS[kind]
    for data in (b"how now brown cow " * 10_000, bytes(1_000_000), Random(6).randbytes(300_000)):
        assert decoded(coding, [code(data)]) == data


@pytest.mark.parametrize("kind", [*sorted(WHOLE), "raw deflate"])
def test_every_cut_is_noticed(kind: str) -> None:
    coding, code = KINDS[kind]
    for data in (b"", b"x", b"how now brown cow " * 10 + bytes(range(256)), bytes(200_000)):
        coded = code(data)
        for end in range(1, len(coded)):
            assert "ends inside" in refused(coding, [coded[:end]])


@given(
    coding=st.sampled_from(SUMMED),
    data=st.binary(max_size=300),
    place=st.integers(0, 10_000),
    flip=st.integers(1, 255),
)
def test_a_changed_byte_never_gives_other_data(
    coding: str, data: bytes, place: int, flip: int
) -> None:
    coded = bytearray(WHOLE[coding](data))
    coded[place % len(coded)] ^= flip
    try:
        assert decoded(coding, [bytes(coded)]) == data
    except FetchError as error:
        assert error.code == "decode-failed"


@pytest.mark.parametrize("coding", sorted(WHOLE))
@pytest.mark.parametrize("after", [b"x", b"\0", b"more than a few bytes of it"])
def test_bytes_after_the_end_are_an_error(coding: str, after: bytes) -> None:
    coded = WHOLE[coding](b"data" * 30_000)
    refused(coding, [coded, after])
    refused(coding, [coded + after])
    refused(coding, [*in_pieces(coded + after, 1)])


@pytest.mark.parametrize("coding", ["compress", "gzip;q=1", "br2", "\x1b[31m"])
def test_a_coding_that_was_not_asked_for_is_an_error(coding: str) -> None:
    with pytest.raises(FetchError, match="was not asked for") as caught:
        decoder_for([coding.encode("ascii")])
    assert caught.value.code == "decode-failed"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("codings", ["gzip, gzip", "deflate , br", ", ".join(["zstd"] * 100)])
def test_one_coding_on_another_is_an_error(codings: str) -> None:
    # Empty pieces inside such a tower would cost work that no limit of bytes counts.
    with pytest.raises(FetchError, match="codings on top of each other"):
        decoder_for([codings.encode()])


def test_no_body_at_all_is_an_empty_one() -> None:
    assert [decoded(coding, []) for coding in WHOLE] == [b""] * 4
    assert [decoded(coding, [b""]) for coding in WHOLE] == [b""] * 4


NOTHING = {
    "gzip members": ("gzip", b"", gzip.compress(b"")),
    "gzip blocks": ("gzip", gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"),
    "a gzip name": ("gzip", b"\x1f\x8b\x08\x08" + bytes(6), b"name"),
    "deflate blocks": ("deflate", b"", b"\x00\x00\x00\xff\xff"),
    "brotli metadata": ("br", b"\x0c", b"\x06"),
    "zstd frames": ("zstd", b"", windowed(23)),
    "zstd blocks": ("zstd", windowed(23)[:-3], b"\x00\x00\x00"),
    "skippable frames": ("zstd", b"", skippable(b"")),
    "a skippable frame": ("zstd", skippable(b"")[:4] + b"\xff\xff\xff\xff", b"skipped"),
}


@pytest.mark.parametrize("kind", sorted(NOTHING))
def test_what_decodes_to_nothing_ends(kind: str) -> None:
    coding, head, again = NOTHING[kind]
    decoder = decoder_for([coding.encode()])
    assert list(decoder.feed(head + again * 900)) == []
    endless = again * (2 * MIB // len(again))
    with pytest.raises(FetchError, match=f"is {coding} that decodes to next to nothing"):
        list(decoder.feed(endless))


def test_many_small_members_are_no_attack() -> None:
    assert decoded("gzip", [gzip.compress(b"x") * 20_000]) == b"x" * 20_000
    assert decoded("zstd", [WHOLE["zstd"](b"x" * 40) * 2_000]) == b"x" * 80_000


def test_the_making_of_many_zstd_frames_for_a_byte_each_is_one() -> None:
    # 30 microseconds each: in 16 MiB of output there would be eight minutes of them.
    assert decoded("zstd", [WHOLE["zstd"](b"x") * 900]) == b"x" * 900
    assert "next to nothing" in refused("zstd", [WHOLE["zstd"](b"x") * 1_200])


BOMBS = """
from tests.http.coded import MIB, bomb
from toolkit.http.decoding import PIECE, decoder_for

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

def pieces(coding):
    decoder = decoder_for([coding.encode()])
    for start in range(0, len(coded), PIECE):
        yield from decoder.feed(coded[start : start + PIECE])

for coding in ("gzip", "deflate", "br", "zstd"):
    coded = bomb(coding, 10)
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # VmHWM begins again (proc(5))
    before, count, longest = memory("VmRSS"), 0, 0
    for piece in pieces(coding):
        count += len(piece)
        longest = max(longest, len(piece))
        if count > 40 * MIB:
            break
    print(coding, longest, memory("VmHWM") - before, count)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest_twisted.ensureDeferred
async def test_a_bomb_of_10_gib_comes_in_small_pieces_and_costs_no_memory(start: Start) -> None:
    program = start("python", "-c", BOMBS, cwd=Path(__file__).parents[2])
    assert await program.ended() == 0, program.err
    told = re.findall(r"(\w+) (\d+) (\d+) (\d+)\n", program.out)
    assert [coding for coding, *_ in told] == ["gzip", "deflate", "br", "zstd"]
    for coding, longest, kib, count in told:
        assert int(count) > 40 * MIB, coding
        assert int(longest) <= PIECE, coding
        # The largest window of brotli is 16 MiB, and it may have grown there by doubling.
        assert int(kib) < (32 if coding == "br" else 12) * 1024, coding


def test_the_end_of_a_bomb_is_a_cut() -> None:
    assert "ends inside" in refused("zstd", [bomb("zstd", 0)[:-3]])
