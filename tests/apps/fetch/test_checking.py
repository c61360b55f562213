"""Checksums are read as sha256sum writes them, and what is kept has been checked."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from apps.fetch.checking import Checksums, ChecksumsRefused
from toolkit.http.failures import FetchError

SUM = hashlib.sha256(b"x").digest()
OTHER = hashlib.sha256(b"y").digest()


def checksums(tmp_path: Path, text: str | bytes) -> Checksums:
    path = tmp_path / "SHA256SUMS"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Checksums(str(path))


def test_a_name_is_the_url_or_the_files(tmp_path: Path) -> None:
    known = checksums(
        tmp_path,
        f"{SUM.hex()}  http://a/x\n{SUM.hex()} *d/file\n{SUM.hex()}  ./file2\n"
        f"{OTHER.hex().upper()}  foo.tar.gz\n",
    )
    assert known.expected("http://a/x", None) == SUM
    assert known.expected("http://a/y", "d/file") == SUM
    assert known.expected("http://a/y", "./d/file") == SUM
    assert known.expected("http://a/y", "e/file2") == SUM
    assert known.expected("http://a/foo.tar.gz?x", "d/a_foo-abc.gz") == OTHER
    assert known.expected("http://a/y", "d/z") is None


def test_the_url_counts_before_the_file(tmp_path: Path) -> None:
    known = checksums(tmp_path, f"{OTHER.hex()}  x\n{SUM.hex()}  http://a/x\n")
    assert known.expected("http://a/x", "d/x") == SUM
    assert known.expected("http://b/x", "d/x") == OTHER


def test_what_differs_or_has_no_line_is_a_mismatch(tmp_path: Path) -> None:
    known = checksums(tmp_path, f"{SUM.hex()}  http://a/x\n")
    known.verify("http://a/x", None, SUM)
    with pytest.raises(FetchError, match=f"SHA-256 {OTHER.hex()}, .* says {SUM.hex()}") as raised:
        known.verify("http://a/x", None, OTHER)
    assert raised.value.code == "checksum-mismatch"
    with pytest.raises(FetchError, match="there is no checksum for it") as raised:
        known.verify("http://a/y", None, SUM)
    assert raised.value.code == "checksum-mismatch"


def test_what_sha256sum_writes_is_read_whatever_the_name(tmp_path: Path) -> None:
    names = ["plain", "with space ", "new\nline", "back\\slash", "cr\rx", "*star", "\\n", "é\udcff"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    for option in ("--text", "--binary"):
        written = subprocess.run(
            ["sha256sum", option, "--", *names], cwd=tmp_path, capture_output=True, check=True
        )
        known = checksums(tmp_path, written.stdout)
        for name in names:
            assert known.expected("http://a/", name) == SUM, name


def test_comments_blank_lines_and_dos_line_ends_are_no_harm(tmp_path: Path) -> None:
    known = checksums(tmp_path, f"# of today\n\n{SUM.hex()}  a\r\n{OTHER.hex()}  b")
    assert (known.expected("u", "a"), known.expected("u", "b")) == (SUM, OTHER)


def test_a_byte_order_mark_at_the_beginning_is_skipped(tmp_path: Path) -> None:
    assert checksums(tmp_path, f"\ufeff{SUM.hex()}  a\n").expected("u", "a") == SUM


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has none"),
        ("# nothing\n", "it has none"),
        (f"\n{SUM.hex()} a\n", "line 2 of FILE is no checksum; right would be 64 hexadecimal"),
        (f"{SUM.hex()[1:]}  a\n", "line 1 of FILE is no checksum"),
        (f"{SUM.hex()}  \n", "line 1 of FILE is no checksum"),
        (f"SHA256 (a) = {SUM.hex()}\n", "line 1 of FILE is no checksum"),
        (f"{SUM.hex()}  a\n{OTHER.hex()}  a\n", "line 2 of FILE gives a another checksum"),
        ("x" * 200_000, "line 1 of FILE is no checksum"),
    ],
)
def test_a_line_that_is_wrong_is_told_with_its_number(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ChecksumsRefused) as raised:
        checksums(tmp_path, text)
    assert said.replace("FILE", str(tmp_path / "SHA256SUMS")) in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    try:
        Checksums(str(path))
    except ChecksumsRefused as error:
        assert str(error).isprintable()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ChecksumsRefused, match=r"cannot read checksums from .*: No such file"):
        Checksums(str(tmp_path / "none"))
