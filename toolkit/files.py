"""Files: wait for one to appear, or compare many with what they were a moment ago.

Files are looked at with stat, never opened; only folders are read. Symbolic links are followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.filepath import FilePath

from toolkit.concurrency import deferred
from toolkit.errors import TimedOut, ToolkitError
from toolkit.globbing import NOT_THERE, Globbing, absolute, is_below

Kind: TypeAlias = Literal["created", "modified", "deleted"]


@deferred
async def wait_for_file(
    clock: IReactorTime,
    path: str | os.PathLike[str] | FilePath[str],
    poll_seconds: float = 1.0,
    timeout_seconds: float | None = None,
) -> FilePath[str]:
    """Wait until a path exists: a file, a folder, or anything else with a name.

    It is looked at once straight away, then every `poll_seconds`, and a last time when the time
    is up. A symbolic link that leads nowhere does not exist yet, nor does a path below a file.

    Args:
        clock: The reactor, or in a test a Clock.
        path: What to wait for; a relative one is below the folder the process is in now.
        poll_seconds: Between two looks, greater than 0.
        timeout_seconds: How long to wait in all; None for as long as it takes.

    Returns:
        A Deferred with the absolute FilePath. Cancelling it stops the looking.

    Raises:
        TimedOut: It was not there in that time. A path that could not be looked at, for want of
            permission, say, is looked at again until then, and the message gives the reason.
        ToolkitError: It cannot be looked at, and there is no `timeout_seconds`: the wait would
            have no end, and nobody would learn why (code `"unreadable"`).
        ValueError: An argument makes no sense.
    """
    name = path.path if isinstance(path, FilePath) else os.fspath(path)
    if not name or "\0" in name:
        raise ValueError(f"a path is neither empty nor holds a NUL, as {name!r} does")
    if not 0 < poll_seconds < inf:
        raise ValueError(f"poll_seconds must be greater than 0, not {poll_seconds}")
    if timeout_seconds is not None and not 0 <= timeout_seconds < inf:
        raise ValueError(f"timeout_seconds must be at least 0, not {timeout_seconds}")
    found = FilePath(os.path.abspath(name))
    deadline = inf if timeout_seconds is None else clock.seconds() + timeout_seconds
    while True:
        hindrance: OSError | None = None
        try:
            os.stat(found.path)
            return found
        except OSError as error:
            if error.errno not in NOT_THERE:
                hindrance = error
        if hindrance is not None and timeout_seconds is None:
            message = f"cannot look at {found.path!r}: {hindrance.strerror}"
            raise ToolkitError(message, "unreadable") from hindrance
        left = deadline - clock.seconds()
        if left <= 0:
            why = f" (cannot look at it: {hindrance.strerror})" if hindrance else ""
            message = f"{found.path!r} was not there within {timeout_seconds:g} s{why}"
            raise TimedOut(message) from hindrance
        await deferLater(clock, min(poll_seconds, left))


@dataclass(frozen=True)
class Change:
    """What became of a file.

    Args:
        kind: What happened to it.
        path: Its absolute path; bytes that are not UTF-8 are surrogate escapes (PEP 383).
        size: In bytes; of a deleted one, what it was when it was last seen.
        modified: When it was last written to, in seconds since 1970; likewise.
    """

    kind: Kind
    path: str
    size: int
    modified: float


_Mark: TypeAlias = tuple[int, int, int]  # size, time of the last write, inode


class _Known(msgspec.Struct, gc=False):  # gc: 100,000 of them would make collections stall
    """A file that is watched: how it looks, since when, and how it looked when it was announced."""

    mark: _Mark
    since: float
    announced: _Mark | None
    look: int = 0

    def change(self, kind: Kind, path: str) -> Change:
        size, nanoseconds, _inode = self.mark
        return Change(kind, path, size, nanoseconds / 1e9)


class Watcher:
    """Compares the files that patterns match with what they were at the look before.

    A file is announced as created or modified when its size, its time and its inode have stood
    still for `settle_seconds`; one that vanishes before that is never announced. Files in a
    folder that cannot be read are unknown, not deleted, until it can be read again.

    Args:
        clock: The reactor, or in a test a Clock; it is asked for the time alone.
        paths: Files, folders and patterns, as `Globbing` reads them (`*`, `**`; a folder means
            the files directly in it). `~` is expanded; a relative path is below the folder the
            process is in now.
        settle_seconds: How long a file must have stood still.
        announce_existing: Whether what the first look finds is announced as created, once it
            has settled, so that what came while nobody looked is not lost. Otherwise it is
            taken as known; so is a folder's content when it can first be read.
        max_files: The most files watched; those beyond are left out, and `trouble` says so.
    """

    def __init__(
        self,
        clock: IReactorTime,
        paths: Iterable[str],
        settle_seconds: float = 2.0,
        *,
        announce_existing: bool = True,
        max_files: int = 100_000,
    ) -> None:
        self.patterns = tuple(absolute(path) for path in paths)
        self.trouble = ""
        """What the last look could not do, in one line; empty where all went well."""
        self.looking_at = ""
        """The pattern whose turn it is: what a look that does not end hangs on."""
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._max_files = max_files
        self._known: dict[str, _Known] = {}
        self._look = 0
        self._untaken = set() if announce_existing else {"/"}

    def look(self) -> list[Change]:
        """Look at every file once.

        It blocks for as long as the file system takes: with many files, or on a network mount,
        call it in a thread (one look at a time).

        Returns:
            What was deleted, then what was created and modified, the oldest first.
        """
        self._look += 1
        walk = Globbing()
        settled: list[Change] = []
        is_full = False
        for pattern in self.patterns:
            self.looking_at = pattern
            for path in walk.paths(pattern):
                known = self._known.get(path)
                if known is not None and known.look == self._look:
                    continue  # two patterns match it
                try:
                    status = os.stat(path)
                except OSError as error:
                    if error.errno not in NOT_THERE:
                        walk.cannot_look(path, error)
                        if known is not None:
                            known.look = self._look
                    continue
                if not stat.S_ISREG(status.st_mode):
                    continue
                if known is None and len(self._known) >= self._max_files:
                    is_full = True
                    continue
                settled += self._compared(path, known, status)
        deleted = self._deleted(walk.unread)
        unknown = walk.unread | walk.doubtful
        self._untaken = {at for at in unknown if at in self._untaken or is_below(at, self._untaken)}
        troubles = [walk.trouble()]
        if is_full:
            troubles.append(
                f"more than {self._max_files:,} files match, and those beyond are not watched: "
                "let paths match fewer, or raise max_files"
            )
        self.trouble = "; ".join(filter(None, troubles))
        settled.sort(key=lambda change: change.modified)
        return deleted + settled

    def _compared(self, path: str, known: _Known | None, status: os.stat_result) -> list[Change]:
        now = self._clock.seconds()
        mark = (status.st_size, status.st_mtime_ns, status.st_ino)
        if known is None:
            was_there = is_below(path, self._untaken)
            known = self._known[path] = _Known(mark, now, mark if was_there else None)
        elif known.mark != mark:
            known.mark, known.since = mark, now
        known.look = self._look
        known.since = min(known.since, now)  # the clock may have been set back
        # A microsecond's grace: a sum of intervals falls short of the whole by a rounding error.
        if known.announced == mark or now - known.since < self._settle_seconds - 1e-6:
            return []
        kind: Kind = "modified" if known.announced else "created"
        known.announced = mark
        return [known.change(kind, path)]

    def _deleted(self, unread: set[str]) -> list[Change]:
        changes = []
        for path, known in list(self._known.items()):
            if known.look == self._look or is_below(path, unread):
                continue
            del self._known[path]
            if known.announced is not None:
                changes.append(known.change("deleted", path))
        return changes
