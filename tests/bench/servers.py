"""The contenders: `python -m tests.bench.servers NAME CORE` serves, and prints its port."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

BACKLOG = 1024
EVERY_LIMIT = {
    "max_connections": 5000,
    "max_connections_per_peer": 5000,
    "idle_seconds": 300.0,
    "write_stall_seconds": 30.0,
}


def serve_bare() -> None:
    """A Twisted protocol on Twisted's endpoint, and nothing else."""
    from twisted.internet import reactor
    from twisted.internet.endpoints import serverFromString
    from twisted.internet.protocol import Protocol, ServerFactory

    class Echo(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    endpoint = serverFromString(reactor, f"tcp:0:interface=127.0.0.1:backlog={BACKLOG}")
    listening = endpoint.listen(ServerFactory.forProtocol(Echo))
    listening.addCallback(lambda port: print(port.getHost().port, flush=True))
    running: Any = reactor
    running.run()


def serve_toolkit() -> None:
    """The echo service as `listening()` makes it, with every limit in force."""
    from twisted.internet import reactor

    from toolkit.service import Shared
    from toolkit.services.echo import EchoSettings, make

    settings = EchoSettings(listen="tcp:0:interface=127.0.0.1", **EVERY_LIMIT)  # type: ignore[arg-type] # floats and ints
    service: Any = make(Shared(reactor, "echo"), settings)
    service.startService().addCallback(lambda _: print(service.address.port, flush=True))
    running: Any = reactor
    running.run()


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


def serve_asyncio() -> None:
    """An asyncio protocol on asyncio's own loop."""
    asyncio.run(_serve_asyncio())


def serve_uvloop() -> None:
    """The same protocol on uvloop."""
    import uvloop

    uvloop.run(_serve_asyncio())


SERVERS = {
    "bare": serve_bare,
    "toolkit": serve_toolkit,
    "asyncio": serve_asyncio,
    "uvloop": serve_uvloop,
}

if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[2])})
    SERVERS[sys.argv[1]]()
