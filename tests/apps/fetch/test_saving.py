"""A body is where it belongs whole, or nothing is; pipes and devices stay what they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from apps.fetch.naming import name_for
from apps.fetch.saving import File, Folder, Place, TargetRefused
from tests.apps.fetch.fetching import URL


def put(place: Place, data: bytes) -> None:
    place.partial.begin()
    place.partial.write(data)
    place.partial.end()
    assert not place.blocks()
    for _ in place.keep():
        pass
    place.drop()


def test_each_url_has_its_file_in_a_folder(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    place = folder.place(URL)
    assert place.name == os.path.join(str(tmp_path), name_for(URL))
    put(place, b"first")
    put(folder.place(URL), b"again")
    put(folder.place(URL + "b"), b"other")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {
        name_for(URL): b"again",
        name_for(URL + "b"): b"other",
    }


def test_until_it_is_kept_it_is_beside_and_dropped_it_is_nowhere(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    one, other = folder.place(URL), folder.place(URL)
    assert one.partial.path != other.partial.path  # of a URL that is given twice
    one.partial.begin()
    one.partial.write(b"half")
    assert len(os.listdir(tmp_path)) == 1
    assert name_for(URL) not in os.listdir(tmp_path)
    one.drop()
    other.drop()
    assert os.listdir(tmp_path) == []


def test_the_name_beside_is_not_too_long_for_a_file_system(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    place = File(str(path)).place(URL)
    assert len(os.fsencode(os.path.basename(place.partial.path))) <= 255
    put(place, b"x")
    assert path.read_bytes() == b"x"


def test_a_file_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    saved = tmp_path / name_for(URL)
    saved.write_bytes(b"old")
    saved.chmod(0o664)
    place = File(str(path)).place(URL)
    place.partial.begin()  # and on its way nobody else can read it either
    assert stat.S_IMODE(os.stat(place.partial.path).st_mode) == 0o600
    place.drop()
    put(File(str(path)).place(URL), b"new")
    put(Folder(str(tmp_path)).place(URL), b"new")
    assert (path.read_bytes(), saved.read_bytes()) == (b"new", b"new")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, saved)] == [0o600, 0o664]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("sub/file")
    place = File(str(tmp_path / "link")).place(URL)
    assert place.name == str(tmp_path / "link")
    put(place, b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "sub" / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path / "sub") == ["file"]


def test_a_fifo_is_written_in_place_once_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    place = File(str(path)).place(URL)
    Path(place.partial.path).write_bytes(b"x" * 200_000)
    assert place.blocks()
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert not place.blocks()
        received, waited = b"", 0
        for waits in place.keep():
            waited += waits
            if waits:
                received += os.read(reader, 1_000_000)
        while data := os.read(reader, 1_000_000):
            received += data
    finally:
        os.close(reader)
    assert received == b"x" * 200_000
    assert waited
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert not os.path.exists(place.partial.path)


def test_a_device_is_written_in_place() -> None:
    put(File("/dev/null").place(URL), b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    place = File("/dev/full").place(URL)
    with pytest.raises(OSError, match="No space left"):
        put(place, b"x")
    place.drop()
    assert not os.path.exists(place.partial.path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none/file", "there is no folder .*none; make it first"),
        (".", "it is a folder; name a file, or give it to -d"),
        ("file/x", "Not a directory|is no folder"),
    ],
)
def test_a_file_that_cannot_be_is_refused_at_once(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetRefused, match=said):
        File(str(tmp_path / path))


@pytest.mark.parametrize("path", ["none", "file", "\0"])
def test_a_folder_that_is_none_is_refused_at_once(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetRefused, match="cannot write "):
        Folder(str(tmp_path / path))
