"""Fetching 1 KB over kept connections: the Fetcher and the agent beside other clients.

The client is the contender, a process of its own on one core; nginx answers from memory on the
other. `python -m tests.bench.fetch CORE WHO URL CONNECTIONS SECONDS [ISSUER]` is that client.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.contest import installed, on_the_last_core, rounds_of, show
from tests.bench.nginx import nginx

CONTENDERS = ("aiohttp", "fetcher", "agent", "httpx", "treq", "twisted-agent")


def compare(
    connections: int, seconds: float, rounds: int, contenders: Sequence[str] = CONTENDERS
) -> None:
    """Measure all contenders, without TLS and with it, and print two tables.

    Args:
        connections: How many connections at once.
        seconds: How long one measurement takes.
        rounds: How many measurements of each contender.
        contenders: Which ones; the first is what the others are compared with.
    """
    there = installed(contenders)
    with on_the_last_core() as core, nginx(max(os.sched_getaffinity(0))) as server:
        if server is None:
            print("fetch is left out: nginx is not installed (apt-get install nginx-light)")
            return
        for url, issuer, how in (
            (server.url, "", ""),
            (server.tls_url, server.issuer, ", TLS 1.3"),
        ):
            processor: dict[str, list[float]] = {who: [] for who in there}

            def measure(
                who: str,
                url: str = url,
                issuer: str = issuer,
                processor: dict[str, list[float]] = processor,
            ) -> float:
                command = [sys.executable, "-m", "tests.bench.fetch", str(core), who, url]
                command += [str(connections), str(seconds), *([issuer] if issuer else [])]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                by_the_clock, by_the_processor = map(float, done.stdout.split())
                processor[who].append(by_the_processor)
                return by_the_clock

            title = f"GET of 1 KB{how}, {connections} connections"
            show(title, "requests/s", rounds_of(there, rounds, measure))
            # The same where the client has its core for itself; it does not tell of a slow server.
            show(f"{title}, by processor time", "requests/s", processor)


class Count:
    """Counts answers from the end of the warming up to the end.

    Args:
        seconds: How long it counts.
    """

    def __init__(self, seconds: float) -> None:
        self.answers = 0
        self.seconds = seconds
        self.warm_up = min(1.0, seconds)
        self._began = self._used = 0.0
        self._before = 0

    def begin(self) -> None:
        """The warming up is over."""
        self._began, self._used = time.monotonic(), time.process_time()
        self._before = self.answers

    def end(self) -> None:
        """Print how many a second it were, by the clock and by the processor's; end the process."""
        answers = self.answers - self._before
        by_the_clock = answers / (time.monotonic() - self._began)
        print(by_the_clock, answers / (time.process_time() - self._used), flush=True)
        os._exit(0)


def _on_a_reactor(who: str, url: str, connections: int, count: Count, issuer: str) -> None:
    from tests.bench.servers import reactor_of

    # Each on the reactor that its own programs run on: run() installs the prompt one.
    reactor = reactor_of("prompt" if who in ("fetcher", "agent") else "stock")
    ask = {"fetcher": _fetcher, "agent": _agent, "treq": _treq, "twisted-agent": _twisted_agent}
    once = ask[who](reactor, url, connections, issuer)

    def again(body: Any = None) -> None:
        if body is not None:
            assert len(body) == 1024
            count.answers += 1
        once().addCallbacks(again, failed)

    def failed(failure: Any) -> None:
        print(failure.getTraceback(), file=sys.stderr)
        os._exit(1)

    def start() -> None:
        for _ in range(connections):
            again()

    reactor.callWhenRunning(start)
    reactor.callLater(count.warm_up, count.begin)
    reactor.callLater(count.warm_up + count.seconds, count.end)
    reactor.run()


def _fetcher(reactor: Any, url: str, connections: int, issuer: str) -> Callable[[], Any]:
    from toolkit.http.fetcher import Fetcher, FetchSettings

    settings = FetchSettings(concurrency=connections, per_host=connections, cacert=issuer)
    fetcher = Fetcher(reactor, settings)
    return lambda: fetcher.get(url).addCallback(lambda page: page.body)


def _reading(agent: Any, url: str) -> Callable[[], Any]:
    from twisted.web.client import readBody

    asked = url.encode()
    return lambda: agent.request(b"GET", asked).addCallback(readBody)


def _agent(reactor: Any, url: str, connections: int, issuer: str) -> Callable[[], Any]:
    from twisted.internet.defer import Deferred
    from twisted.internet.protocol import Protocol

    from toolkit.http.agent import HTTPAgent
    from toolkit.http.settings import AgentSettings

    agent = HTTPAgent(reactor, AgentSettings(cacert=issuer))
    asked = url.encode()

    class Body(Protocol):
        def __init__(self) -> None:
            self.pieces: list[bytes] = []
            self.done: Deferred[bytes] = Deferred()

        def dataReceived(self, data: bytes) -> None:
            self.pieces.append(data)

        def connectionLost(self, reason: Any = None) -> None:
            self.done.callback(b"".join(self.pieces))

    def read(response: Any) -> Any:
        body = Body()
        response.deliverBody(body)
        return body.done

    return lambda: agent.request(b"GET", asked).addCallback(read)


def _trusting(issuer: str) -> Any:
    from twisted.internet.ssl import Certificate, trustRootFromCertificates
    from twisted.web.client import BrowserLikePolicyForHTTPS, HostnameCachingHTTPSPolicy

    if not issuer:
        return BrowserLikePolicyForHTTPS()
    with open(issuer, "rb") as file:
        roots = trustRootFromCertificates([Certificate.loadPEM(file.read())])
    return HostnameCachingHTTPSPolicy(BrowserLikePolicyForHTTPS(roots))


def _theirs(reactor: Any, connections: int, issuer: str) -> Any:
    from twisted.web.client import Agent, HTTPConnectionPool

    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = connections
    return Agent(reactor, _trusting(issuer), pool=pool)


def _twisted_agent(reactor: Any, url: str, connections: int, issuer: str) -> Callable[[], Any]:
    return _reading(_theirs(reactor, connections, issuer), url)


def _treq(reactor: Any, url: str, connections: int, issuer: str) -> Callable[[], Any]:
    from treq.client import HTTPClient

    client = HTTPClient(_theirs(reactor, connections, issuer))
    return lambda: client.get(url).addCallback(lambda response: response.content())


async def _on_asyncio(who: str, url: str, connections: int, count: Count, issuer: str) -> None:
    context: Any = ssl.create_default_context(cafile=issuer) if issuer else True
    if who == "aiohttp":
        import aiohttp

        connector = aiohttp.TCPConnector(limit=connections, ssl=context)
        client: Any = aiohttp.ClientSession(connector=connector)

        async def once() -> bytes:
            async with client.get(url) as response:
                body: bytes = await response.read()
                return body
    else:
        import httpx

        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        client = httpx.AsyncClient(limits=limits, verify=context)

        async def once() -> bytes:
            body: bytes = (await client.get(url)).content
            return body

    async def ask() -> None:
        while True:
            assert len(await once()) == 1024
            count.answers += 1

    asking = [asyncio.ensure_future(ask()) for _ in range(connections)]
    await asyncio.sleep(count.warm_up)
    count.begin()
    done, _ = await asyncio.wait(asking, timeout=count.seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()
    count.end()


def ask(who: str, url: str, connections: int, seconds: float, issuer: str = "") -> None:
    """Ask for one URL again and again, and print how many answers a second came."""
    count = Count(seconds)
    if who in ("aiohttp", "httpx"):
        asyncio.run(_on_asyncio(who, url, connections, count, issuer))
    else:
        _on_a_reactor(who, url, connections, count, issuer)


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), *sys.argv[6:])
