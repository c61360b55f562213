"""Checksums, as `sha256sum` writes and checks them."""

from __future__ import annotations

import codecs
import os
import re

from apps.fetch.digests import Digests
from apps.fetch.naming import last_name_in
from toolkit.errors import ToolkitError, printable
from toolkit.http.failures import FetchError

# A backslash before the line says that newlines, carriage returns and backslashes in the name
# are escaped; then come the sum, and a space or, for "binary", an asterisk (GNU coreutils).
_LINE = re.compile(rb"(\\?)([0-9a-fA-F]{64}) [ *](.+)", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}
_MAX_LINE = 131_072


class ChecksumsRefused(ToolkitError):
    """A file of checksums cannot be used."""

    code = "invalid-checksums"


class Checksums:
    """The SHA-256 that bodies should have, by name.

    A name is a URL as it is given, a saved file's path or name, or the last part of a URL's path,
    which is what a list beside a download calls it; the first of them that has a line counts. A
    body without a line is refused like one that differs: what is kept has been checked. Lines
    that nothing is asked for do not matter.

    Args:
        path: A file as `sha256sum` writes it.

    Raises:
        ChecksumsRefused: It cannot be read, has no line, or has one that is wrong.
    """

    def __init__(self, path: str) -> None:
        self._name = printable(path)
        self._known = Digests()
        self._sums = bytearray()
        try:
            with open(path, "rb") as file:
                for count, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), 1):
                    if count == 1:
                        line = line.removeprefix(codecs.BOM_UTF8)
                    if line.strip() and not line.startswith(b"#"):
                        self._take(line.removesuffix(b"\n").removesuffix(b"\r"), count)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ChecksumsRefused(f"cannot read checksums from {self._name}: {reason}") from error
        if not self._sums:
            raise ChecksumsRefused(f"cannot read checksums from {self._name}: it has none")

    def _take(self, line: bytes, count: int) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ChecksumsRefused(
                f"line {count} of {self._name} is no checksum; right would be 64 hexadecimal "
                "digits, two spaces and a name, as sha256sum writes them"
            )
        raw = _ESCAPE.sub(_unescaped, found[3]) if found[1] else found[3]
        name = raw.decode("utf-8", "surrogateescape").removeprefix("./")
        total = bytes.fromhex(found[2].decode("ascii"))
        at = self._known.get(name)
        if at is not None and self._sums[at : at + 32] != total:
            raise ChecksumsRefused(
                f"line {count} of {self._name} gives {printable(name)} another checksum than "
                "a line before it"
            )
        self._known.put(name, len(self._sums))
        self._sums += total

    def expected(self, url: str, path: str | None) -> bytes | None:
        """The SHA-256 that the body of a URL should have, None where there is no line for it.

        Args:
            url: As it was given.
            path: Where it is going to be saved, None where it is not.
        """
        names = [url]
        if path is not None:
            names += [path.removeprefix("./"), os.path.basename(path)]
        names.append(last_name_in(url))
        for name in names:
            at = self._known.get(name) if name else None
            if at is not None:
                return bytes(self._sums[at : at + 32])
        return None

    def verify(self, url: str, path: str | None, found: bytes) -> None:
        """Compare.

        Args:
            url: As it was given.
            path: Where it is going to be saved, None where it is not.
            found: The body's SHA-256.

        Raises:
            FetchError: `checksum-mismatch`, it is another, or there is no line for the URL.
        """
        expected = self.expected(url, path)
        if expected is None:
            raise FetchError(f"there is no checksum for it in {self._name}", "checksum-mismatch")
        if expected != found:
            raise FetchError(
                f"the body has the SHA-256 {found.hex()}, {self._name} says {expected.hex()}",
                "checksum-mismatch",
            )


def _unescaped(found: re.Match[bytes]) -> bytes:
    return _ESCAPED.get(found[1], found[0])
