"""A listening service for any factory: it fails fast, keeps its limits, and drains."""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import Annotated, Any

from twisted.application.service import IService, Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.accepting import accepting, described
from toolkit.concurrency import deferred
from toolkit.connect import MAX_PATH_BYTES
from toolkit.connections import Connections
from toolkit.errors import ListenFailed
from toolkit.service import Shared
from toolkit.settings import Endpoint, Meta, Settings

__all__ = ["Endpoint", "ListenSettings", "Listening", "described", "listening"]

BACKLOG = 1024
"""Connections the kernel keeps waiting to be accepted; Twisted's own default is 50."""

DRAIN_LOOK_SECONDS = 0.1


class ListenSettings(Settings):
    """Where a service listens, and the limits of its connections."""

    listen: Endpoint = "tcp:0:interface=127.0.0.1"
    max_connections: Annotated[int, Meta(ge=1, description="most connections at once")] = 1000
    max_connections_per_peer: Annotated[
        int, Meta(ge=1, description="most connections at once from one address")
    ] = 100
    idle_seconds: Annotated[
        float, Meta(gt=0, description="close a connection without a byte for so many seconds")
    ] = 300.0
    write_stall_seconds: Annotated[
        float, Meta(gt=0, description="drop a peer that reads nothing for so many seconds")
    ] = 30.0
    drain_seconds: Annotated[
        float, Meta(ge=0, description="when stopping, let connections finish for so many seconds")
    ] = 5.0


def listening(shared: Shared, factory: IProtocolFactory, settings: ListenSettings) -> IService:
    """A service that listens where the settings say, within their limits.

    Args:
        shared: The reactor, and the service's name for the log.
        factory: Builds a protocol for each connection. If its protocols have a method `drain()`,
            it is called once when the service stops: the protocol then closes its connection as
            soon as what is in flight is done.
        settings: Where to listen, and the limits.

    Returns:
        A service. Its start fails with ListenFailed when the endpoint cannot be bound. Its stop
        accepts no more, lets what is in flight finish, aborts what is left after
        `drain_seconds`, and fires when all are closed; cancelling the stop aborts them now. Its
        method `stop_accepting()` begins all that, for a stop that follows: a service of yours
        that holds this one passes both on.
    """
    return Listening(shared, factory, settings)


class Listening(Service):
    """The service that `listening` makes; `address` says where it listens."""

    _log = Logger()

    def __init__(self, shared: Shared, factory: IProtocolFactory, settings: ListenSettings) -> None:
        self._shared = shared
        self._settings = settings
        self._connections = Connections(shared.reactor, factory, settings, shared.name)
        self._binding: Deferred[IListeningPort] | None = None
        self._port: IListeningPort | None = None
        self._ending: Deferred[None] | None = None

    @property
    def address(self) -> IAddress | None:
        """Where it listens (the port that the kernel gave), or None while it does not."""
        return None if self._port is None else self._port.getHost()

    def privilegedStartService(self) -> None:
        """Bind while the process may: as root, before twistd changes to another user.

        Nothing is accepted before the service's turn to start; a failure is told then.
        """
        if os.geteuid() == 0 and self._binding is None:
            self._binding = self._bind().addCallback(_hold)

    @deferred
    async def startService(self) -> None:
        """Bind the endpoint and accept connections.

        Raises:
            ListenFailed: The endpoint cannot be bound; names it and the cause.
        """
        if self._port is not None:
            raise RuntimeError(f"{self._shared.name} is listening already")
        super().startService()
        binding, self._binding = self._binding or self._bind().addCallback(_hold), None
        try:
            port: Any = await binding
        except BaseException:
            self.running = 0
            raise
        self._port = port
        if hasattr(port, "startReading"):
            port.startReading()
        self._log.info(
            "{service} listening on {address}",
            service=self._shared.name,
            address=described(port.getHost()),
        )

    @deferred
    async def _bind(self) -> IListeningPort:
        where = description = self._settings.listen
        if re.match(r"(tcp6?|ssl|unix):", where) and not re.search(r":backlog=\d+", where):
            description = f"{where}:backlog={BACKLOG}"
        try:
            endpoint = serverFromString(accepting(self._shared.reactor), description)
            _refuse_path(endpoint)
            port: IListeningPort = await endpoint.listen(self._connections)
        except CancelledError:
            raise
        except Exception as error:
            raise ListenFailed(
                f"cannot listen on {where}: {_why(error, where.startswith('unix:'))}"
            ) from error
        return port

    def stop_accepting(self) -> None:
        """Accept no more, and let what is in flight finish: `drain_seconds` count from now on.

        A Group calls it on all its children before it stops the first; stopService, which must
        follow, waits for the end.
        """
        if self._ending is None:
            self._ending = self._end()

    def stopService(self) -> Deferred[None]:
        """Accept no more, drain, and close what is left after `drain_seconds`."""
        super().stopService()
        self.stop_accepting()
        ending, self._ending = self._ending, None
        assert ending is not None
        return ending

    @deferred
    async def _end(self) -> None:
        port, self._port = self._port, None
        binding, self._binding = self._binding, None
        if binding is not None:
            port = await binding.addErrback(_nothing)
        # Accepting ends with this call; the port itself is closed a turn later, whether or not
        # the stop is cancelled meanwhile.
        closed: Deferred[None] = Deferred()
        maybeDeferred(_close, port).addBoth(closed.callback)
        try:
            await self._drain()
        finally:
            self._connections.abort_all()
            try:
                await self._connections.emptied()
                await closed
            finally:
                self._connections.close()

    async def _drain(self) -> None:
        clock = self._shared.reactor
        deadline = clock.seconds() + self._settings.drain_seconds
        while self._connections:
            self._connections.close_quiet()
            left = deadline - clock.seconds()
            if left <= 0:
                self._log.warn(
                    "{service} aborts {count} connections still open after {seconds:g} s",
                    service=self._shared.name,
                    count=len(self._connections),
                    seconds=self._settings.drain_seconds,
                )
                return
            emptied = self._connections.emptied()
            look = clock.callLater(min(left, DRAIN_LOOK_SECONDS), _fire, emptied)
            try:
                await emptied
            finally:
                if look.active():
                    look.cancel()


def _close(port: IListeningPort | None) -> object:
    return None if port is None else port.stopListening()


def _nothing(_failure: Failure) -> None:
    """A port that could not be bound, and that nobody has asked for, needs no closing."""


def _fire(waited: Deferred[None]) -> None:
    if not waited.called:
        waited.callback(None)


def _hold(port: Any) -> Any:
    """Leave a port bound, with its connections waiting in the kernel, until its turn comes."""
    if hasattr(port, "stopReading"):
        port.stopReading()
    return port


def _refuse_path(endpoint: object) -> None:
    """Raise what binding a UNIX path that cannot be bound would: Twisted, when it finds out by
    binding, leaves its socket open and its lock file behind."""
    path = getattr(endpoint, "_address", None)
    if not isinstance(path, str) or path.startswith("\0"):
        return
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    if not os.path.lexists(path):
        return
    # With a lock file, Twisted knows whether the socket's owner still runs.
    if not (getattr(endpoint, "_wantPID", True) and os.path.lexists(f"{path}.lock")):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


_FIXES = {
    errno.EADDRINUSE: "the address is in use; stop what uses it, or choose another",
    errno.EACCES: "permission denied; choose a port above 1023, or start as root",
    errno.EADDRNOTAVAIL: "this machine has no such address; name one of its own",
}
_UNIX_FIXES = {
    errno.EADDRINUSE: "there is such a file already; remove it if nothing uses it",
    errno.EACCES: "permission denied; choose a folder that this user may write to",
    errno.ENAMETOOLONG: f"a path of a socket has at most {MAX_PATH_BYTES} bytes; choose a shorter",
    errno.ENOENT: "there is no such folder; make it first",
}


def _why(error: Exception, is_unix: bool) -> str:
    cause = error.socketError if isinstance(error, CannotListenError) else error
    if isinstance(cause, socket.gaierror):
        return "interface is not an IP address"
    if cause == "Cannot acquire lock":  # Twisted's own words
        return "another process holds its lock file; stop that process, or choose another path"
    if not isinstance(cause, OSError):
        return str(cause) or type(cause).__name__
    fixes = _UNIX_FIXES if is_unix else _FIXES
    if cause.errno in fixes and (is_unix or cause.filename is None):
        return fixes[cause.errno]
    return f"{cause.strerror or cause}{f': {cause.filename}' if cause.filename else ''}"
