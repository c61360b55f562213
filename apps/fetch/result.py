"""What became of one URL: the record that is printed and kept, and its line of JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from toolkit.http.failures import FetchError
from toolkit.http.page import Page, Timings, values_of


class Phases(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Seconds by phase, as `toolkit.http.page.Timings`; None for one that did not happen."""

    queue: float | None
    name: float | None
    connect: float | None
    tls: float | None
    first_byte: float | None
    body: float | None


class Problem(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Why there is no answer.

    Args:
        code: The stable word of a FetchError.
        phase: In which phase it happened, None before the first.
        message: What happened, for people.
    """

    code: str
    phase: str | None
    message: str


class Result(msgspec.Struct, forbid_unknown_fields=True):
    """What became of one URL. The fields are the keys of the JSON record, in its order.

    Args:
        url: Exactly as it was given.
        final_url: The URL that answered, or was asked last; None where none was asked.
        status: The status of the last answer, None where there was none.
        bytes: The size of the body, decoded.
        seconds: How long it took, from its turn on.
        timings: Where they went.
        attempts: How often it was tried, redirects not counted.
        redirects: The URLs passed through.
        content_type: The header of that name, as it came.
        title: The page's title, where it was asked for and there is one.
        path: The file with the body, as it can be opened from here.
        error: Why there is no answer; None for an answer of any status.
    """

    url: str
    final_url: str | None
    status: int | None
    bytes: int
    seconds: float
    timings: Phases
    attempts: int
    redirects: list[str]
    content_type: str | None
    title: str | None
    path: str | None
    error: Problem | None

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or one of 400 or above."""
        return self.error is not None or self.status is None or self.status >= 400

    @property
    def served_seconds(self) -> float:
        """How long it took without what it waited for on this side: `timings.queue`."""
        queue = self.timings.queue
        return self.seconds if queue is None else max(0.0, self.seconds - queue)

    @property
    def code(self) -> str:
        """The error's code, or else the status, as one word."""
        return str(self.status) if self.error is None else self.error.code


class Kept(Result, omit_defaults=True):
    """A result in a journal: with what its URL can be asked again by, conditionally.

    Args:
        etag: The answer's ETag (RFC 9110 §8.8.3), as it came.
        last_modified: The answer's Last-Modified (§8.8.2), as it came.
    """

    etag: str | None = None
    last_modified: str | None = None


def field_of(page: Page, name: bytes) -> str | None:
    """The first header of that name.

    Args:
        page: What was answered.
        name: The header's name, in lower case.
    """
    values = values_of(page.fields, name)
    return values[0].decode("latin-1") if values else None


def answered(url: str, page: Page, title: str | None = None, path: str | None = None) -> Result:
    """The result for a page.

    Args:
        url: The URL as it was given.
        page: What it answered.
        title: Its title.
        path: Where its body was saved.
    """
    return Result(
        url,
        page.final_url,
        page.status,
        page.size,
        round(page.seconds, 6),
        _phases(page.timings),
        page.attempts,
        list(page.redirects),
        field_of(page, b"content-type"),
        title,
        path,
        None,
    )


def failed(url: str, error: FetchError) -> Result:
    """The result for a URL that gave no answer.

    Args:
        url: The URL as it was given.
        error: Why.
    """
    problem = Problem(error.code, error.phase, str(error))
    trail = error.trail
    if trail is None:
        return Result(url, None, None, 0, 0.0, _phases(Timings()), 0, [], None, None, None, problem)
    return Result(
        url,
        trail.final_url,
        trail.status,
        0,
        round(trail.seconds, 6),
        _phases(trail.timings),
        trail.attempts,
        list(trail.redirects),
        None,
        None,
        None,
        problem,
    )


def _phases(timings: Timings) -> Phases:
    # Most are None once a connection is used again, and a call costs more than a comparison.
    queue, name, connect, tls, first_byte, body = timings
    return Phases(
        None if queue is None else round(queue, 6),
        None if name is None else round(name, 6),
        None if connect is None else round(connect, 6),
        None if tls is None else round(tls, 6),
        None if first_byte is None else round(first_byte, 6),
        None if body is None else round(body, 6),
    )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


def encoded(result: Result) -> bytes:
    r"""The record as one line of JSON, UTF-8, without the line's end.

    What a terminal would obey or not show is escaped (`\u009b`). A byte of the URL that was not
    UTF-8 is the surrogate Python keeps it as (PEP 383), escaped: the byte ff is `\udcff`.

    Args:
        result: A Result, or a Kept with its further keys.
    """
    try:
        line = _encode(result)
    except UnicodeEncodeError:  # msgspec writes UTF-8, and a lone surrogate has none
        text = json.dumps(msgspec.to_builtins(result), ensure_ascii=False, separators=(",", ":"))
        return _escaped(text)
    if line.isascii() and b"\x7f" not in line:
        return line
    return _escaped(line.decode())


def _escaped(text: str) -> bytes:
    # Outside of its strings a line of JSON holds only printable ASCII: what is escaped is in one.
    if not text.isprintable():
        text = "".join(one if one.isprintable() else _escape(one) for one in text)
    return text.encode()


def _escape(character: str) -> str:
    if character == "\x7f":  # the one that JSON leaves as it is
        return "\\u007f"
    return json.dumps(character)[1:-1]


def decoded(line: bytes) -> Kept:
    """Read a record back.

    Args:
        line: What `encoded` gave.

    Returns:
        The record; of a Result, its further keys are None.

    Raises:
        ValueError: The line is no JSON, or no such record: a key is missing, unknown, or of
            another type.
    """
    try:
        return _decode(line)
    except msgspec.DecodeError as error:
        if b"\\ud" not in line or isinstance(error, msgspec.ValidationError):
            raise
    try:
        record: Any = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return msgspec.convert(record, Kept)
