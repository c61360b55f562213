"""Files are waited for, and compared, without being opened."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given, strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.python.filepath import FilePath

from toolkit.errors import TimedOut, ToolkitError
from toolkit.files import Change, Watcher, wait_for_file
from toolkit.testing import is_waiting, result_of


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder of a user whom permissions bind: root, as whom tests may run, may read all."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            yield Path(folder)
            for name, folders, _ in os.walk(folder):
                for one in folders:
                    os.chmod(os.path.join(name, one), 0o700)
    finally:
        if is_root:
            os.seteuid(0)


class Watched:
    """A folder, a Watcher of it on a Clock, and what it says, in short."""

    def __init__(self, *paths: object, settle: float = 2.0, **settings: Any) -> None:
        self.clock = Clock()
        self.watcher = Watcher(self.clock, [str(path) for path in paths], settle, **settings)

    def changes(self, after: float = 0.0) -> list[Change]:
        self.clock.advance(after)
        return self.watcher.look()

    def look(self, after: float = 0.0) -> list[tuple[str, str]]:
        return [(change.kind, Path(change.path).name) for change in self.changes(after)]


def settled(*paths: object, **settings: Any) -> Watched:
    """A watch to which what is there now is known."""
    watched = Watched(*paths, **settings)
    watched.look()
    watched.look(after=2.0)
    return watched


# wait_for_file


def test_a_path_that_is_there_is_found_at_once(tmp_path: Path) -> None:
    clock = Clock()
    assert result_of(wait_for_file(clock, tmp_path)) == FilePath(str(tmp_path))
    assert clock.getDelayedCalls() == []


def test_it_is_found_at_the_first_look_after_it_came(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "ready"
    waiting = wait_for_file(clock, str(path), poll_seconds=2.0)
    clock.advance(1.0)
    path.touch()
    assert is_waiting(waiting)
    clock.advance(0.9)
    assert is_waiting(waiting)
    clock.advance(0.1)
    assert result_of(waiting).path == str(path)
    assert clock.getDelayedCalls() == []


def test_it_is_looked_at_a_last_time_when_the_time_is_up(tmp_path: Path) -> None:
    clock = Clock()
    path = FilePath(str(tmp_path / "ready"))
    waiting = wait_for_file(clock, path, poll_seconds=2.0, timeout_seconds=3.0)
    clock.pump([2.0, 0.5])
    path.touch()
    clock.advance(0.5)
    assert result_of(waiting) == path


def test_when_the_time_is_up_one_line_names_the_path_and_the_seconds(tmp_path: Path) -> None:
    clock = Clock()
    waiting = wait_for_file(clock, tmp_path / "a\nb", timeout_seconds=2.5)
    clock.pump([1.0, 1.0, 0.4])
    assert is_waiting(waiting)
    clock.advance(0.1)
    with pytest.raises(TimedOut) as raised:
        result_of(waiting)
    assert str(raised.value) == f"'{tmp_path}/a\\nb' was not there within 2.5 s"
    assert clock.getDelayedCalls() == []


def test_with_no_time_it_is_looked_at_once(tmp_path: Path) -> None:
    clock = Clock()
    with pytest.raises(TimedOut, match="within 0 s"):
        result_of(wait_for_file(clock, tmp_path / "no", timeout_seconds=0))
    assert clock.getDelayedCalls() == []


def test_without_a_time_out_it_waits_on(tmp_path: Path) -> None:
    clock = Clock()
    waiting = wait_for_file(clock, tmp_path / "late")
    clock.pump([1.0] * 5000)
    (tmp_path / "late").mkdir()
    clock.advance(1.0)
    assert result_of(waiting).isdir()


def test_cancelling_the_wait_stops_its_timer(tmp_path: Path) -> None:
    clock = Clock()
    waiting = wait_for_file(clock, tmp_path / "no", timeout_seconds=9)
    waiting.cancel()
    with pytest.raises(CancelledError):
        result_of(waiting)
    assert clock.getDelayedCalls() == []


def test_broken_links_and_paths_below_a_file_are_not_there_yet(tmp_path: Path) -> None:
    clock = Clock()
    link, loop, file = tmp_path / "link", tmp_path / "loop", tmp_path / "file"
    link.symlink_to(tmp_path / "target")
    loop.symlink_to(loop)
    file.touch()
    waits = [wait_for_file(clock, path) for path in (link, loop, file / "below")]
    clock.advance(1.0)
    assert all(is_waiting(wait) for wait in waits)
    (tmp_path / "target").touch()
    loop.unlink()
    loop.touch()
    file.unlink()
    file.mkdir()
    (file / "below").touch()
    clock.advance(1.0)
    assert [result_of(wait).basename() for wait in waits] == ["link", "loop", "below"]


def test_a_path_that_cannot_be_looked_at_is_waited_for_until_it_can(private: Path) -> None:
    clock = Clock()
    locked = private / "locked"
    locked.mkdir()
    (locked / "file").touch()
    locked.chmod(0)
    waiting = wait_for_file(clock, locked / "file", timeout_seconds=5)
    late = wait_for_file(clock, locked / "file", timeout_seconds=1)
    clock.advance(1.0)
    with pytest.raises(TimedOut) as raised:
        result_of(late)
    assert str(raised.value).endswith(
        "/file' was not there within 1 s (cannot look at it: Permission denied)"
    )
    assert isinstance(raised.value.__cause__, PermissionError)
    locked.chmod(0o700)
    clock.advance(1.0)
    assert result_of(waiting).basename() == "file"


def test_without_a_time_out_a_path_that_cannot_be_looked_at_fails_at_once(private: Path) -> None:
    clock = Clock()
    locked = private / "locked"
    locked.mkdir(mode=0)
    told = r"cannot look at '.*/file': Permission denied"
    with pytest.raises(ToolkitError, match=told) as raised:
        result_of(wait_for_file(clock, locked / "file"))
    assert raised.value.code == "unreadable"
    assert clock.getDelayedCalls() == []


def test_a_name_that_is_not_utf_8_can_be_waited_for(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    clock = Clock()
    waiting = wait_for_file(clock, name)
    Path(name).touch()
    clock.advance(1.0)
    assert result_of(waiting).path == name


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_an_interval_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="poll_seconds must be greater than 0"):
        result_of(wait_for_file(Clock(), "/", poll_seconds=seconds))


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_time_out_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout_seconds must be at least 0"):
        result_of(wait_for_file(Clock(), "/", timeout_seconds=seconds))


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_can_never_be_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="neither empty nor holds a NUL"):
        result_of(wait_for_file(Clock(), path))


@pytest_twisted.ensureDeferred
async def test_a_file_is_waited_for_in_real_time(reactor: Any, tmp_path: Path) -> None:
    path = tmp_path / "ready"
    waiting = wait_for_file(reactor, path, poll_seconds=0.01, timeout_seconds=30)
    await deferToThread(path.touch)
    assert (await waiting).path == str(path)


# Watcher


def test_a_file_is_created_modified_and_deleted(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "*.csv")
    file = tmp_path / "a.csv"
    assert watched.look() == []
    file.write_bytes(b"12345")
    os.utime(file, (1000.5, 1000.5))
    assert watched.changes(after=1.0) == []
    assert watched.changes(after=2.0) == [Change("created", str(file), 5, 1000.5)]
    assert watched.changes(after=2.0) == []
    file.write_bytes(b"123456")
    os.utime(file, (2000, 2000))
    assert watched.changes(after=1.0) == []
    assert watched.changes(after=2.0) == [Change("modified", str(file), 6, 2000.0)]
    file.unlink()
    assert watched.changes(after=1.0) == [Change("deleted", str(file), 6, 2000.0)]
    assert watched.changes(after=9.0) == []


def test_a_file_that_grows_is_announced_when_it_stands_still(tmp_path: Path) -> None:
    watched = Watched(tmp_path, settle=2.0)
    with (tmp_path / "log").open("ab", buffering=0) as file:
        for _ in range(5):
            file.write(b"x")
            assert watched.look(after=1.0) == []
    assert watched.look(after=1.0) == []
    [change] = watched.changes(after=1.0)
    assert (change.kind, change.size) == ("created", 5)


def test_intervals_that_add_up_to_the_time_to_settle_are_enough(tmp_path: Path) -> None:
    watched = Watched(tmp_path, settle=1.0)
    (tmp_path / "file").touch()
    looks = [watched.look(after=0.1) for _ in range(11)]
    assert looks == [[]] * 10 + [[("created", "file")]]


def test_with_no_time_to_settle_a_file_is_announced_at_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path, settle=0.0)
    (tmp_path / "file").touch()
    assert watched.look() == [("created", "file")]
    assert watched.look() == []


def test_a_clock_that_is_set_back_delays_by_no_more_than_the_time_to_settle(tmp_path: Path) -> None:
    watched = Watched(tmp_path, settle=2.0)
    (tmp_path / "file").touch()
    watched.clock.advance(1000.0)
    assert watched.look() == []
    watched.clock.rightNow = 0.0
    assert watched.look() == []
    assert watched.look(after=2.0) == [("created", "file")]


def test_a_file_that_vanishes_before_it_has_settled_is_never_announced(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    (tmp_path / "passing").touch()
    assert watched.look() == []
    (tmp_path / "passing").unlink()
    assert watched.look(after=5.0) == []
    assert watched.look(after=5.0) == []


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_modified(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / ".new"
    for path in (file, other):
        path.write_bytes(b"same")
        os.utime(path, (1, 1))
    watched = settled(tmp_path)
    other.rename(file)
    assert watched.look() == []
    assert watched.look(after=2.0) == [("modified", "file")]


def test_a_file_written_to_without_a_change_of_size_is_modified(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    os.utime(file, (1, 1))
    watched = settled(tmp_path)
    file.write_bytes(b"new")
    assert watched.look() == []
    assert watched.look(after=2.0) == [("modified", "file")]


def test_a_change_of_permissions_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watched = settled(tmp_path)
    (tmp_path / "file").chmod(0o600)
    assert watched.look() == []
    assert watched.look(after=5.0) == []


def test_what_was_there_at_the_first_look_is_announced_when_it_has_settled(tmp_path: Path) -> None:
    (tmp_path / "came while we were down").touch()
    watched = Watched(tmp_path)
    assert watched.look() == []
    assert watched.look(after=2.0) == [("created", "came while we were down")]


def test_the_first_look_may_take_stock_alone(tmp_path: Path) -> None:
    for name in ("kept", "changed", "gone"):
        (tmp_path / name).touch()
    watched = Watched(tmp_path, announce_existing=False)
    assert watched.look() == []
    assert watched.look(after=5.0) == []
    (tmp_path / "changed").write_text("changed")
    (tmp_path / "gone").unlink()
    (tmp_path / "new").touch()
    os.utime(tmp_path / "new", (1, 1))
    assert watched.look() == [("deleted", "gone")]
    assert watched.look(after=2.0) == [("created", "new"), ("modified", "changed")]


def test_taking_stock_of_a_folder_waits_until_it_can_be_read(private: Path) -> None:
    (private / "open").mkdir()
    locked = private / "locked"
    (locked / "deep").mkdir(parents=True)
    (locked / "deep" / "old").touch()
    (locked / "deep").chmod(0)
    locked.chmod(0)
    watched = Watched(private / "**", announce_existing=False, settle=0.0)
    assert watched.look() == []
    locked.chmod(0o700)
    (private / "open" / "new").touch()
    assert watched.look() == [("created", "new")]
    (locked / "deep").chmod(0o700)
    assert watched.look() == []
    assert watched.watcher.trouble == ""
    (locked / "deep" / "newer").touch()
    assert watched.look() == [("created", "newer")]


def test_changes_come_deleted_first_then_the_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "z").touch()
    watched = settled(tmp_path)
    for age, name in enumerate(["c", "a", "b"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    watched.look()
    (tmp_path / "z").unlink()
    assert watched.look(after=2.0) == [
        ("deleted", "z"),
        ("created", "c"),
        ("created", "a"),
        ("created", "b"),
    ]


def test_files_in_a_folder_that_cannot_be_read_are_unknown_and_not_deleted(private: Path) -> None:
    for name in ("open", "locked"):
        (private / name).mkdir()
        (private / name / "a").touch()
        (private / name / "b").touch()
    watched = settled(private / "*" / "*")
    (private / "open" / "a").unlink()
    (private / "locked" / "a").unlink()
    (private / "locked").chmod(0)
    assert watched.look() == [("deleted", "a")]
    assert watched.watcher.trouble == f"cannot read '{private}/locked': Permission denied"
    assert watched.look(after=9.0) == []
    (private / "locked").chmod(0o700)
    assert watched.look() == [("deleted", "a")]
    assert watched.watcher.trouble == ""


@pytest.mark.parametrize(
    "pattern",
    ["locked/in/*", "locked/in", "locked/in/", "locked/in/file", "**/file", "*/*/file", "*/in/*"],
)
def test_files_below_a_folder_that_cannot_be_entered_are_unknown(
    private: Path, pattern: str
) -> None:
    inner = private / "locked" / "in"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    watched = settled(f"{private}/{pattern}")
    inner.parent.chmod(0)
    assert watched.look() == []
    assert "Permission denied" in watched.watcher.trouble
    inner.parent.chmod(0o700)
    assert watched.look(after=9.0) == []
    assert watched.watcher.trouble == ""
    (inner / "file").unlink()
    assert watched.look() == [("deleted", "file")]


def test_a_folder_whose_files_can_be_listed_but_not_looked_at_is_told_in_one_line(
    private: Path,
) -> None:
    locked = private / "locked"
    locked.mkdir()
    for number in range(20):
        (locked / f"{number:02}").touch()
    watched = settled(locked)
    locked.chmod(0o400)
    assert watched.look() == []
    assert watched.watcher.trouble == (
        f"cannot look at '{locked}/00': Permission denied, and 19 more"
    )


def test_a_folder_that_is_not_there_is_told_and_its_files_are_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "file").touch()
    watched = settled(folder / "*")
    (folder / "file").unlink()
    folder.rmdir()
    assert watched.look() == [("deleted", "file")]
    assert watched.watcher.trouble == f"there is no folder '{folder}'"
    folder.mkdir()
    assert watched.look() == []
    assert watched.watcher.trouble == ""


def test_only_regular_files_and_links_to_them_are_files(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    inbox = tmp_path / "in"
    (inbox / "folder").mkdir(parents=True)
    os.mkfifo(inbox / "fifo")
    (inbox / "link").symlink_to(outside)
    (inbox / "broken").symlink_to(tmp_path / "nowhere")
    (inbox / "loop").symlink_to(inbox / "loop")
    (inbox / "link to a folder").symlink_to(inbox)
    (inbox / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(inbox / "socket"))
        watched = Watched(inbox / "*", inbox / "**", settle=0.0)
        assert watched.look() == [("created", "link")]
    assert watched.watcher.trouble == ""


def test_a_file_that_became_a_folder_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "thing").touch()
    watched = settled(tmp_path)
    (tmp_path / "thing").unlink()
    (tmp_path / "thing").mkdir()
    assert watched.look() == [("deleted", "thing")]


def test_a_name_that_is_not_utf_8_is_announced_as_it_is(tmp_path: Path) -> None:
    watched = Watched(tmp_path, settle=0.0)
    name = os.fsencode(tmp_path) + b"/\xff\x1b[2J\n"
    with open(name, "wb"):
        pass
    [change] = watched.changes()
    assert os.fsencode(change.path) == name


def test_a_file_that_several_patterns_match_is_announced_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watched = Watched(tmp_path, tmp_path / "*", tmp_path / "**", tmp_path / "file", settle=0.0)
    assert watched.look() == [("created", "file")]


def test_no_more_files_are_watched_than_the_most_and_that_is_told(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    watched = Watched(tmp_path, settle=0.0, max_files=2)
    known = [name for _, name in watched.look()]
    assert len(known) == 2
    assert watched.watcher.trouble == (
        "more than 2 files match, and those beyond are not watched: "
        "let paths match fewer, or raise max_files"
    )
    assert watched.look() == []
    (tmp_path / known[0]).unlink()
    assert watched.look() == [("deleted", known[0])]
    [left_out] = {"a", "b", "c"} - set(known)
    assert watched.look() == [("created", left_out)]
    assert watched.watcher.trouble == ""


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=4), max_size=8)
)
def test_what_is_announced_adds_up_to_what_is_there(turns: list[list[tuple[str, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        watched = Watched(folder, settle=2.0)
        announced: dict[str, int] = {}
        for turn in [*turns, [], [], []]:
            for name, size in turn:
                path = Path(folder, name)
                if size:
                    path.write_bytes(b"x" * size)
                else:
                    path.unlink(missing_ok=True)
            for change in watched.changes(after=1.0):
                name = Path(change.path).name
                assert (change.kind == "created") == (name not in announced)
                if change.kind == "deleted":
                    del announced[name]
                else:
                    announced[name] = change.size
        there = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
        assert announced == there
