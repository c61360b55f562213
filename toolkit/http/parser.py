"""From bytes to responses: HTTP/1.1 (RFC 9112), strict, on llhttp. No I/O.

llhttp refuses by itself what can be read in two ways: a Content-Length twice or beside a
Transfer-Encoding, a folded line, a bare LF or CR, a size that is none. Added here are the bounds,
what a client must not take (a second response, another protocol, other transfer codings), and
what the end of the connection means.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from toolkit.http.failures import FetchError, shown

MAX_HEAD_BYTES = 65_536
MAX_FIELDS = 256
MAX_CHUNK_EXTENSION_BYTES = 4_096
MAX_INTERIM = 32
_SIZES = frozenset(map(len, (b"content-length", b"content-encoding", b"transfer-encoding")))
CHUNK_LINE_BYTES = 34
"""What the lines around a chunk take without extensions: 16 digits, its CR LF and that of its size,
and as much again for zeros in front."""


def _size(fields: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in fields)


class ResponseParser:
    """Takes the responses of one connection apart, one for each `begin`.

    Args:
        place: The host and port, for messages.

    Attributes:
        status: The status code.
        phrase: The reason phrase.
        minor: The minor version of HTTP/1.
        headers: Names and values, as they came.
        trailers: Those after the body.
        length: What Content-Length says, or None.
        coded: Whether there is a Content-Encoding.
        body: The pieces of the body that have come; whoever takes them empties the list.
        has_head: Whether the head is complete.
        complete: Whether the whole response is.
        keep_alive: Whether the connection may be used again; known when it is complete.
    """

    status = 0
    phrase = b""
    minor = 1
    length: int | None = None
    has_head = complete = keep_alive = coded = False
    _wrong = ""
    _chunked = False
    _chunks = 0  # begun during this feed
    _in_last_chunk = False  # perhaps: its size is known, and no byte of it came
    _unseen = 0  # bytes that llhttp has told nothing of, since it last did
    _interim = 0

    def __init__(self, place: str) -> None:
        self._place = place
        self._parser = HttpResponseParser(self)
        self.trailers: list[tuple[bytes, bytes]] = []
        self.begin(False)

    def begin(self, head: bool) -> None:
        """Expect a response.

        Args:
            head: Whether it answers a HEAD request, and so has no body (RFC 9110 §9.3.2).
        """
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.length = None
        self.has_head = self.complete = self.keep_alive = self.coded = False
        self._to_head = head
        self._head_bytes = 0
        # Rarely used: not to be set again for each of a hundred thousand.
        if self.trailers or self._chunked or self._interim or not self.minor:
            self.trailers = []
            self.minor = 1
            self._chunked = self._in_last_chunk = False
            self._interim = self._unseen = 0
        self.phrase = b""
        self.status = 0

    @property
    def begun(self) -> bool:
        """Whether any byte of a response has come."""
        return self._head_bytes > 0

    def feed(self, data: bytes) -> None:
        """Take in what came.

        Args:
            data: The bytes, of at most some 100 KiB.

        Raises:
            FetchError: `malformed-response` or `head-too-large`. Nothing more can be fed.
        """
        had_head, pieces, trailers = self.has_head, len(self.body), len(self.trailers)
        self._chunks = 0
        if not had_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            raise self._malformed("it changes to another protocol, unasked") from error
        except HttpParserError as error:
            reason = "it changes to another protocol" if self.status == 101 else str(error)
            if self.complete:
                reason = f"there are bytes after its end ({reason})"
            raise self._malformed(reason) from error
        if self._wrong:
            raise self._malformed(self._wrong)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_FIELDS:
            self._bound_head()
        if self._chunked:
            seen = sum(map(len, self.body[pieces:])) + _size(self.trailers[trailers:])
            if not had_head:
                seen += data.find(b"\r\n\r\n") + 4
            told = self._chunks or len(self.body) > pieces
            unseen = len(data) - seen - CHUNK_LINE_BYTES * self._chunks
            self._unseen = unseen if told else self._unseen + unseen
            self._bound_chunks()

    def end(self, clean: bool) -> None:
        """The connection has ended.

        Args:
            clean: Whether in good order.

        Raises:
            FetchError: `disconnected` inside the head, `truncated` inside the body: nobody can
                tell whether the rest is missing.
        """
        if not self.has_head:
            raise FetchError(
                f"{self._place} ended the connection before the head of its answer was complete",
                "disconnected",
            )
        if self.complete:
            return
        # Only without Content-Length and chunks is it the end of the body (RFC 9112 §6.3).
        if not clean or self._chunked or self.length is not None:
            raise FetchError(f"{self._place} ended the connection inside the body", "truncated")
        self.complete = True

    def close(self) -> None:
        """Take no more. The two parsers refer to each other: so nobody has to look for that."""
        del self._parser

    # What llhttp calls. An exception here would lose its kind.

    def on_message_begin(self) -> None:
        if self.complete:
            self._wrong = "there are bytes after its end"

    def on_status(self, phrase: bytes) -> None:
        self.phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        value = value.rstrip(b" \t")  # no part of it (RFC 9110 §5.5), but llhttp leaves it
        if self.has_head:
            self.trailers.append((name, value))
            return
        self.headers.append((name, value))
        if len(name) in _SIZES:
            self._note(name.lower(), value)

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            self.length = int(value)
        elif name == b"content-encoding":
            self.coded = True
        elif name == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":
                self._wrong = f"it has the transfer coding {shown(repr(value))}, unasked"
            self._chunked = True

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        parser = self._parser
        status = self.status = parser.get_status_code()
        version = parser.get_http_version()
        if version != "1.1":
            self.minor = 0
            if version != "1.0":
                self._wrong = f"it is of HTTP/{version}"
        if status < 200:
            return
        self.has_head = True
        if self._to_head:
            self._complete_without_body()

    def on_body(self, data: bytes) -> None:
        if self.complete:
            self._wrong = "there are bytes after its end"
        else:
            self.body.append(data)
            self._in_last_chunk = False

    def on_chunk_header(self) -> None:
        self._chunks += 1
        self._in_last_chunk = True

    def on_message_complete(self) -> None:
        if self.has_head:
            if not self.complete:
                self.complete = True
                self.keep_alive = self._parser.should_keep_alive()
        elif self.status != 101:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self._wrong = f"there are more than {MAX_INTERIM} interim ones before it"
            self.headers.clear()
            self.phrase = b""
            self.length = None
            self._chunked = self.coded = False

    def _complete_without_body(self) -> None:
        self.complete = True
        options = b",".join(
            value.lower() for name, value in self.headers if name.lower() == b"connection"
        )
        self.keep_alive = self.minor == 1 and b"close" not in options
        # llhttp waits for a body. The rest of what it is fed now goes to on_body, and is refused.
        self._parser = HttpResponseParser(self)

    def _bound_head(self) -> None:
        size = _size(self.headers) if self.has_head else self._head_bytes
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_FIELDS:
            raise self._too_large("head")

    def _bound_chunks(self) -> None:
        size, unseen = _size(self.trailers), self._unseen
        if (self.trailers or self._in_last_chunk) and not self.complete:
            size, unseen = size + unseen, 0  # it may be the beginning of a trailer
        if size > MAX_HEAD_BYTES or len(self.trailers) > MAX_FIELDS:
            raise self._too_large("trailer")
        if unseen > MAX_CHUNK_EXTENSION_BYTES:
            raise self._malformed("the extensions of its chunks are longer than 4 KiB")

    def _malformed(self, reason: str) -> FetchError:
        return FetchError(
            f"the answer of {self._place} is not HTTP as it should be: {shown(reason)}",
            "malformed-response",
        )

    def _too_large(self, part: str) -> FetchError:
        return FetchError(
            f"the {part} of the answer of {self._place} is too large "
            f"(more than {MAX_HEAD_BYTES} bytes or {MAX_FIELDS} fields)",
            "head-too-large",
        )
