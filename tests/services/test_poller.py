"""The poller tells of every change once, and neither a callback nor a mount can stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent

from toolkit.errors import SettingsError
from toolkit.files import Change
from toolkit.group import Group
from toolkit.service import Health, Shared
from toolkit.services import load
from toolkit.services.poller import SERVICE, Poller, PollerSettings, make
from toolkit.settings import Value, resolve
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
    finally:
        if is_root:
            os.seteuid(0)


def settings(*paths: object, **others: Any) -> PollerSettings:
    return PollerSettings(paths=tuple(map(str, paths)), **{"settle_seconds": 0.0, **others})


class Announced:
    """A callback that keeps what it was told, and answers as the test wants it to."""

    def __init__(self, answer: Callable[[Change], object] = lambda change: None) -> None:
        self.changes: list[tuple[str, str]] = []
        self._answer = answer

    def __call__(self, change: Change) -> object:
        self.changes.append((change.kind, Path(change.path).name))
        return self._answer(change)


class Threads:
    """Stands for a thread: a look goes through at once, or hangs until the test lets it go."""

    def __init__(self) -> None:
        self.hangs = False
        self.looks = 0
        self._hung: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def __call__(self, function: Callable[[], list[Change]]) -> Deferred[list[Change]]:
        self.looks += 1
        if not self.hangs:
            return maybeDeferred(function)
        self._hung.append((Deferred(), function))
        return self._hung[-1][0]

    def let_go(self) -> None:
        self.hangs = False
        for deferred, function in self._hung:
            deferred.callback(function())


def lines(logged: list[LogEvent]) -> list[str | None]:
    """What the poller and its health have logged, as text."""
    wanted = ("toolkit.services.poller.", "toolkit.service.")
    return [formatEvent(event) for event in logged if event["log_namespace"].startswith(wanted)]


def test_changes_are_logged_and_handed_on(tmp_path: Path, logged: list[LogEvent]) -> None:
    clock, announced = Clock(), Announced()
    poller = Poller(clock, settings(tmp_path / "*.csv", poll_seconds=2.0), announced)
    poller.startService()
    file = tmp_path / "a.csv"
    file.write_bytes(b"12345")
    os.utime(file, (1000, 1000))
    clock.advance(1.9)
    assert announced.changes == []
    clock.advance(0.1)
    file.write_bytes(b"123456")
    clock.advance(2.0)
    file.unlink()
    clock.advance(2.0)
    result_of(poller.stopService())
    assert announced.changes == [("created", "a.csv"), ("modified", "a.csv"), ("deleted", "a.csv")]
    assert lines(logged) == [
        f"poller watches {tmp_path}/*.csv",
        f"created: {file}, 5 bytes",
        f"modified: {file}, 6 bytes",
        f"deleted: {file}, 6 bytes",
    ]
    [event] = [event for event in logged if event.get("change") == "created"]
    assert (event["path"], event["size"], event["modified"]) == (str(file), 5, 1000.0)
    assert clock.getDelayedCalls() == []


def test_without_a_callback_changes_are_logged(tmp_path: Path, logged: list[LogEvent]) -> None:
    poller = Poller(Clock(), settings(tmp_path))
    (tmp_path / "file").touch()
    poller.startService()
    result_of(poller.stopService())
    assert f"created: {tmp_path}/file, 0 bytes" in lines(logged)


def test_what_is_there_at_the_start_may_be_left_unannounced(tmp_path: Path) -> None:
    clock, announced = Clock(), Announced()
    (tmp_path / "old").touch()
    poller = Poller(clock, settings(tmp_path, announce_existing=False), announced)
    poller.startService()
    (tmp_path / "new").touch()
    clock.advance(1.0)
    result_of(poller.stopService())
    assert announced.changes == [("created", "new")]


def test_a_file_is_announced_when_it_has_settled(tmp_path: Path) -> None:
    clock, announced = Clock(), Announced()
    poller = Poller(clock, settings(tmp_path, settle_seconds=2.0), announced)
    poller.startService()
    for size in (1, 2, 3):
        (tmp_path / "file").write_bytes(b"x" * size)
        clock.advance(1.0)
    clock.advance(1.0)
    assert announced.changes == []
    clock.advance(1.0)
    assert announced.changes == [("created", "file")]
    result_of(poller.stopService())


def test_after_a_restart_what_came_meanwhile_is_announced(tmp_path: Path) -> None:
    announced = Announced()
    poller = Poller(Clock(), settings(tmp_path), announced)
    poller.startService()
    result_of(poller.stopService())
    (tmp_path / "came").touch()
    poller.startService()
    result_of(poller.stopService())
    assert announced.changes == [("created", "came")]


def test_the_next_change_waits_for_what_is_done_with_the_one_before(tmp_path: Path) -> None:
    clock, done = Clock(), [Deferred[None](), Deferred[None]()]
    answers = iter(done)
    announced = Announced(lambda change: next(answers))
    for age, name in enumerate("ab"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    poller = Poller(clock, settings(tmp_path), announced)
    poller.startService()
    clock.pump([1.0] * 5)
    assert announced.changes == [("created", "a")]
    done[0].callback(None)
    assert announced.changes == [("created", "a"), ("created", "b")]
    done[1].callback(None)
    clock.advance(1.0)
    result_of(poller.stopService())
    assert len(announced.changes) == 2


@pytest.mark.parametrize("how", ["raises", "fails", "coroutine", "cancelled"])
def test_a_callback_that_fails_is_logged_and_the_watching_goes_on(
    tmp_path: Path, logged: list[LogEvent], how: str
) -> None:
    async def fails() -> None:
        raise ValueError("no room")

    def answer(change: Change) -> object:
        if how == "raises":
            raise ValueError("no room")
        if how == "coroutine":
            return fails()
        failed: Deferred[None] = Deferred()
        failed.errback(ValueError("no room") if how == "fails" else CancelledError())
        return failed

    clock, announced, health = Clock(), Announced(answer), Health("inbox")
    (tmp_path / "first").touch()
    poller = Poller(clock, settings(tmp_path), announced, health)
    poller.startService()
    (tmp_path / "second").touch()
    clock.advance(1.0)
    assert announced.changes == [("created", "first"), ("created", "second")]
    assert health.state == "ready"
    told = [formatEvent(event) for event in logged if event.get("log_failure")]
    assert told == [
        f"inbox could not hand on that {tmp_path}/{name} was created"
        for name in ("first", "second")
    ]
    result_of(poller.stopService())


def test_a_folder_that_cannot_be_read_degrades_the_service_until_it_can(
    private: Path, logged: list[LogEvent]
) -> None:
    clock, announced, health = Clock(), Announced(), Health("inbox")
    for name in ("open", "locked"):
        (private / name).mkdir()
        (private / name / name).touch()
    poller = Poller(clock, settings(private / "*" / "*"), announced, health)
    poller.startService()
    announced.changes.clear()
    (private / "locked").chmod(0)
    (private / "open" / "new").touch()
    clock.pump([1.0] * 3)
    assert announced.changes == [("created", "new")]
    assert (health.state, health.reason) == (
        "degraded",
        f"cannot read '{private}/locked': Permission denied",
    )
    (private / "locked").chmod(0o700)
    clock.pump([1.0] * 3)
    assert (health.state, announced.changes) == ("ready", [("created", "new")])
    result_of(poller.stopService())
    told = [line for line in lines(logged) if str(line).startswith("inbox ")]
    assert told[1:] == [
        f"inbox is degraded: cannot read '{private}/locked': Permission denied",
        "inbox has recovered",
    ]


def test_a_look_that_hangs_is_told_and_never_begun_twice(tmp_path: Path) -> None:
    clock, threads, health = Clock(), Threads(), Health("inbox")
    poller = Poller(clock, settings(tmp_path), None, health, threads)
    poller.startService()
    threads.hangs = True
    clock.advance(1.0)
    clock.advance(29.9)
    assert (threads.looks, health.state) == (2, "ready")
    clock.advance(0.1)
    reason = f"looking at '{tmp_path}' has taken more than 30 s so far"
    assert (threads.looks, health.state, health.reason) == (2, "degraded", reason)
    threads.let_go()
    assert (threads.looks, health.state) == (2, "ready")
    clock.advance(1.0)
    assert threads.looks == 3
    result_of(poller.stopService())
    assert clock.getDelayedCalls() == []


def test_the_stop_waits_for_a_look_in_progress(tmp_path: Path) -> None:
    clock, threads = Clock(), Threads()
    threads.hangs = True
    poller = Poller(clock, settings(tmp_path), None, None, threads)
    poller.startService()
    stopped = poller.stopService()
    clock.advance(1.0)
    assert is_waiting(stopped)
    threads.let_go()
    result_of(stopped)
    assert clock.getDelayedCalls() == []


def test_the_stop_does_not_wait_for_ever_for_a_look_that_hangs(
    tmp_path: Path, logged: list[LogEvent]
) -> None:
    clock, threads, announced = Clock(), Threads(), Announced()
    (tmp_path / "file").touch()
    threads.hangs = True
    poller = Poller(clock, settings(tmp_path), announced, None, threads)
    poller.startService()
    stopped = poller.stopService()
    clock.advance(2.0)
    result_of(stopped)
    assert clock.getDelayedCalls() == []
    assert lines(logged)[-1] == "poller stopped without waiting longer for what it was doing"
    threads.let_go()
    assert announced.changes == []
    poller.startService()
    assert announced.changes == [("created", "file")]
    result_of(poller.stopService())


def test_the_stop_cancels_a_callback_that_hangs_and_hands_on_no_more(tmp_path: Path) -> None:
    clock, cancelled = Clock(), list[object]()
    announced = Announced(lambda change: Deferred(cancelled.append))
    for name in "ab":
        (tmp_path / name).touch()
    poller = Poller(clock, settings(tmp_path), announced)
    poller.startService()
    stopped = poller.stopService()
    clock.advance(1.9)
    assert is_waiting(stopped)
    assert cancelled == []
    clock.advance(0.1)
    result_of(stopped)
    assert len(cancelled) == len(announced.changes) == 1
    assert clock.getDelayedCalls() == []


def test_a_callback_that_takes_long_is_told(tmp_path: Path) -> None:
    clock, health, done = Clock(), Health("inbox"), Deferred[None]()
    (tmp_path / "file").touch()
    poller = Poller(clock, settings(tmp_path), lambda change: done, health)
    poller.startService()
    clock.advance(30.0)
    assert health.reason == (f"what is done with '{tmp_path}/file' has taken more than 30 s so far")
    done.callback(None)
    assert health.state == "ready"
    result_of(poller.stopService())


def test_a_callback_may_stop_the_poller(tmp_path: Path) -> None:
    clock = Clock()
    announced = Announced(lambda change: poller.stopService())
    for name in "ab":
        (tmp_path / name).touch()
    poller = Poller(clock, settings(tmp_path), announced)
    poller.startService()
    clock.pump([1.0] * 5)
    assert len(announced.changes) == 1
    assert not poller.running
    assert clock.getDelayedCalls() == []


def test_many_changes_leave_the_reactor_its_turns(tmp_path: Path) -> None:
    clock, announced = Clock(), Announced()
    for number in range(250):
        (tmp_path / str(number)).touch()
    poller = Poller(clock, settings(tmp_path), announced)
    poller.startService()
    assert len(announced.changes) < 150
    clock.pump([0.0] * 5)
    assert len(announced.changes) == 250
    result_of(poller.stopService())


def test_a_look_that_raises_degrades_the_service_and_is_tried_again(
    tmp_path: Path, logged: list[LogEvent]
) -> None:
    def no_thread(function: object) -> Deferred[list[Change]]:
        raise RuntimeError("can't start new thread")

    clock, health = Clock(), Health("inbox")
    poller = Poller(clock, settings(tmp_path), None, health, no_thread)
    poller.startService()
    assert (health.state, health.reason) == ("degraded", "can't start new thread")
    assert len(clock.getDelayedCalls()) == 1
    result_of(poller.stopService())


def test_a_relative_path_is_below_the_folder_of_the_start(
    tmp_path: Path, logged: list[LogEvent]
) -> None:
    before = os.getcwd()
    announced = Announced()
    poller = Poller(Clock(), settings("in/*", "~/*.none"), announced)
    os.chdir(tmp_path)
    try:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "file").touch()
        poller.startService()
    finally:
        os.chdir(before)
    result_of(poller.stopService())
    assert announced.changes == [("created", "file")]
    home = os.path.expanduser("~")
    assert lines(logged)[0] == f"poller watches {tmp_path}/in/*, {home}/*.none"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"paths": ()}, "paths: expected at least one file, folder or pattern"),
        ({"paths": ("",)}, "paths: expected a list of files, folders and patterns, none empty"),
        ({"paths": ("a\0b",)}, "none empty or with a NUL"),
        ({"paths": "/srv"}, "paths: expected a list, each text"),
        ({"poll_seconds": 0.0099}, "poll_seconds: expected a number at least 0.01"),
        ({"poll_seconds": float("nan")}, "poll_seconds: expected a number at least 0.01"),
        ({"settle_seconds": -1.0}, "settle_seconds: expected a number at least 0"),
        ({"max_files": 0}, "max_files: expected a whole number at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        PollerSettings(**{"paths": ("/srv",), **wrong})


def test_paths_come_from_one_variable_and_must_be_given() -> None:
    found, _ = resolve(PollerSettings, "poller", [{"paths": Value("/a/*,b", "X", is_text=True)}])
    assert found.paths == ("/a/*", "b")
    with pytest.raises(SettingsError, match="poller: paths is not set; expected a list"):
        resolve(PollerSettings, "poller", [])


def test_the_registry_holds_it_and_a_group_runs_it(tmp_path: Path) -> None:
    clock = Clock()
    assert load("poller") is SERVICE
    assert SERVICE.summary.startswith("Watch files and folders")
    group = Group(clock)
    group.add("inbox", make(group.shared("inbox"), settings(tmp_path / "missing" / "*")))
    result_of(group.startService())
    assert group.states() == {"inbox": ("degraded", f"there is no folder '{tmp_path}/missing'")}
    (tmp_path / "missing").mkdir()
    clock.advance(1.0)
    assert group.states() == {"inbox": ("ready", "")}
    result_of(group.stopService())
    assert group.states() == {"inbox": ("stopped", "")}


def look_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "poller look"]


@pytest_twisted.ensureDeferred
async def test_real_looks_run_in_a_thread_that_ends(reactor: Any, tmp_path: Path) -> None:
    seen: Deferred[str] = Deferred()
    poller = Poller(
        reactor,
        settings(tmp_path, poll_seconds=0.01, settle_seconds=0.02),
        lambda change: seen.callback(threading.current_thread().name),
    )
    poller.startService()
    (tmp_path / "file").touch()
    assert await seen == threading.main_thread().name
    await poller.stopService()
    for thread in look_threads():
        thread.join(10)
    assert look_threads() == []


@pytest_twisted.ensureDeferred
async def test_a_thread_that_hangs_holds_neither_the_reactor_nor_the_stop(
    reactor: Any, tmp_path: Path, logged: list[LogEvent]
) -> None:
    let_go, hangs = threading.Event(), threading.Event()

    class Hung(Poller):
        def _new_watcher(self) -> Any:
            watcher = super()._new_watcher()

            class Mount:
                patterns, trouble, looking_at = watcher.patterns, "", "/mnt"

                def look(self) -> list[Change]:
                    hangs.set()
                    assert threading.current_thread().daemon
                    let_go.wait(30)
                    return []

            return Mount()

    poller = Hung(reactor, settings(tmp_path))
    poller.startService()
    assert hangs.wait(30)
    began = reactor.seconds()
    await poller.stopService()
    assert reactor.seconds() - began < 5
    let_go.set()
    assert any("without waiting longer" in str(formatEvent(event)) for event in logged)


def test_twistd_tells_of_a_file_that_arrives_and_stops_in_order(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    command = [
        os.path.join(os.path.dirname(sys.executable), "twistd"), "-n", "--pidfile=", "toolkit",
        "poller", "--paths", "inbox/*.csv", "--poll-seconds", "0.05", "--settle-seconds", "0.1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        told: list[bytes] = []

        def until(words: bytes) -> None:
            for line in process.stdout or ():
                told.append(line)
                if words in line:
                    return
            pytest.fail(f"no {words!r} in {told}")

        try:
            until(b"ready")
            file = os.fsencode(inbox) + b"/\xff\x1b[2Jx.csv"
            with open(file, "wb") as written:
                written.write(b"12345")
            until(b"5 bytes")
            assert b"created: " in told[-1]
            assert b"\x1b" not in told[-1]
            os.unlink(file)
            until(b"deleted: ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not any(b"Traceback" in line for line in told)


def test_the_module_can_be_used_with_a_shared_of_its_own(tmp_path: Path) -> None:
    health = Health("inbox")
    service = make(Shared(Clock(), "inbox", health), settings(tmp_path))
    states = [health.state]
    service.startService()
    states.append(health.state)
    result_of(maybeDeferred(service.stopService))
    assert [*states, health.state] == ["stopped", "ready", "stopped"]
