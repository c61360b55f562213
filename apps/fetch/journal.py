"""The results of a run on disk, so that the next one does only what is left."""

from __future__ import annotations

from collections.abc import Iterator

from apps.fetch.digests import Digests
from apps.fetch.journal_file import JournalFailed, JournalFile
from apps.fetch.result import Kept, decoded, encoded

_BEGIN = b'{"url":'
_FAILED, _TAKEN, _FLAGS = 1, 2, 2


class Journal:
    """Results, a line of JSON each, and which URLs have one.

    A result is added behind the others. Where the URL had one before, both stand in the file
    until the end of the run, or the beginning of the next, when the older is dropped: killed at
    any moment, no URL has lost its result, and none that has one is asked again.

    In memory a URL is 24 bytes, whatever its length.

    Args:
        path: The file; it is made where there is none.
        retry_failed: Whether URLs whose result is a failure are asked again.
        refresh: Whether all are.

    Raises:
        JournalFailed: It cannot be used, another run uses it, or it is no journal.
    """

    def __init__(self, path: str, retry_failed: bool = False, refresh: bool = False) -> None:
        self._retry_failed = retry_failed
        self._refresh = refresh
        self._known = Digests()  # for each URL: (offset of its line + 1, or 0) << 2 | flags
        self._superseded = 0
        self._file = JournalFile(path)
        try:
            self._load()
            self._drop_superseded()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        """How many URLs have a result, or have been taken."""
        return len(self._known)

    def take(self, url: str) -> bool:
        """Whether the URL is to be asked; then it is this run's, and not taken twice.

        Args:
            url: As it was given.
        """
        number = self._known.get(url)
        if number is None:
            return self._known.put(url, _TAKEN)
        if number & _TAKEN:
            return False
        if self._refresh or (self._retry_failed and number & _FAILED):
            self._known.put(url, number | _TAKEN)
            return True
        return False

    def has_failed(self, url: str) -> bool:
        """Whether the URL has the result of a run before this one, and that is a failure.

        Args:
            url: As it was given.
        """
        number = self._known.get(url) or 0
        return bool(number & _FAILED) and not number & _TAKEN

    def former(self, url: str) -> Kept | None:
        """The result the URL has so far, None where it has none.

        Args:
            url: As it was given.

        Raises:
            JournalFailed: It cannot be read.
        """
        number = self._known.get(url)
        if number is None or not number >> _FLAGS:
            return None
        return decoded(self._file.line_at((number >> _FLAGS) - 1))

    def add(self, result: Kept) -> None:
        """Keep a result; when this returns, it outlives the process.

        Args:
            result: What became of a URL.

        Raises:
            JournalFailed: It cannot be written: the disk is full.
        """
        offset = self._file.append(encoded(result) + b"\n")
        self._note(result, offset, _TAKEN)

    def close(self) -> None:
        """Drop what has been superseded, and let other runs use it.

        Raises:
            JournalFailed: It cannot be written anew; nothing is lost, the next run drops it.
        """
        try:
            self._drop_superseded()
        finally:
            self._file.close()

    def _note(self, result: Kept, offset: int, flags: int) -> None:
        number = self._known.get(result.url)
        self._superseded += number is not None and number >> _FLAGS > 0
        self._known.put(result.url, offset + 1 << _FLAGS | flags | (_FAILED * result.failed))

    def _load(self) -> None:
        for count, (offset, line) in enumerate(self._file.lines(), 1):
            if line[-1:] != b"\n" and line.startswith(_BEGIN[: len(line)]):
                self._file.cut(offset)  # torn: whoever wrote it was killed
                return
            try:
                result = decoded(line)
            except ValueError as error:
                raise JournalFailed(
                    f"line {count} of {self._file.name} is no result of a journal: {error}"
                ) from error
            self._note(result, offset, 0)

    def _drop_superseded(self) -> None:
        if self._superseded:
            self._file.replace(self._current())
            self._superseded = 0

    def _current(self) -> Iterator[bytes]:
        """The lines that count, each noted where it is going to stand."""
        size = 0
        for offset, line in self._file.lines():
            url = decoded(line).url
            number = self._known.get(url) or 0
            # The last line of a URL is the one that counts: once noted anew, none follows.
            if number >> _FLAGS == offset + 1:
                yield line
                self._known.put(url, size + 1 << _FLAGS | number & (_FAILED | _TAKEN))
                size += len(line)
