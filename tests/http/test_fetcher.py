"""A fetch gives the whole page or says why not, and leaves no socket behind."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from tests.http.coded import brotli_stream, zstd_frame
from tests.http.faults import CHUNKED, Reset, Stall, answer, failure_of, fault_server, fetching
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.testing import is_waiting, result_of


@pytest_twisted.ensureDeferred
async def test_a_page_has_what_the_server_answered(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        url = server.url("/a?b=c", answer(b"hello", "203 Sure", "X-Kind: test"))
        page = await fetcher.get(url)
        assert (page.url, page.final_url) == (url, url)
        assert (page.status, page.body) == (203, b"hello")
        assert page.headers.getRawHeaders("x-kind") == ["test"]
        assert 0 <= page.seconds < 30


@pytest_twisted.ensureDeferred
async def test_a_connection_is_used_again_and_closed_in_the_end(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        url = server.url("/", answer(b"x"))
        for _ in range(5):
            await fetcher.get(url)
        assert server.connections == 1
        await fetcher.close()
        while server.open:
            await server.gone
        assert server.open == 0


@pytest_twisted.ensureDeferred
async def test_a_kept_connection_that_the_server_has_closed_is_no_error(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        url = server.url("/", answer(b"x"))
        await fetcher.get(url)
        server.answers["/"] = Reset(b"")
        assert (await failure_of(fetcher.get(url))).code == "disconnected"
        server.answers["/"] = answer(b"again")
        assert (await fetcher.get(url)).body == b"again"


@pytest_twisted.ensureDeferred
async def test_a_body_without_length_ends_with_the_connection(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        page = await fetcher.get(server.url("/", b"HTTP/1.0 200 OK\r\n\r\nall of it"))
        assert page.body == b"all of it"


STALLS = {
    "head": Stall(b""),
    "inside the head": Stall(b"HTTP/1.1 200 OK\r\n"),
    "body": Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
    "body of chunks": Stall(CHUNKED + b"10\r\nhalf"),
    "body of a redirect": Stall(
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 10\r\n\r\nhalf"
    ),
}


@pytest.mark.parametrize("where", STALLS)
@pytest_twisted.ensureDeferred
async def test_a_stall_ends_at_the_deadline_and_the_socket_is_closed(
    reactor: Any, where: str
) -> None:
    async with fetching(reactor, timeout_seconds=0.2) as (fetcher, server):
        error = await failure_of(fetcher.get(server.url("/", STALLS[where])))
        assert error.code == "deadline"
        assert "0.2 s" in str(error)
        # Without the fetcher being closed: the server sees the end by itself.
        while server.open:
            await server.gone


@pytest.mark.parametrize("where", STALLS)
@pytest_twisted.ensureDeferred
async def test_cancelling_closes_the_socket(reactor: Any, where: str) -> None:
    async with fetching(reactor) as (fetcher, server):
        asked = server.asked
        fetched = fetcher.get(server.url("/", STALLS[where]))
        await asked
        fetched.cancel()
        error = await failure_of(fetched)
        assert error.code == "cancelled"
        assert isinstance(error, CancelledError)
        while server.open:
            await server.gone


@pytest_twisted.ensureDeferred
async def test_the_deadline_covers_a_body_that_drips(reactor: Any) -> None:
    """A server that sends a byte now and then is never silent, and is late all the same."""
    async with fetching(reactor, timeout_seconds=0.3) as (fetcher, server):
        url = server.url("/loop", answer(b"", "302 Found", "Location: /loop"))
        endless = Fetcher(reactor, FetchSettings(timeout_seconds=0.3, max_redirects=100))
        error = await failure_of(endless.get(url))
        await endless.close()
        assert error.code in ("deadline", "too-many-redirects")
        dripping = Deferred[None]()

        class Drip(Protocol):
            transport: Any

            def dataReceived(self, data: bytes) -> None:
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                self._drip()

            def _drip(self) -> None:
                self.transport.write(b".")
                self.timer = reactor.callLater(0.02, self._drip)

            def connectionLost(self, reason: Any = None) -> None:
                self.timer.cancel()
                dripping.callback(None)

        port = reactor.listenTCP(0, Factory.forProtocol(Drip), interface="127.0.0.1")
        error = await failure_of(fetcher.get(f"http://127.0.0.1:{port.getHost().port}/"))
        assert error.code == "deadline"
        await dripping
        await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_a_refused_port_is_named(reactor: Any) -> None:
    port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
    number = port.getHost().port
    await port.stopListening()
    fetcher = Fetcher(reactor)
    error = await failure_of(fetcher.get(f"http://127.0.0.1:{number}/"))
    assert error.code == "connect-refused"
    assert f"127.0.0.1:{number}" in str(error)
    await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_a_name_that_does_not_exist_is_its_own_error(reactor: Any) -> None:
    fetcher = Fetcher(reactor)
    error = await failure_of(fetcher.get("http://no-such-host.invalid/"))
    assert error.code == "name-not-found"
    await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_a_body_over_the_limit_is_cut_off(reactor: Any) -> None:
    async with fetching(reactor, max_bytes=1000) as (fetcher, server):
        assert len((await fetcher.get(server.url("/fits", answer(b"x" * 1000)))).body) == 1000
        for path, data in {
            "/length": answer(b"x" * 1001),
            "/huge": answer(b"x" * 3_000_000),
            "/chunks": CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
            "/bomb": answer(gzip.compress(bytes(50_000_000)), "200 OK", "Content-Encoding: gzip"),
        }.items():
            error = await failure_of(fetcher.get(server.url(path, data)))
            assert error.code == "body-too-large", path
            while path == "/huge" and server.open:  # the others had come whole by then
                await server.gone


@pytest_twisted.ensureDeferred
async def test_codings_are_taken_off(reactor: Any) -> None:
    text = b"how now brown cow " * 10_000
    async with fetching(reactor) as (fetcher, server):
        for coding, data in {
            "gzip": gzip.compress(text),
            "x-gzip": gzip.compress(text[:5]) + gzip.compress(text[5:]),
            "deflate": zlib.compress(text),
            "br": brotli_stream(text),
            "zstd": zstd_frame(text),
        }.items():
            url = server.url("/", answer(data, "200 OK", f"Content-Encoding: {coding}"))
            assert (await fetcher.get(url)).body == text, coding
            assert b"\r\nAccept-Encoding: gzip, deflate, br, zstd" in server.requests[-1]


@pytest_twisted.ensureDeferred
async def test_a_body_that_does_not_decode_is_an_error_and_never_data(reactor: Any) -> None:
    data = gzip.compress(b"how now brown cow " * 1000)
    async with fetching(reactor) as (fetcher, server):
        for coding, bad in {
            "gzip": data[:-4],
            "GZIP": data[:20] + b"\xff" + data[21:],
            "deflate": data,
            "br": brotli_stream(data)[:-1],
            "zstd": zstd_frame(data)[:-1],
            "compress": data,
            "gzip, gzip, gzip, gzip, gzip": data,
        }.items():
            url = server.url("/", answer(bad, "200 OK", f"Content-Encoding: {coding}"))
            assert (await failure_of(fetcher.get(url))).code == "decode-failed", coding


@pytest_twisted.ensureDeferred
async def test_redirects_are_followed_from_where_they_stand(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        server.url("/a/b", answer(b"", "301 Moved", "Location: c/d"))
        server.url("/a/c/d", answer(b"gone", "302 Found", "Location: ../e?x=\xc3\xa9 y"))
        server.url("/a/e?x=%C3%A9%20y", answer(b"", "308 Permanent", "Location: ?z#part"))
        server.url("/a/e?z", answer(b"", "303 See Other", f"Location: //127.0.0.1:{server.port}/f"))
        server.url("/f", answer(b"there", "307 Temporary", "Location: /g"))
        server.url("/g", answer(b"here"))
        page = await fetcher.get(server.url("/a/b"))
        assert page.body == b"here"
        assert page.final_url == server.url("/g")
        assert page.url == server.url("/a/b")
        assert server.connections == 1


@pytest_twisted.ensureDeferred
async def test_a_loop_of_redirects_ends(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        server.url("/a", answer(b"", "302 Found", "Location: /b"))
        server.url("/b", answer(b"", "302 Found", "Location: /a"))
        error = await failure_of(fetcher.get(server.url("/a")))
        assert error.code == "too-many-redirects"
        assert len(server.requests) == 6


@pytest_twisted.ensureDeferred
async def test_no_redirects_means_the_redirect_is_the_answer(reactor: Any) -> None:
    async with fetching(reactor, max_redirects=0) as (fetcher, server):
        page = await fetcher.get(server.url("/", answer(b"x", "302 Found", "Location: /b")))
        assert (page.status, page.body) == (302, b"x")


@pytest_twisted.ensureDeferred
async def test_a_redirect_without_location_is_the_answer(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        assert (await fetcher.get(server.url("/", answer(b"x", "302 Found")))).body == b"x"


@pytest.mark.parametrize(
    "location", ["", "ftp://example.org/", "http://", "http://[::1", "http://a..b/", "mailto:a@b"]
)
@pytest_twisted.ensureDeferred
async def test_a_location_that_cannot_be_used_is_a_bad_redirect(
    reactor: Any, location: str
) -> None:
    async with fetching(reactor) as (fetcher, server):
        url = server.url("/", answer(b"stays", "302 Found", f"Location: {location}", length=99))
        assert (await failure_of(fetcher.get(url))).code == "bad-redirect"
        while server.open:
            await server.gone


@pytest_twisted.ensureDeferred
async def test_a_password_goes_to_its_own_origin_only(reactor: Any) -> None:
    async with fault_server(reactor) as other, fetching(reactor) as (fetcher, server):
        other.url("/", answer(b"stranger"))
        server.url("/same", answer(b"", "302 Found", f"Location: {other.url('/')}"))
        url = server.url("/", answer(b"", "302 Found", "Location: /same"))
        page = await fetcher.get(url.replace("//", "//us%65r:p%40ss@"))
        assert page.body == b"stranger"
        assert [b"Basic dXNlcjpwQHNz" in head for head in server.requests] == [True, True]
        assert b"uthorization" not in other.requests[0]
        assert "p%40ss" not in page.final_url


@pytest_twisted.ensureDeferred
async def test_no_more_fetches_run_at_once_than_allowed(reactor: Any) -> None:
    async with fetching(reactor, concurrency=3, timeout_seconds=5) as (fetcher, server):
        stalled = server.url("/", Stall(b""))
        fetches = [fetcher.get(stalled) for _ in range(10)]
        while server.open < 3:
            await server.asked
        fetches[9].cancel()  # while it waits for its turn
        assert (await failure_of(fetches[9])).code == "cancelled"
        for _ in range(3):  # others are let in one by one
            asked = server.asked
            running = next(one for one in fetches if is_waiting(one))
            running.cancel()
            assert (await failure_of(running)).code == "cancelled"
            await asked
            assert server.connections - 3 <= 3
        await fetcher.close()
        codes = {(await failure_of(one)).code for one in fetches[3:9]}
        assert codes == {"cancelled"}


@pytest.mark.parametrize("where", STALLS)
@pytest_twisted.ensureDeferred
async def test_one_that_had_waited_for_its_turn_closes_its_socket_too(
    reactor: Any, where: str
) -> None:
    async with fetching(reactor, concurrency=1, timeout_seconds=0.3) as (fetcher, server):
        first = fetcher.get(server.url("/", answer(b"x")))
        second = fetcher.get(server.url("/stalls", STALLS[where]))
        assert (await first).body == b"x"
        assert (await failure_of(second)).code == "deadline"
        while server.open:  # without the fetcher being closed
            await server.gone


@pytest_twisted.ensureDeferred
async def test_idle_connections_are_bounded(reactor: Any) -> None:
    async with fetching(reactor, concurrency=2) as (fetcher, server):
        url = server.url("/", answer(b"x"))
        async with fault_server(reactor) as second, fault_server(reactor) as third:
            for other in (server, second, third, server, second, third):
                other.answers["/"] = answer(b"x")
                await fetcher.get(other.url("/"))
            assert url
            while server.open + second.open + third.open > 3:
                await server.gone
            await fetcher.close()


@pytest_twisted.ensureDeferred
async def test_a_closed_fetcher_fetches_no_more(reactor: Any) -> None:
    async with fetching(reactor) as (fetcher, server):
        await fetcher.close()
        assert (await failure_of(fetcher.get(server.url("/", answer())))).code == "cancelled"
        assert server.connections == 0


class SlowAgent:
    """An agent whose answers never come."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, Headers | None]] = []
        self.cancelled = 0

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        self.requests.append((method, uri, headers))
        return Deferred(self._cancelled)

    def _cancelled(self, _deferred: Deferred[Any]) -> None:
        self.cancelled += 1


def test_the_deadline_is_exact_and_begins_with_the_turn() -> None:
    clock, agent = Clock(), SlowAgent()
    fetcher = Fetcher(clock, FetchSettings(concurrency=1, timeout_seconds=30), agent)  # type: ignore[arg-type]
    first, second = fetcher.get("http://a.example/"), fetcher.get("http://b.example/")
    assert len(agent.requests) == 1
    clock.advance(29.9)
    assert is_waiting(first)
    clock.advance(0.2)
    with pytest.raises(FetchError, match="within 30 s") as caught:
        result_of(first)
    assert caught.value.code == "deadline"
    assert agent.cancelled == 1
    clock.advance(29.5)
    assert is_waiting(second)
    clock.advance(1)
    with pytest.raises(FetchError, match="within 30 s"):
        result_of(second)
    assert not clock.getDelayedCalls()


def test_three_thousand_waiting_fetches_can_end_at_once() -> None:
    clock, agent = Clock(), SlowAgent()
    fetcher = Fetcher(clock, FetchSettings(concurrency=1), agent)  # type: ignore[arg-type]
    fetches = [fetcher.get("http://a.example/") for _ in range(3_000)]
    result_of(fetcher.close())
    assert not clock.getDelayedCalls()
    for one in fetches:
        with pytest.raises(FetchCancelled):
            result_of(one)


def test_a_bad_url_fails_without_a_request() -> None:
    agent = SlowAgent()
    fetcher = Fetcher(Clock(), agent=agent)  # type: ignore[arg-type]
    for url, code in {"example.org": "invalid-url", "ftp://a/": "unsupported-scheme"}.items():
        with pytest.raises(FetchError) as caught:
            result_of(fetcher.get(url))
        assert caught.value.code == code
    assert agent.requests == []


def test_a_bug_in_an_agent_stays_an_exception() -> None:
    class Broken:
        def request(self, *_arguments: object) -> Deferred[Any]:
            raise TypeError("a bug")

    fetcher = Fetcher(Clock(), agent=Broken())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a bug"):
        result_of(fetcher.get("http://a.example/"))


@pytest_twisted.ensureDeferred
async def test_many_fetches_share_the_connections(reactor: Any) -> None:
    async with fetching(reactor, concurrency=5) as (fetcher, server):
        url = server.url("/", answer(b"x" * 100))
        pages = await gatherResults([fetcher.get(url) for _ in range(200)])
        assert {page.body for page in pages} == {b"x" * 100}
        assert server.connections <= 5
