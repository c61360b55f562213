"""Ports that live through a lack of file descriptors (accept(2): EMFILE, ENFILE, ENOMEM).

Twisted keeps one descriptor back. With it, it accepts and closes what it has no other for, and
logs three lines for each. When that one is lost too, the port stays readable, and the reactor
turns without end, a line a turn. These ports log one line a second that counts, and rest for a
while when they cannot accept at all: who wants to connect then waits in the kernel.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from twisted.internet import tcp
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.logger import LogEvent, Logger
from twisted.python.context import call, get
from twisted.python.failure import Failure
from twisted.python.log import ILogContext, callWithContext

from toolkit.transport import PromptConnections, TCPPort, UNIXPort, Wrapped, prompt

REST_SECONDS = 0.2
"""How long a port waits that could not accept, before it tries again."""


class Accepting(tcp.Port):
    """Counts what it cannot serve, and does not try without end. To be mixed in before a port."""

    reactor: Any
    _log = Logger()
    _closed = 0
    _error = "EMFILE"
    _line: IDelayedCall | None = None
    _rest: IDelayedCall | None = None

    def startListening(self) -> None:
        # What Twisted logs of a round of accept, it logs with this when the round is over.
        note: Any = self._note
        self._logger = Logger("toolkit.accepting", observer=note)
        # Who listens says so, with the address: that Twisted says it too is for debugging.
        callWithContext({"logLevel": logging.DEBUG}, super().startListening)

    def _note(self, event: LogEvent) -> None:
        if "acceptError" in event:
            if event["acceptError"] == "ECONNABORTED":  # it was the peer that gave up
                return
            self._error = event["acceptError"]
            self._rest_a_while()
        elif "address" in event:
            self._closed += 1
        else:
            return  # that the descriptor in reserve is used, and is there again
        if self._line is None:  # when the round has been noted whole
            self._line = self.reactor.callLater(0, self._say)

    def _say(self) -> None:
        self._line = None
        if self._closed or self._rest is not None:
            self._log_shortage()
            self._line = self.reactor.callLater(1.0, self._say)

    def _log_shortage(self) -> None:
        self._log.warn(
            "{address} has no file descriptor for new connections ({error}): {closed} closed "
            "unserved{waiting}; raise LimitNOFILE= or ulimit -n, or lower max_connections",
            address=described(self.getHost()),
            error=self._error,
            closed=self._closed,
            waiting=", others wait" if self._rest is not None else "",
        )
        self._closed = 0

    def _rest_a_while(self) -> None:
        if self._rest is None and not self.disconnecting:
            self.stopReading()
            self._rest = self.reactor.callLater(REST_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._rest = None
        self.startReading()

    def loseConnection(self, connDone: Failure | None = None) -> object:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if connDone is None:
            return super().loseConnection()
        return super().loseConnection(connDone)

    stopListening = loseConnection

    def connectionLost(self, reason: Failure) -> None:
        if self._line is not None:
            self._line.cancel()
            self._line = None
        if self._closed:
            self._log_shortage()
        super().connectionLost(reason)


def aloud(function: Callable[[], object]) -> None:
    """Call what a port calls while it starts, so that the old log has its messages as usual.

    Args:
        function: What to call: a factory's doStart.
    """
    context = {**get(ILogContext)}
    context.pop("logLevel", None)
    call({ILogContext: context}, function)


def described(address: IAddress) -> str:
    """An address as the log shows it: `tcp:127.0.0.1:7000`, `tcp:[::1]:7000`, `unix:/run/a.sock`.

    Args:
        address: What a listening port's `getHost()` gives.
    """
    if isinstance(address, IPv4Address):
        return f"tcp:{address.host}:{address.port}"
    if isinstance(address, IPv6Address):
        return f"tcp:[{address.host}]:{address.port}"
    if isinstance(address, UNIXAddress):
        return f"unix:{os.fsdecode(address.name or b'')}"
    return str(address)


class _TCPPort(Accepting, TCPPort): ...


class _UNIXPort(Accepting, UNIXPort): ...


class _Accepting(Wrapped):
    tcp_port = _TCPPort
    unix_port = _UNIXPort


def accepting(reactor: Any) -> Any:
    """The reactor, with prompt streams and with ports that live through a lack of descriptors.

    Args:
        reactor: The reactor, or `prompt(reactor)`.

    Returns:
        An object that provides what the reactor provides; where streams cannot be prompt, what
        was given.
    """
    reactor = prompt(reactor)
    if isinstance(reactor, PromptConnections):
        return _Accepting(reactor, reactor.turn)
    return reactor
