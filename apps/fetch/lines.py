"""One result as one line: for people, as JSON, or as CSV."""

from __future__ import annotations

from collections.abc import Callable

from apps.fetch.result import Result, encoded
from toolkit.errors import printable

COLUMNS = (
    "url", "final_url", "status", "bytes", "seconds", "timings.queue", "timings.name",
    "timings.connect", "timings.tls", "timings.first_byte", "timings.body", "attempts", "redirects",
    "content_type", "title", "path", "error.code", "error.phase", "error.message",
)  # fmt: skip
"""The columns of CSV: the keys of the JSON record, those of the records in it after a point."""

_FORMULA = ("=", "+", "-", "@")

Line = Callable[[Result], bytes]


def text_line(result: Result, aligned: bool = False) -> str:
    """The line for people: status or code, bytes or `-`, milliseconds, URL, then title or message.

    The milliseconds are without our own waiting, as are the percentiles in the end: `timings.queue`
    is the line's place in our queue, and says nothing of who answered.

    Whatever a terminal would obey, or that would break a column, is escaped as in Python.

    Args:
        result: What became of the URL.
        aligned: Whether for a terminal, in columns, or for a pipe, with tabs.

    Returns:
        The line, without its end.
    """
    size = "-" if result.error is not None else str(result.bytes)
    milliseconds = f"{result.served_seconds * 1000:.0f}"
    rest = [printable(result.url)]
    if result.error is not None:
        rest.append(printable(result.error.message))
    elif result.title is not None:
        rest.append(printable(result.title))
    if not aligned:
        return "\t".join([result.code, size, milliseconds, *rest])
    return "  ".join([f"{result.code:<19}{size:>10}{milliseconds:>8}", *rest])


def csv_line(result: Result) -> str:
    """The record as a line of CSV (RFC 4180), None as an empty field.

    A text that a spreadsheet would take for a formula gets a `'` before it: titles are other
    people's. What is not printable is escaped as in Python, so that a record is one line. The
    URLs passed through are one field, a space between two.

    Args:
        result: What became of the URL.

    Returns:
        The line, without its end.
    """
    timings, error = result.timings, result.error
    fields = (
        _text(result.url),
        _text(result.final_url),
        _number(result.status),
        str(result.bytes),
        _number(result.seconds),
        _number(timings.queue),
        _number(timings.name),
        _number(timings.connect),
        _number(timings.tls),
        _number(timings.first_byte),
        _number(timings.body),
        str(result.attempts),
        _text(" ".join(result.redirects)),
        _text(result.content_type),
        _text(result.title),
        _text(result.path),
        "" if error is None else _text(error.code),
        "" if error is None else _text(error.phase),
        "" if error is None else _text(error.message),
    )
    return ",".join(fields)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    # Whole numbers stay whole; seconds never take an exponent, which not every reader knows.
    return str(value) if isinstance(value, int) else f"{value:.6f}"


def _text(value: str | None) -> str:
    if not value:
        return ""
    value = printable(value)
    if value.startswith(_FORMULA):
        value = "'" + value
    if "," in value or '"' in value:
        return '"' + value.replace('"', '""') + '"'
    return value


def line_maker(form: str, aligned: bool = False, encoding: str = "utf-8") -> tuple[bytes, Line]:
    """What is printed first, and what makes a line of a result.

    Args:
        form: `text`, `jsonl` or `csv`.
        aligned: Whether lines of text are for a terminal.
        encoding: That of lines of text; what it has no byte for is escaped. The others are UTF-8.

    Returns:
        The header, empty where there is none, and a function; lines with their end.
    """
    if form == "jsonl":
        return b"", lambda result: encoded(result) + b"\n"
    if form == "csv":
        header = ",".join(COLUMNS) + "\r\n"
        return header.encode(), lambda result: (csv_line(result) + "\r\n").encode()

    def text(result: Result) -> bytes:
        return (text_line(result, aligned) + "\n").encode(encoding, "backslashreplace")

    return b"", text
