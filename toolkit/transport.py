"""Transports that send once a turn of the reactor; `prompt(reactor)` makes them for any program.

Twisted answers each `write` by asking the reactor to say when the socket can be written to: a
system call, another turn of the reactor, `send`, and a system call to be told no more. But a
socket can nearly always be written to. These transports gather what a protocol writes during one
turn, and send it when the turn ends, in one system call; what the kernel does not take then goes
Twisted's way. Order, back-pressure, producers and closing are Twisted's own: all but the common
case is left to the classes of `twisted.internet.tcp` and `unix` that these are made from.

    from toolkit.transport import prompt

    endpoint = serverFromString(prompt(reactor), "tcp:8080")

Some private attributes of Twisted's transports are read and set. They are looked for once, and
where one is missing `prompt` gives the reactor back as it is.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from twisted.internet import tcp, unix
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.interfaces import IConnector, IListeningPort, IProtocolFactory
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

__all__ = ["PromptConnections", "Turn", "prompt"]

_log = Logger()
_NOT_A_RESET = (errno.EWOULDBLOCK, errno.ENOBUFS, errno.EPIPE)


class Turn:
    """The transports of one reactor that wait for the end of its turn.

    Args:
        reactor: The reactor, which calls `end` when its turn ends.
    """

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.waiting: deque[Gathering] = deque()
        self.add: Callable[[Gathering], None] = self.waiting.append
        """Have a transport send what it has gathered when the turn ends."""
        self.log_contexts: dict[Gathering, dict[Any, Any]] = {}
        """The prompt reactor's, of transports that are busy."""

    def end(self) -> None:
        """Send what was gathered. What is written meanwhile may wait for the next end."""
        waiting = self.waiting
        for _ in range(len(waiting)):
            if not waiting:  # a turn within this end has sent the rest
                break
            transport = waiting.popleft()
            try:
                transport._send()
            except BaseException as error:  # noqa: BLE001 - it is one connection's, as in the reactor
                log.callWithLogger(transport, transport._break, error)

    def calls(self) -> None:
        """A protocol is called during the end: it may run a turn of the reactor."""


class _ScheduledTurn(Turn):
    """The turn of a reactor that does not know of it: it ends with the timers that are due."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.add = self._add
        self._is_due = False

    def _add(self, transport: Gathering) -> None:
        self.waiting.append(transport)
        self.calls()

    def end(self) -> None:
        self._is_due = False
        super().end()
        self.calls()

    def calls(self) -> None:
        if self.waiting and not self._is_due:
            self._is_due = True
            self.reactor.callLater(0, self.end)


class Gathering(tcp.Connection):
    """Gathers what is written during a turn, and sends it when the turn ends.

    To be mixed into a transport of Twisted's, before it. What is gathered lies where Twisted
    keeps what waits; so whichever of the two sends it, it is sent once, and in order.
    """

    _turn: Turn | None = None  # None leaves everything to Twisted
    _gathered = False  # whether it waits for the end of the turn
    _paused = False  # whether it is not read from: then only its writing is known to the reactor
    _writing = False  # whether the reactor says when it can be written to
    _told_broken = False  # the kernel told of a reset, and tells it but once
    _nothing_waits = False  # all was sent just now, and doWrite is to do what comes after
    _sendmsgQueue: Any = ()  # over UNIX: file descriptors that go with the bytes

    def write(self, data: bytes) -> None:
        if (
            self._writing  # the kernel would take no more, or the connection is to be closed
            or self._paused
            or self.TLS
            or self._turn is None
            or not self.connected
            or self._writeDisconnected
            or not isinstance(data, bytes)
        ):
            super().write(data)
        elif data:
            self._tempDataBuffer.append(data)
            self._tempDataLen += len(data)
            if self._tempDataLen > self.bufferSize or self._sendmsgQueue:
                self._maybePauseProducer()
            if not self._gathered:
                self._gathered = True
                self._turn.add(self)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        # What Twisted refuses, or runs through but once, is left to it.
        if isinstance(iovec, (list, tuple)) and all(isinstance(data, bytes) for data in iovec):
            data = b"".join(iovec)
            if data:
                self.write(data)
                return
        super().writeSequence(iovec)

    def startWriting(self) -> None:
        self._writing = True
        super().startWriting()

    def stopWriting(self) -> None:
        self._writing = self._aborting  # what is written after an abort is left to Twisted
        super().stopWriting()

    def stopReading(self) -> None:
        self._not_read()
        super().stopReading()

    def readConnectionLost(self, reason: Failure) -> None:
        self._not_read()
        super().readConnectionLost(reason)

    def _not_read(self) -> None:
        self._paused = True
        # Else the reactor would know nothing of it, and at its end not end it with all the others.
        if self._gathered and self.connected and not self._writing and not self._aborting:
            self.startWriting()

    def startReading(self) -> None:
        self._paused = False
        super().startReading()

    def connectionLost(self, reason: Failure) -> None:
        if self._turn is not None:
            self._turn.log_contexts.pop(self, None)
        super().connectionLost(reason)

    def _send(self) -> None:
        self._gathered = False
        if not self.connected or self._aborting:
            return  # what waits is dropped
        gathered = self._tempDataBuffer
        if not gathered:
            return  # Twisted has sent it, and done what comes after
        data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        # Twisted sends no more than this at once, for the sake of the others.
        if self.dataBuffer or self._sendmsgQueue or len(data) > self.SEND_LIMIT:
            self.startWriting()
            return
        try:
            sent = self.socket.send(data)
        except OSError as error:  # it would block, or is broken: Twisted finds out which
            self._told_broken = error.errno not in _NOT_A_RESET
            self.startWriting()
            return
        if sent < len(data):
            self.dataBuffer, self.offset = data, sent
            self._tempDataBuffer, self._tempDataLen = [], 0
            self.startWriting()
            return
        gathered.clear()
        self._tempDataLen = 0
        if (
            self._writing
            or self.disconnecting
            or self._writeDisconnecting
            or (self.producer is not None and (self.producerPaused or not self.streamingProducer))
        ):
            assert self._turn is not None
            self._turn.calls()
            log.callWithLogger(self, self._all_sent)

    def _all_sent(self) -> None:
        """Have the producer go on, or close: what Twisted does when nothing waits any more."""
        self._nothing_waits = True
        try:
            why = self.doWrite()
        except BaseException as error:  # noqa: BLE001 - as the reactor does it: logged, and it ends the connection
            self._break(error)
        else:
            if why:
                self._disconnect(why)

    def writeSomeData(self, data: bytes) -> Any:
        if self._nothing_waits:  # no need to ask the kernel to send no bytes
            self._nothing_waits = False
            return 0
        return super().writeSomeData(data)

    def _break(self, error: BaseException) -> None:
        log.err()
        self._disconnect(error)

    def _disconnect(self, why: BaseException) -> None:
        self.reactor._disconnectSelectable(self, why, False)  # type: ignore[attr-defined] # of PosixReactorBase


class _OverTCP(Gathering):
    _host: Any = None
    _peer: Any = None

    def doRead(self) -> Any:
        # Twisted's, without the calls in between.
        try:
            data = self.socket.recv(self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_LOST if self._told_broken else CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None

    # A server of HTTP asks for both with every request. After the end, they fail as Twisted's do.

    def getHost(self) -> Any:
        if self._host is None or not self.connected:
            self._host = super().getHost()
        return self._host

    def getPeer(self) -> Any:
        if self._peer is None or not self.connected:
            self._peer = super().getPeer()
        return self._peer


class _TCPServer(_OverTCP, tcp.Server):
    """A connection that was accepted."""


class _TCPClient(_OverTCP, tcp.Client):
    """A connection that was opened."""


class _UNIXServer(Gathering, unix.Server):
    """A connection that was accepted."""


class _UNIXClient(Gathering, unix.Client):
    """A connection that was opened."""


STREAMS = frozenset((_TCPServer, _TCPClient, _UNIXServer, _UNIXClient))

G = TypeVar("G", bound=Gathering)


def _joined(transport: G, turn: Turn) -> G:
    transport._turn = turn
    return transport


class TCPPort(tcp.Port):
    """A port whose connections send once a turn."""

    turn: Turn

    def transport(self, *arguments: Any) -> _TCPServer:  # type: ignore[override] # may be replaced
        return _joined(_TCPServer(*arguments), self.turn)


class UNIXPort(unix.Port):
    """A port whose connections send once a turn."""

    turn: Turn

    def transport(self, *arguments: Any) -> _UNIXServer:  # type: ignore[override] # may be replaced
        return _joined(_UNIXServer(*arguments), self.turn)


class _TCPConnector(tcp.Connector):
    turn: Turn

    def _makeTransport(self) -> _TCPClient:
        client = _TCPClient(self.host, self.port, self.bindAddress, self, self.reactor)
        return _joined(client, self.turn)


class _UNIXConnector(unix.Connector):
    turn: Turn

    def _makeTransport(self) -> Any:
        client = _UNIXClient(self.address, self, self.reactor, self.checkPID)
        return _joined(client, self.turn)


class PromptConnections:
    """The methods of a reactor that make ports and connections; these send once a turn.

    Each does what the method of its name in `twisted.internet.interfaces` says.
    """

    turn: Turn
    tcp_port = TCPPort
    unix_port = UNIXPort

    def listenTCP(
        self, port: Any, factory: IProtocolFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        return self._listening(self.tcp_port(port, factory, backlog, interface, self.turn.reactor))

    def listenUNIX(
        self,
        address: Any,
        factory: IProtocolFactory,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: Any = 0,
    ) -> IListeningPort:
        reactor = self.turn.reactor
        return self._listening(self.unix_port(address, factory, backlog, mode, reactor, wantPID))

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> IListeningPort:
        reactor = self.turn.reactor
        port: Any
        if addressFamily == socket.AF_UNIX:
            port = self.unix_port._fromListeningDescriptor(reactor, fileDescriptor, factory)
        else:
            _known_internet(addressFamily)
            port = self.tcp_port._fromListeningDescriptor(
                reactor, fileDescriptor, addressFamily, factory
            )
        return self._listening(port)

    def adoptStreamConnection(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> Any:
        reactor = self.turn.reactor
        adopted: Any  # None when the factory builds no protocol
        if addressFamily == socket.AF_UNIX:
            adopted = _UNIXServer._fromConnectedSocket(fileDescriptor, factory, reactor)
        else:
            _known_internet(addressFamily)
            adopted = _TCPServer._fromConnectedSocket(
                fileDescriptor, addressFamily, factory, reactor
            )
        return None if adopted is None else _joined(adopted, self.turn)

    def connectTCP(
        self, host: str, port: Any, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> IConnector:
        reactor = self.turn.reactor
        return self._connecting(_TCPConnector(host, port, factory, timeout, bindAddress, reactor))

    def connectUNIX(
        self, address: Any, factory: Any, timeout: float = 30, checkPID: Any = 0
    ) -> IConnector:
        reactor = self.turn.reactor
        return self._connecting(_UNIXConnector(address, factory, timeout, reactor, checkPID))

    def _listening(self, port: Any) -> IListeningPort:
        port.turn = self.turn
        port.startListening()
        listening: IListeningPort = port
        return listening

    def _connecting(self, connector: Any) -> IConnector:
        connector.turn = self.turn
        connector.connect()
        connecting: IConnector = connector
        return connecting


def _known_internet(family: int) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        raise UnsupportedAddressFamily(family)


class Wrapped(PromptConnections):
    """A reactor whose streams send once a turn; everything else is the reactor's own."""

    def __init__(self, reactor: Any, turn: Turn) -> None:
        self._reactor = reactor
        self.turn = turn
        directlyProvides(self, providedBy(reactor))

    # These go through listenTCP and connectTCP, which are ours.
    listenSSL: Any = PosixReactorBase.listenSSL
    connectSSL: Any = PosixReactorBase.connectSSL

    def __getattr__(self, name: str) -> Any:
        if name == "_reactor":  # not there yet: somebody copies it
            raise AttributeError(name)
        return getattr(self._reactor, name)

    def __repr__(self) -> str:
        return f"prompt({self._reactor!r})"


def prompt(reactor: Any) -> Any:
    """The reactor, with streams that send once a turn.

    Args:
        reactor: The reactor.

    Returns:
        An object that provides what the reactor provides. Its `listenTCP`, `connectTCP`,
        `listenSSL`, `connectSSL`, `listenUNIX`, `connectUNIX`, `adoptStreamPort` and
        `adoptStreamConnection` make prompt streams; the rest is the reactor's own. The reactor
        itself where it is prompt already, and where nothing can be done: it is not one of
        Twisted's for POSIX, or Twisted's transports are not those that this module knows.
    """
    if isinstance(reactor, PromptConnections):
        return reactor
    if MISSING:
        _log.debug("streams are Twisted's own: {missing} is not there", missing=MISSING[0])
        return reactor
    if not isinstance(reactor, PosixReactorBase):
        _log.debug("streams are the reactor's own: {reactor} is not of posixbase", reactor=reactor)
        return reactor
    return Wrapped(reactor, _ScheduledTurn(reactor))


def missing_from(known: Mapping[Any, Iterable[str]]) -> list[str]:
    """The attributes that are not where they are expected.

    Args:
        known: What has attributes, and their names.

    Returns:
        Those that are missing, such as `tcp.Port.transport`.
    """
    return [
        f"{_name_of(owner)}.{name}"
        for owner, names in known.items()
        for name in names
        if not hasattr(owner, name)
    ]


def _name_of(owner: Any) -> str:
    kind = owner if isinstance(owner, type) else type(owner)
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}"


MISSING = missing_from(
    {
        # What waits is set for each instance; the reactor is not asked for anything yet.
        FileDescriptor(reactor=object()): ("_tempDataBuffer", "_tempDataLen"),  # type: ignore[arg-type]
        tcp.Connection: (
            "SEND_LIMIT", "TLS", "_aborting", "_maybePauseProducer", "_writeDisconnected",
            "_writeDisconnecting", "dataBuffer", "offset", "producer", "producerPaused",
            "streamingProducer",
        ),
        tcp.Server: ("_fromConnectedSocket",),
        unix.Server: ("_fromConnectedSocket",),
        tcp.Port: ("_fromListeningDescriptor", "transport"),
        unix.Port: ("_fromListeningDescriptor", "transport"),
        tcp.Connector: ("_makeTransport",),
        unix.Connector: ("_makeTransport",),
        PosixReactorBase: ("_disconnectSelectable",),
    }
)  # fmt: skip
"""The private attributes of Twisted's that this module needs and this Twisted has not."""
