"""A connection that acts by a script, and the record of what was seen: to compare transports."""

from __future__ import annotations

import errno
import os
import random
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import tcp
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer, IPushProducer
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python import context, log
from zope.interface import implementer

from toolkit.reactor import PromptReactor
from toolkit.transport import _joined, _TCPServer, prompt

Act = tuple[str, Any]
"""The name of a method of `Actor` or `Far` without its `do_`, and its argument."""

Record = list[tuple[Any, ...]]

HOOKS = (
    "connectionMade", "dataReceived", "resumeProducing", "pauseProducing", "stopProducing",
    "readConnectionLost", "writeConnectionLost", "connectionLost",
)  # fmt: skip

LINKS = (
    "TCP accepted", "TCP opened", "TCP over a small buffer", "UNIX accepted",
    "UNIX accepted, small buffer", "UNIX opened, small buffer", "UNIX adopted, small buffer",
)  # fmt: skip

WAYS = {"prompt(reactor)": lambda: prompt(EPollReactor()), "PromptReactor": PromptReactor}

_PROMPT = re.compile("'_(TCP|UNIX)")
_PATTERN = random.Random(1).randbytes(1 << 20)


def pattern(start: int, size: int) -> bytes:
    """Bytes that are not those of any other place in the stream, within its first megabyte."""
    start %= len(_PATTERN)
    found = _PATTERN[start : start + size]
    return found if len(found) == size else found + pattern(0, size - len(found))


@dataclass
class Script:
    """What a connection and its peer do."""

    link: str
    half_closes: bool
    steps: list[tuple[str, list[Act]]]
    """Where ("outside" the reactor, in a "timer", by a "thread") and what, one after another."""
    hooks: dict[str, list[list[Act]]]
    """What the protocol or its producer does when it is called the first, second ... time."""
    settles: bool = True
    """Run the reactor between the steps until nothing moves; else for `turns` only."""


class Giving(ClientFactory):
    """Gives every connection the one protocol, or none."""

    noisy = False

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: Any) -> Any:
        return self._protocol


class Scripted(Exception):
    """Raised by the script."""


class _Protocol(Protocol):
    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def connectionMade(self) -> None:
        self.actor.transport = self.transport
        if "small" in self.actor.link:
            _make_small(self.actor.transport)
        if self.actor.transport.socket.family == socket.AF_INET:
            self.actor.transport.setTcpNoDelay(True)
        self.actor.called("connectionMade")

    def dataReceived(self, data: bytes) -> None:
        self.actor.received(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.actor.called("connectionLost", reason.type.__name__)


@implementer(IHalfCloseableProtocol)
class _HalfCloseable(_Protocol):
    def readConnectionLost(self) -> None:
        self.actor.called("readConnectionLost")

    def writeConnectionLost(self) -> None:
        self.actor.called("writeConnectionLost")


@dataclass
class _Producer:
    actor: Actor
    size: int
    left: int
    then_closes: bool = False
    paused: bool = False

    def stopProducing(self) -> None:
        self.left = 0
        self.paused = True
        self.actor.called("stopProducing")

    def _wrote_all(self) -> None:
        if self.left == 0:
            self.left = -1
            self.actor.transport.unregisterProducer()
            if self.then_closes:
                self.actor.transport.loseConnection()


@implementer(IPushProducer)
class Push(_Producer):
    """Writes until it is told to pause."""

    def resumeProducing(self) -> None:
        self.paused = False
        self.actor.called("resumeProducing")
        self.produce()

    def pauseProducing(self) -> None:
        self.paused = True
        self.actor.called("pauseProducing")

    def produce(self) -> None:
        while not self.paused and self.left > 0:
            self.left -= 1
            self.actor.do_write(self.size)
        self._wrote_all()

    def __repr__(self) -> str:
        return "push"


@implementer(IPullProducer)
class Pull(_Producer):
    """Writes when it is asked to; nothing if its size is 0."""

    def resumeProducing(self) -> None:
        self.actor.called("resumeProducing")
        if self.left > 0:
            self.left -= 1
            self.actor.do_write(self.size)
        self._wrote_all()

    def __repr__(self) -> str:
        return "pull"


@dataclass
class Far:
    """The other end: a plain socket."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    end: str = "open"
    is_tcp: bool = False
    always_drains: bool = False
    drains: bool = False
    sent: int = 0

    def do_reads(self, size: int) -> None:
        while size > 0 and self.end == "open":
            try:
                data = self.socket.recv(min(size, 1 << 20))
            except BlockingIOError:
                return
            except ConnectionError:
                self.end = "reset"
            else:
                self.received += data
                size -= len(data)
                if not data:
                    self.end = "ended"

    def do_drains(self, drains: bool) -> None:
        self.drains = drains or self.always_drains

    def do_sends(self, size: int) -> None:
        with suppress(OSError):  # full, or closed: then it sends nothing
            self.sent += self.socket.send(pattern(self.sent, size))

    def do_half_closes(self, _: Any) -> None:
        with suppress(OSError):  # the connection is gone already
            self.socket.shutdown(socket.SHUT_WR)

    def do_closes(self, _: Any) -> None:
        if self.end == "open":
            self.end = "closed"
        self.socket.close()

    def do_resets(self, _: Any) -> None:
        if self.end == "open":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.do_closes(None)


class Actor:
    """What a script does to a connection, and what the connection does."""

    def __init__(self, script: Script, reactor: Any) -> None:
        self.link = script.link
        self.record: Record = []
        self.written = bytearray()
        self.hooks = {name: list(acts) for name, acts in script.hooks.items()}
        self.transport: Any = None
        self.reactor = reactor
        self.far: Far
        self.protocol = (_HalfCloseable if script.half_closes else _Protocol)(self)

    def do(self, act: Act) -> None:
        name, argument = act
        if name == "raises":
            raise Scripted
        method = getattr(self.far if hasattr(Far, f"do_{name}") else self, f"do_{name}")
        try:
            method(argument)
        except Exception as error:  # noqa: BLE001 - whatever the caller sees is compared
            self.record.append(("raised", name, type(error).__name__, str(error)))

    def do_all(self, acts: list[Act]) -> None:
        for act in acts:
            self.do(act)

    def called(self, name: str, *what: Any) -> None:
        self.record.append((name, *what))
        self._acts(name)

    def received(self, data: bytes) -> None:
        if self.record and self.record[-1][0] == "dataReceived":
            self.record[-1] = ("dataReceived", self.record[-1][1] + data)
        else:
            self.record.append(("dataReceived", data))
        self._acts("dataReceived")

    def _acts(self, hook: str) -> None:
        waiting = self.hooks.get(hook)
        for act in waiting.pop(0) if waiting else ():
            # A connection whose producer fails to stop is never closed, by Twisted's own either.
            if (hook, act[0]) != ("stopProducing", "raises"):
                self.do(act)

    def _next(self, size: int) -> bytes:
        data = pattern(len(self.written), size)
        self.written += data
        return data

    def do_write(self, size: int) -> None:
        self.transport.write(self._next(size))

    def do_writes(self, sizes: list[int]) -> None:
        self.transport.writeSequence([self._next(size) for size in sizes])

    def do_writes_wrong(self, what: str) -> None:
        """Give it what is not allowed, or is lost: nothing of it is to be sent."""
        write, writes = self.transport.write, self.transport.writeSequence
        wrong: dict[str, Any] = {
            "text": lambda: write("text"),
            "array": lambda: write(bytearray(b"array")),
            "view": lambda: write(memoryview(b"view")),
            "none": lambda: write(None),
            "text among bytes": lambda: writes([b"bytes", "text"]),
            "text in a tuple": lambda: writes(("text",)),
            "generator": lambda: writes(each for each in (b"a", b"b")),
            "text in a generator": lambda: writes(each for each in (b"a", "b", b"c")),
            "a sequence that is none": lambda: writes(1),
        }
        wrong[what]()

    def do_loses(self, _: Any) -> None:
        self.transport.loseConnection()

    def do_loses_write(self, _: Any) -> None:
        self.transport.loseWriteConnection()

    def do_aborts(self, _: Any) -> None:
        self.transport.abortConnection()

    def do_pauses(self, _: Any) -> None:
        self.transport.pauseProducing()

    def do_resumes(self, _: Any) -> None:
        self.transport.resumeProducing()

    def do_pushes(self, what: tuple[int, int, bool]) -> None:
        producer = Push(self, *what)
        self.transport.registerProducer(producer, True)
        producer.produce()

    def do_pulled(self, what: tuple[int, int, bool]) -> None:
        self.transport.registerProducer(Pull(self, *what), False)

    def do_unregisters(self, _: Any) -> None:
        self.transport.unregisterProducer()

    def do_tells_addresses(self, _: Any) -> None:
        self.record.append(("addresses", self._told("getHost"), self._told("getPeer")))

    def _told(self, method: str) -> str:
        try:
            told = getattr(self.transport, method)()
        except (AttributeError, TypeError) as error:  # it is closed; it is a pair of UNIX sockets
            return _PROMPT.sub("'", repr(error))
        port = getattr(told, "port", None)  # of this connection only
        return repr(told).replace(str(port), "a port")

    def do_logs(self, _: Any) -> None:
        log.msg("said")

    def do_turns(self, turns: int) -> None:
        """Only outside the reactor."""
        for _ in range(turns):
            self.reactor.iterate(0)


@contextmanager
def own(reactor: Any) -> Iterator[Any]:
    """A reactor of the test's own, driven by `iterate`; it is taken apart at the end."""
    # This may run within a callback of pytest's reactor: it has a log context, this one has none.
    contexts = context.theContextTracker.currentContext().contexts
    others, contexts[1:] = contexts[1:], []
    try:
        yield reactor
    finally:
        contexts[1:] = others
        for reader in list(reactor._internalReaders):
            reactor.removeReader(reader)
            reader.connectionLost(None)
        reactor._internalReaders.clear()
        left = [*reactor.removeAll(), *reactor.getDelayedCalls()]
        reactor._poller.close()
        assert not left, f"left behind: {left}"


def settle(reactor: Any, actor: Actor) -> None:
    """Run the reactor until nothing moves any more."""
    far = actor.far
    before, still = None, 0
    for _ in range(20_000):
        # Over TCP, the kernel may deliver a little later; then it is given the time.
        reactor.iterate(0.001 if still == 3 and far.is_tcp else 0)
        if far.drains:
            far.do_reads(1 << 30)
        transport = actor.transport
        waiting = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        now = len(actor.record), len(far.received), len(actor.written), waiting
        flows = waiting and far.drains and transport.fileno() in reactor._writes
        still = still + 1 if now == before and not flows else 0
        before = now
        if still == 4:  # a write, what it sets off in Twisted, a closing, and one for good measure
            return
    raise AssertionError(f"it does not settle: {actor.record[-3:]}")


def play(script: Script, reactor: Any) -> tuple[Record, Actor]:
    """Run a script over a reactor's streams.

    Returns:
        What the program saw, in order, and the actor: with what was written, and its far end.
    """
    actor = Actor(script, reactor)

    def watch(event: dict[str, Any]) -> None:
        if event.get("isError"):
            failed = event["failure"].type.__name__ if "failure" in event else event["message"]
            actor.record.append(("failed", event["system"], failed))
        elif event["message"] == ("said",):
            actor.record.append(("said", event["system"]))

    log.addObserver(watch)
    try:
        with _linked(script.link, actor, reactor) as far:
            _run(script, actor, far)
    finally:
        log.removeObserver(watch)
    actor.record.append(("far end", far.end))
    return actor.record, actor


def _run(script: Script, actor: Actor, far: Far) -> None:
    reactor = actor.reactor
    try:
        settle(reactor, actor)
        for place, acts in script.steps:
            if place == "timer":
                reactor.callLater(0, actor.do_all, acts)
            elif place == "thread":
                thread = threading.Thread(target=reactor.callFromThread, args=(actor.do_all, acts))
                thread.start()
                thread.join()
            else:
                actor.do_all(acts)
            if script.settles:
                settle(reactor, actor)
        far.do_drains(far.end == "open")
        settle(reactor, actor)
    finally:
        actor.record.append(("in the end",))
        actor.transport.abortConnection()
        settle(reactor, actor)
        far.socket.close()


@contextmanager
def _linked(link: str, actor: Actor, reactor: Any) -> Iterator[Far]:
    """Connect the actor's protocol to a far end."""
    factory = Giving(actor.protocol)
    path = b"\0toolkit-streams-%d" % os.getpid()
    port: Any = None
    server: socket.socket | None = None
    family = socket.AF_UNIX if "UNIX" in link else socket.AF_INET
    if "opened" in link:
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind(path if "UNIX" in link else ("127.0.0.1", 0))
        server.listen(1)
        if "UNIX" in link:
            reactor.connectUNIX(path, factory)
        else:
            reactor.connectTCP("127.0.0.1", server.getsockname()[1], factory)
        near = None
        # The protocol acts when it is connected, and the far end has to be there by then.
        far = Far(_accepted_in(server, reactor))
    elif "accepted" in link:
        if "UNIX" in link:
            port = reactor.listenUNIX(path, factory)
        else:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        far = Far(socket.socket(family, socket.SOCK_STREAM))
        far.socket.connect(port.socket.getsockname())
        near = None
    else:
        near, other = socket.socketpair()
        far = Far(other)
    far.socket.setblocking(False)
    far.is_tcp = far.socket.family == socket.AF_INET
    if far.is_tcp:
        far.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    far.always_drains = far.drains = "small" not in link
    actor.far = far
    try:
        if "adopted" in link:
            assert near is not None
            with near:
                reactor.adoptStreamConnection(near.fileno(), socket.AF_UNIX, factory)
        elif near is not None:
            _serve(near, actor.protocol, reactor)
    except Scripted:
        actor.record.append(("raised", "connectionMade"))
    try:
        while actor.transport is None:
            reactor.iterate(0)
        yield far
    finally:
        far.socket.close()
        if server is not None:
            server.close()
        if port is not None:
            port.stopListening()
            reactor.iterate(0)
            reactor.iterate(0)


def _accepted_in(server: socket.socket, reactor: Any) -> socket.socket:
    server.setblocking(False)
    while True:
        reactor.iterate(0)
        try:
            return server.accept()[0]
        except BlockingIOError:
            continue


class _Strict(socket.socket):
    """A socket that takes bytes when a reactor is told that it would, and never sooner.

    The kernel's own takes some more before it says so, and TCP's takes more after a while; so it
    would be a matter of time how much waits in a transport when its peer does not read.
    """

    def send(self, data: Any, flags: int = 0) -> int:
        if not select.select((), (self,), (), 0)[1]:
            raise BlockingIOError(errno.EWOULDBLOCK, "not yet")
        return super().send(data, flags)


def _make_small(transport: Any) -> None:
    transport.socket = _Strict(fileno=transport.socket.detach())
    transport.fileno = transport.socket.fileno
    transport.socket.setblocking(False)
    transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024)


def _serve(near: socket.socket, protocol: Any, reactor: Any) -> None:
    """A TCP transport over one of a pair: the kernel does the same each time, unlike over TCP."""
    address, turn = ("127.0.0.1", 1), getattr(reactor, "turn", None)
    port: Any = None
    transport: Any
    if turn is None:
        transport = tcp.Server(near, protocol, address, port, 0, reactor)
    else:
        transport = _joined(_TCPServer(near, protocol, address, port, 0, turn.reactor), turn)
    protocol.makeConnection(transport)
