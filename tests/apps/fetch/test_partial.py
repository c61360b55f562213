"""A body is in its file as it comes, with its checksum, and another try begins anew."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from apps.fetch.partial import BEGINNING_BYTES, Partial
from toolkit.http.failures import FetchError


def test_another_try_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "part"
    partial = Partial(str(path), "name")
    partial.is_summed = True
    partial.begin()
    partial.write(b"a first try that is longer")
    partial.drop()
    assert os.listdir(tmp_path) == []
    partial.begin()
    for piece in (b"an", b"oth", b"er"):
        partial.write(piece)
    partial.end()
    assert (path.read_bytes(), partial.beginning) == (b"another", b"another")
    assert partial.digest == hashlib.sha256(b"another").digest()
    partial.drop()
    partial.drop()
    assert os.listdir(tmp_path) == []


def test_of_a_long_body_only_the_beginning_is_in_memory(tmp_path: Path) -> None:
    partial = Partial(str(tmp_path / "part"), "name")
    partial.begin()
    for _ in range(5):
        partial.write(b"x" * 100_000)
    partial.end()
    assert partial.beginning == b"x" * BEGINNING_BYTES
    assert (tmp_path / "part").stat().st_size == 500_000


def test_what_cannot_be_written_is_write_failed(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot write name: No such file") as raised:
        Partial(str(tmp_path / "none" / "part"), "name").begin()
    assert raised.value.code == "write-failed"
    partial = Partial("/dev/full", "name")
    partial.begin()
    with pytest.raises(FetchError, match="cannot write name: No space left") as raised:
        partial.write(b"x")
    assert raised.value.code == "write-failed"
    partial.end()


def test_what_somebody_else_put_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "part").symlink_to(tmp_path / "other")
    with pytest.raises(FetchError):
        Partial(str(tmp_path / "part"), "name").begin()
    assert not (tmp_path / "other").exists()
