"""Each misbehaviour of a server has its code, and costs nobody else anything."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.web.http_headers import Headers

from tests.http.faults import CHUNKED, Keep, Reset, Stall, answer, failure_of, fetching
from tests.http.net import assert_whole

OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\nhi"
FIELDS = [b"X-%d: y\r\n" % number for number in range(20_000)]

MALFORMED = {
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "two lengths in one": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "a length with chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nab\r\n0\r\n\r\n",
    "chunks with a length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
    b"2\r\nab\r\n0\r\n\r\n",
    "a length below nothing": OK + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": OK + b"Content-Length: +2\r\n\r\nab",
    "a length in hex": OK + b"Content-Length: 0x2\r\n\r\nab",
    "a length beyond 64 bits": OK + b"Content-Length: 18446744073709551617\r\n\r\nab",
    "a length that is empty": OK + b"Content-Length: \r\n\r\nab",
    "a folded line": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nab",
    "a folded first line": OK + b" X: a\r\nContent-Length: 2\r\n\r\nab",
    "bare LFs": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
    "a bare LF": OK + b"X: a\nContent-Length: 2\r\n\r\nab",
    "a bare LF at the end": OK + b"Content-Length: 2\r\n\nab",
    "a bare CR": OK + b"X: a\rContent-Length: 2\r\n\r\nab",
    "a NUL": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nab",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\nab",
    "a header without a colon": OK + b"nothing\r\n\r\n",
    "a header without a name": OK + b": x\r\n\r\n",
    "a bad chunk": CHUNKED + b"zz\r\nhalf\r\n",
    "a chunk below nothing": CHUNKED + b"-2\r\nab\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"11111111111111111\r\nab\r\n",
    "a chunk that is longer": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk with a bare LF": CHUNKED + b"2\nab\n0\n\n",
    "extensions of 5 KiB": CHUNKED + b"2;" + b"x" * 5_000 + b"\r\nab\r\n0\r\n\r\n",
    "extensions without end": Stall(CHUNKED + b"2;" + b"x" * 50_000),
    "33 interim answers": b"HTTP/1.1 103 Early\r\n\r\n" * 33 + TWO,
    "interim answers without end": Stall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
    "another protocol": b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "an unknown transfer coding": OK + b"Transfer-Encoding: rot13\r\n\r\nuryyb",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP ready\r\n\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "bytes after the body": Keep(TWO + b"more"),
    "a second answer": Keep(TWO + OK + b"Content-Length: 4\r\n\r\nmore"),
    "bytes after the chunks": Keep(CHUNKED + b"2\r\nhi\r\n0\r\n\r\nmore"),
    "a body after a 204": Keep(b"HTTP/1.1 204 No\r\n\r\nmore"),
}
TOO_LARGE = {
    "a head of 70 KiB": OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    "a head of 257 fields": OK + b"".join(FIELDS[:256]) + b"Content-Length: 0\r\n\r\n",
    "fields without end": Stall(OK + b"".join(FIELDS)),
    "a line without end": Stall(OK + b"X: " + b"y" * 100_000),
    "a status line without end": Stall(b"HTTP/1.1 200 " + b"y" * 100_000),
    "257 trailers": CHUNKED + b"0\r\n" + b"".join(FIELDS[:257]) + b"\r\n",
    "trailers of 70 KiB": CHUNKED + b"0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    "trailers without end": Stall(CHUNKED + b"0\r\n" + b"".join(FIELDS)),
}
CUT = {
    "inside a length": OK + b"Content-Length: 10\r\n\r\nhalf",
    "before a length": OK + b"Content-Length: 10\r\n\r\n",
    "inside a chunk": CHUNKED + b"10\r\nhalf",
    "inside a chunk's size": CHUNKED + b"1",
    "between chunks": CHUNKED + b"4\r\nhalf\r\n",
    "before the chunks": CHUNKED,
    "before the trailer's end": CHUNKED + b"4\r\nhalf\r\n0\r\n",
    "inside a trailer": CHUNKED + b"4\r\nhalf\r\n0\r\nX: y",
    "by a reset, without length": Reset(OK + b"\r\nhalf"),
    "by a reset, inside a chunk": Reset(CHUNKED + b"10\r\nhalf"),
    "by a reset, inside a length": Reset(OK + b"Content-Length: 10\r\n\r\nhalf"),
}
GONE = {
    "at once": b"",
    "at once, by a reset": Reset(b""),
    "inside the head": OK + b"Content-Le",
    "after the head's last line": OK + b"Content-Length: 2\r\n",
    "after an interim answer": b"HTTP/1.1 103 Early\r\n\r\n",
}
FAULTS = {
    f"{code}: {name}": (code, data)
    for code, faults in {
        "malformed-response": MALFORMED,
        "head-too-large": TOO_LARGE,
        "truncated": CUT,
        "disconnected": GONE,
    }.items()
    for name, data in faults.items()
}


@pytest.mark.parametrize("name", FAULTS)
@pytest_twisted.ensureDeferred
async def test_a_fault_has_its_code_and_its_connection_is_closed(reactor: Any, name: str) -> None:
    code, data = FAULTS[name]
    async with fetching(reactor, retries=0, timeout_seconds=5) as (fetcher, server):
        url = server.url("/", data)
        error = await failure_of(fetcher.get(url))
        assert error.code == code, str(error)
        assert f"127.0.0.1:{server.port}" in str(error)
        assert error.url == url
        assert error.phase in ("first_byte", "body")
        assert error.trail is not None
        assert_whole(error.trail.timings, error.trail.seconds)
        while server.open:
            await server.gone
        server.answers["/"] = answer(b"well")
        assert (await fetcher.get(url)).body == b"well"


GOOD = {
    "a length": (TWO, b"hi"),
    "no length": (OK + b"\r\nhi", b"hi"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi"),
    "chunks": (CHUNKED + b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", b"hi"),
    "chunks with extensions": (CHUNKED + b'1;a=b\r\nh\r\n1;c="d"\r\ni\r\n0\r\n\r\n', b"hi"),
    "many small extensions": (
        CHUNKED + b"1;x=yyyyyyyy\r\na\r\n" * 2_000 + b"0\r\n\r\n",
        b"a" * 2_000,
    ),
    "another protocol that is only offered": (
        OK + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi",
        b"hi",
    ),
    "chunks with trailers": (CHUNKED + b"2\r\nhi\r\n0\r\nX: y\r\n\r\n", b"hi"),
    "32 interim answers": (b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n" * 32 + TWO, b"hi"),
    "256 fields": (OK + b"".join(FIELDS[:255]) + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    "a head of 60 KiB": (OK + b"X: " + b"y" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "304": (b"HTTP/1.1 304 Same\r\nContent-Length: 99\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    "an empty field": (OK + b"X:\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
}


@pytest.mark.parametrize("name", GOOD)
@pytest_twisted.ensureDeferred
async def test_what_is_odd_and_allowed_is_taken(reactor: Any, name: str) -> None:
    data, body = GOOD[name]
    async with fetching(reactor, retries=0, timeout_seconds=5) as (fetcher, server):
        assert (await fetcher.get(server.url("/", data))).body == body


@pytest_twisted.ensureDeferred
async def test_an_answer_to_HEAD_may_say_how_long_the_body_would_be(reactor: Any) -> None:
    async with fetching(reactor, retries=0, timeout_seconds=5) as (fetcher, server):
        head = Keep(OK + b"Content-Length: 99\r\nContent-Encoding: gzip\r\n\r\n")
        for _ in range(2):
            page = await fetcher.request("HEAD", server.url("/", head), Headers({"X": ["y"]}))
            assert (page.body, page.size) == (b"", 0)
        assert server.connections == 1
        odd = Keep(head.replace(b"gzip", b"aws-chunked"))  # of no body there is none to take off
        assert (await fetcher.request("HEAD", server.url("/", odd))).status == 200
        error = await failure_of(fetcher.request("HEAD", server.url("/", Keep(head + b"body"))))
        assert error.code == "malformed-response"


@pytest_twisted.ensureDeferred
async def test_bytes_that_come_later_end_the_connection_and_join_no_body(reactor: Any) -> None:
    async with fetching(reactor, retries=0, timeout_seconds=5) as (fetcher, server):
        page = await fetcher.get(server.url("/", answer(b"first")))
        assert page.body == b"first"
        for protocol in server.protocols:
            protocol.transport.write(answer(b"unasked"))
        await server.gone
        server.answers["/"] = answer(b"second")
        assert (await fetcher.get(server.url("/"))).body == b"second"


@pytest_twisted.ensureDeferred
async def test_one_that_misbehaves_does_not_harm_the_others(reactor: Any) -> None:
    limits = {"first_byte_timeout_seconds": 1, "stall_seconds": 1, "timeout_seconds": 5}
    async with fetching(reactor, retries=0, per_host=100, concurrency=100, **limits) as (
        fetcher,
        server,
    ):
        bad = [
            fetcher.get(server.url(f"/{number}", data))
            for number, (_, data) in enumerate(FAULTS.values())
        ]
        good = [
            fetcher.get(server.url(f"/good{number}", answer(b"%d" % number)))
            for number in range(100)
        ]
        pages = await gatherResults(good)
        assert [page.body for page in pages] == [b"%d" % number for number in range(100)]
        codes = [(await failure_of(one)).code for one in bad]
        assert codes == [code for code, _ in FAULTS.values()]
