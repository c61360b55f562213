"""What serves: `python -m tests.bench.servers CORE WHAT HOW` serves, and prints its port.

WHAT is echo, hello, site (HOW: silent or logged) or klein (HOW: see serve_klein); HOW is the
reactor: stock, wrapped, which is prompt(reactor), or prompt, with `-service` the toolkit's own
service with every limit in force; or asyncio or uvloop.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

BACKLOG = 1024
MANY = 20_000
EVERY_LIMIT = {
    "max_connections": MANY,
    "max_connections_per_peer": MANY,
    "idle_seconds": 300.0,
    "write_stall_seconds": 30.0,
}


def reactor_of(how: str) -> Any:
    """The reactor to run: Twisted's own, or the prompt one."""
    if how == "prompt":
        from toolkit.reactor import install

        install()
    from twisted.internet import reactor

    return reactor


def _listen(reactor: Any, factory: Any, description: str = "tcp:0:interface=127.0.0.1") -> None:
    from twisted.internet.endpoints import serverFromString

    listening = serverFromString(reactor, f"{description}:backlog={BACKLOG}").listen(factory)
    listening.addCallback(lambda port: print(port.getHost().port, flush=True))


def _streams(reactor: Any, how: str) -> Any:
    from toolkit.transport import prompt

    return prompt(reactor) if how == "wrapped" else reactor


def serve_echo(how: str) -> None:
    """A Twisted protocol on Twisted's endpoint, and nothing else."""
    reactor = reactor_of(how)
    from twisted.internet.protocol import Protocol, ServerFactory

    class Echo(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    _listen(_streams(reactor, how), ServerFactory.forProtocol(Echo))
    reactor.run()


def serve_echo_service(how: str) -> None:
    """The echo service as `listening()` makes it, with every limit in force."""
    reactor = reactor_of(how)
    from toolkit.service import Shared
    from toolkit.services.echo import EchoSettings, make

    settings = EchoSettings(listen="tcp:0:interface=127.0.0.1", **EVERY_LIMIT)  # type: ignore[arg-type] # floats and ints
    service: Any = make(Shared(reactor, "echo"), settings)
    service.startService().addCallback(lambda _: print(service.address.port, flush=True))
    reactor.run()


def serve_hello(how: str) -> None:
    """twisted.web's Site with a page of five bytes."""
    reactor = reactor_of(how)
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    class Hello(Resource):
        isLeaf = True

        def render_GET(self, request: Any) -> bytes:
            return b"hello"

    _listen(_streams(reactor, how), Site(Hello()))
    reactor.run()


def serve_site(how: str) -> None:
    """The same page by the toolkit's site, as a service makes it, with an access log or none."""
    reactor = reactor_of("prompt")
    import tempfile

    from twisted.logger import globalLogBeginner
    from twisted.web.resource import Resource

    from toolkit.log import Log, LogSettings
    from toolkit.service import Shared
    from toolkit.web.site import WebSettings, serving

    class Hello(Resource):
        isLeaf = True

        def render_GET(self, request: Any) -> bytes:
            return b"hello"

    file = tempfile.NamedTemporaryFile(prefix="bench-access-log-")  # noqa: SIM115 - to the end
    log = Log(LogSettings(format="json", file=file.name), sys.stdout)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    settings = WebSettings(
        listen="tcp:0:interface=127.0.0.1",
        access_log=how == "logged",
        **EVERY_LIMIT,  # type: ignore[arg-type] # floats and ints
    )
    service: Any = serving(Shared(reactor, "hello"), Hello(), settings)
    service.startService().addCallback(lambda _: print(service.address.port, flush=True))
    reactor.run()


def serve_klein(how: str) -> None:
    """A Klein app that answers a small object.

    Args:
        how: `bare` on a stock Site that logs nothing; `site` on the toolkit's; `json` as the
            toolkit's routes; `logged` with an access log; with `-async` the handler is a coroutine.
    """
    reactor = reactor_of("prompt")
    import tempfile

    import msgspec
    from klein import Klein
    from twisted.logger import globalLogBeginner
    from twisted.web.server import Site

    from toolkit.log import Log, LogSettings
    from toolkit.web.handler import as_json
    from toolkit.web.resource import JsonResource, JsonSettings
    from toolkit.web.site import LimitedSite

    app: Any = Klein()
    hello = {"hello": "world", "numbers": [1, 2, 3]}

    def bare(request: Any) -> bytes:
        request.setHeader("content-type", "application/json")
        body = msgspec.json.encode(hello)
        request.setHeader("content-length", str(len(body)))
        return body

    async def bare_async(request: Any) -> bytes:
        return bare(request)

    def value(request: Any) -> Any:
        return hello

    async def value_async(request: Any) -> Any:
        return hello

    what, _, is_async = how.partition("-")
    route = app.route("/", methods=["GET"])
    if what in ("bare", "site"):
        route(bare_async if is_async else bare)
    else:
        route(as_json()(value_async if is_async else value))
    file = tempfile.NamedTemporaryFile(prefix="bench-access-log-")  # noqa: SIM115 - to the end
    log = Log(LogSettings(format="json", file=file.name), sys.stdout)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    resource = JsonResource(reactor, app) if what in ("json", "logged") else app.resource()
    settings = JsonSettings(access_log=what == "logged", **EVERY_LIMIT)  # type: ignore[arg-type] # floats and ints
    site = Site(resource, reactor=reactor)
    site.log = lambda request: None  # type: ignore[method-assign]
    _listen(reactor, site if what == "bare" else LimitedSite(reactor, resource, settings))
    reactor.run()


class _AsyncioEcho(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def _serve_asyncio() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_AsyncioEcho, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def serve_on_asyncio(how: str) -> None:
    """An asyncio protocol, on asyncio's own loop or on uvloop."""
    if how == "uvloop":
        import uvloop

        uvloop.run(_serve_asyncio())
    else:
        asyncio.run(_serve_asyncio())


def serve(what: str, how: str) -> None:
    """Serve until killed."""
    transports, _, service = how.partition("-")
    if transports in ("asyncio", "uvloop"):
        serve_on_asyncio(transports)
    elif what == "site":
        serve_site(how)
    elif what == "klein":
        serve_klein(how)
    elif what == "hello":
        serve_hello(transports)
    elif service:
        serve_echo_service(transports)
    else:
        serve_echo(transports)


if __name__ == "__main__":
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 30_000)), hard))
    os.sched_setaffinity(0, {int(sys.argv[1])})
    serve(*sys.argv[2:])
