"""A value that never prints, and the file it may come from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

MASK = "****"
"""What is printed in the place of a secret, and is never one itself."""

_IN_A_URL = (f"://{MASK}@", f"={MASK}")

MAX_BYTES = 65_536
"""The largest file that is read as a secret."""


class Secret:
    """A value that never prints: a password, a token, a URL with credentials.

    Args:
        value: The secret itself; read it with `reveal()`.
        file: The file it was read from, if it was.
    """

    __slots__ = ("_value", "file")

    def __init__(self, value: str, file: str | None = None) -> None:
        self._value = value
        self.file = file

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def secrets_in(value: object) -> Iterator[Secret]:
    """The secrets that a setting's value is, or holds.

    Args:
        value: A Secret, a list or table of them, or anything else.
    """
    return (one for one in _leaves(value) if isinstance(one, Secret))


def is_masked(value: object) -> bool:
    """Whether a mask stands in a setting's value where a secret should.

    Args:
        value: A Secret, text with a URL's credentials, a list or table of them, or anything else.
    """
    return any(
        one == Secret(MASK)
        or (isinstance(one, str) and "://" in one and any(mark in one for mark in _IN_A_URL))
        for one in _leaves(value)
    )


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, tuple | list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
    else:
        yield value


def read_secret(path: str) -> Secret:
    """Read a secret from a file, without the newlines at its end.

    Args:
        path: A regular file of at most 64 KiB of UTF-8 text.

    Returns:
        The Secret, which knows its file.

    Raises:
        ValueError: The file cannot be read, or holds no secret; in a few words, with the path.
    """
    try:
        with open(path, "rb", opener=_opened) as file:
            is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_BYTES + 1) if is_regular else b""
    except OSError as error:
        raise ValueError(f"{path!a} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL, or what no file system's encoding has
        raise ValueError(f"{path!a} is no path") from error
    if not is_regular:
        raise ValueError(f"{path!a} is no regular file")
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path!a} is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        # Not chained: the exception holds the secret.
        raise ValueError(f"{path!a} is not UTF-8") from None
    if not text:
        raise ValueError(f"{path!a} is empty")
    return Secret(text, path)


def _opened(path: str, flags: int) -> int:
    # Opening a FIFO that nobody writes must not hold the start (fifo(7)).
    return os.open(path, flags | os.O_NONBLOCK)


def is_exposed(path: str) -> bool:
    """Whether every user of the machine may read a file.

    Args:
        path: A file that has been read; one that is gone by now is not exposed.
    """
    try:
        return bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return False
