"""What is printed: a line for each URL, and the summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


def printable(text: str) -> str:
    """Text from elsewhere, with whatever could drive a terminal or break a column escaped."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one URL.

    Args:
        url: As it was given.
        seconds: How long it took.
        status: The status code, None where there was no answer.
        bytes: The size of the body, after decoding.
        code: The error's code, where there was no answer.
        message: What the error says.
    """

    url: str
    seconds: float
    status: int | None = None
    bytes: int = 0
    code: str = ""
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or one of 400 or above."""
        return self.status is None or self.status >= 400


def line(result: Result, aligned: bool) -> str:
    """The line for one URL: status or code, bytes or `-`, milliseconds, URL, message.

    Args:
        result: What became of it.
        aligned: Whether for a terminal, in columns, or for a pipe, with tabs.

    Returns:
        One line, without its end.
    """
    what = result.code if result.status is None else str(result.status)
    size = "-" if result.status is None else str(result.bytes)
    milliseconds = f"{result.seconds * 1000:.0f}"
    url = printable(result.url)
    rest = [url] if result.status is not None else [url, printable(result.message)]
    if not aligned:
        return "\t".join([what, size, milliseconds, *rest])
    return "  ".join([f"{what:<19}{size:>10}{milliseconds:>8}", *rest])


@dataclass
class Summary:
    """The totals of a run; their size does not grow with the number of URLs."""

    done: int = 0
    failed: int = 0
    bytes: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count one more."""
        self.done += 1
        self.bytes += result.bytes
        if result.failed:
            self.failed += 1
            self.codes[result.code or str(result.status)] += 1

    def text(self, seconds: float, unfinished: int = 0, more: bool = False) -> str:
        """The totals in one line.

        Args:
            seconds: How long the run took.
            unfinished: How many URLs were begun or known, but are not done.
            more: Whether there are others that were never read.
        """
        urls = "URL" if self.done == 1 else "URLs"
        parts = [f"{self.done} {urls} in {seconds:.1f} s", f"{self.bytes} bytes"]
        if self.failed:
            codes = ", ".join(f"{code} {count}" for code, count in self.codes.most_common())
            parts.append(f"{self.failed} failed ({codes})")
        else:
            parts.append("none failed")
        if unfinished or more:
            parts.append(
                f"{unfinished} not finished" + (", and those not yet read" if more else "")
            )
        return "; ".join(parts)


def unreadable(path: str, error: Exception) -> str:
    """One line about a file of URLs that cannot be used.

    Args:
        path: Its name; `-` is standard input.
        error: Why.
    """
    name = "standard input" if path == "-" else printable(path)
    return f"cannot read URLs from {name}: {getattr(error, 'strerror', None) or error}"
