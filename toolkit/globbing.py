"""Globbing that says what it could not read.

`glob.glob` passes over a folder that cannot be read as if it were empty, follows links in a
circle, and recurses as deep as the tree is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from glob import has_magic

NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What stat says of a path that is not there; ELOOP: links that lead only to each other."""


class Globbing:
    """One walk through the folders: the paths that patterns match, and what could not be read.

    `*`, `?` and `[…]` match within a name, and `**` any number of folders, without following
    links to folders, so that it ends. Like the shell's they do not match a leading dot unless
    it is written. `glob.escape` protects a name that holds such a character. A plain path is a
    file, or a folder and then every file directly in it, as is a pattern that ends in `/`.
    """

    _most_troubles = 1000

    def __init__(self) -> None:
        self.unread: set[str] = set()
        """Folders that could not be read: what is in them is unknown."""
        self.doubtful: set[str] = set()
        """Folders that hold something that could not be looked at."""
        self._troubles: dict[str, str] = {}

    def paths(self, pattern: str) -> Iterator[str]:
        """Read the folders, and give the paths that match.

        Args:
            pattern: An absolute one, as `absolute` makes it.

        Returns:
            Paths of what may be a file, in no order, some perhaps twice.
        """
        first, parts = _split(pattern)
        if not parts and self._is_folder(first):
            parts = ["*"]
        todo = [(first, parts)]  # not recursion: a tree may be deeper than Python's stack
        while todo:
            path, parts = todo.pop()
            if not parts:
                yield path
                continue
            part, *rest = parts
            if not has_magic(part):
                todo.append((os.path.join(path, part), rest))
                continue
            is_deep = part == "**"
            if is_deep:
                todo.append((path, rest))
            for entry in self._entries(path, must_exist=path == first):
                if entry.name.startswith(".") and not part.startswith("."):
                    continue
                if is_deep:
                    if _may_be_folder(entry, follow=False):
                        todo.append((entry.path, parts))
                elif fnmatchcase(entry.name, part):
                    if not rest:
                        yield entry.path
                    elif _may_be_folder(entry, follow=True):
                        todo.append((entry.path, rest))

    def cannot_look(self, path: str, error: OSError) -> None:
        """Note that a path which matches could not be looked at."""
        self.doubtful.add(os.path.dirname(path))
        self._note(path, f"cannot look at {path!r}: {error.strerror}")

    def trouble(self) -> str:
        """What could not be read or looked at, in one line: one, and how many more there are."""
        if not self._troubles:
            return ""
        more = len(self._troubles) - 1
        return min(self._troubles.values()) + (f", and {more:,} more" if more else "")

    def _is_folder(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(os.stat(path).st_mode)
        except OSError as error:
            if error.errno not in NOT_THERE:
                self.unread.add(path)
            return False

    def _entries(self, folder: str, must_exist: bool) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as error:
            if error.errno not in NOT_THERE:
                self.unread.add(folder)
                self._note(folder, f"cannot read {folder!r}: {error.strerror}")
            elif must_exist:
                self._note(folder, f"there is no folder {folder!r}")

    def _note(self, path: str, why: str) -> None:
        if len(self._troubles) < self._most_troubles:
            self._troubles[path] = why


def absolute(pattern: str) -> str:
    """A pattern from the root on.

    Args:
        pattern: `~` is expanded, and a relative one is below the folder the process is in now.
            A slash at its end stays, for it says that this is a folder.
    """
    # abspath keeps two slashes at the beginning, which POSIX lets a system give a meaning.
    path = "/" + os.path.abspath(os.path.expanduser(pattern)).lstrip("/")
    return path + "/" if pattern.endswith("/") and path != "/" else path


def is_below(path: str, folders: set[str]) -> bool:
    """Whether a path is in one of the folders, or in a folder of theirs."""
    while folders and path != "/":
        path = os.path.dirname(path)
        if path in folders:
            return True
    return False


def _split(pattern: str) -> tuple[str, list[str]]:
    """The longest path without wildcards that a pattern begins with, and its other parts."""
    plain: list[str] = []
    others: list[str] = []
    *folders, last = pattern.split("/")[1:]
    for part in [*folders, last or "*"]:
        if others or has_magic(part):
            if not part == "**" == (others or [""])[-1]:  # twice would be to walk all twice
                others.append(part)
        else:
            plain.append(part)
    if others and others[-1] == "**":
        others.append("*")
    return "/" + "/".join(plain), others


def _may_be_folder(entry: os.DirEntry[str], follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) or (follow and entry.is_symlink())
    except OSError:
        return True  # reading it will say what is wrong
