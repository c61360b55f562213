"""One connection of a listening service, watched without a wrapper.

Nothing here stands in the path of the bytes. The protocol that the service's factory builds is
the protocol that the transport talks to. Its beginning and its end are learnt from hooks, set as
attributes of the one instance. How long no byte has come or gone, Linux knows of a TCP connection
and is asked. Elsewhere there is a third hook, which takes itself out again at the first byte after
each look, so that a busy connection pays for it once in some seconds and not once a read.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Protocol

from twisted.python.failure import Failure

BUFFER_BYTES = 32 * 1024
"""A transport's `bufferSize`: it reads this much at once, and pauses its producer when more than
this waits to be sent; so at most twice this waits for a peer that does not read."""

WATCHED = ("doRead", "write", "writeSequence")
"""The methods of a transport that are called when bytes come or go, and seldom else."""


class Owner(Protocol):
    """Who is told of a connection's beginning and end."""

    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...


class Connection:
    """One connection: how long it has been quiet, and how long its peer has taken nothing."""

    __slots__ = (
        "_asks_kernel", "_head", "_hooks", "_in_kernel", "_lose", "_offset", "_owner", "asked",
        "lowest", "peer", "protocol", "quiet_since", "stalled_since", "transport",
    )  # fmt: skip

    def __init__(self, owner: Owner, protocol: Any, peer: str | None) -> None:
        self._owner = owner
        self._asks_kernel = False
        self._hooks: tuple[_Hook, ...] = ()
        self._lose: _Hook | None = None
        self._head: bytes | None = None
        self._in_kernel = 0
        self._offset = 0
        self.protocol = protocol
        self.transport: Any = None
        self.lowest: Any = None
        self.peer = peer
        self.quiet_since = self.stalled_since = 0.0
        self.asked = False
        beginning = _Hook(protocol, "makeConnection")

        def made(transport: Any) -> None:
            beginning.undo()
            self._made(transport, beginning.original)

        beginning.set(made)

    def _made(self, transport: Any, make_connection: Callable[[Any], object]) -> None:
        self.transport = self.lowest = transport
        while (below := getattr(self.lowest, "transport", None)) is not None:  # TLS over TCP
            self.lowest = below
        self.lowest.bufferSize = BUFFER_BYTES
        self._asks_kernel = _quiet_seconds(self.lowest) is not None
        # The transport is told of the end whatever protocol it may have been given meanwhile.
        ends = self.lowest if hasattr(self.lowest, "connectionLost") else self.protocol
        self._lose = _Hook(ends, "connectionLost")
        self._lose.set(self._lost)
        self._owner.opened(self)
        try:
            make_connection(transport)
        except BaseException:
            self.abort()  # half made, nobody would ever close it
            raise

    def _lost(self, reason: Failure) -> None:
        lose, self._lose = self._lose, None
        if lose is None:  # a transport that was aborted twice says so twice
            return
        self._unwatch()
        lose.undo()
        try:
            lose.original(reason)
        finally:
            self._owner.closed(self)

    def owed(self) -> int:
        """How many bytes wait to be taken by the kernel."""
        lowest = self.lowest
        waiting = len(getattr(lowest, "dataBuffer", b"")) - getattr(lowest, "offset", 0)
        return waiting + int(getattr(lowest, "_tempDataLen", 0))

    def look(self, now: float) -> None:
        """Note what has happened since the last look.

        Args:
            now: The time in seconds. `quiet_since` and `stalled_since` become this if bytes have
                come or gone since the last look, and if the peer has taken some of what waits
                or nothing waits; an event is never missed, only dated later than it was.
        """
        lowest = self.lowest
        head = getattr(lowest, "dataBuffer", b"") or next(
            iter(getattr(lowest, "_tempDataBuffer", ())), None
        )
        offset = getattr(lowest, "offset", 0)
        # While the oldest bytes that wait are the same, the kernel has taken none. It takes none
        # from a slow reader either until a third of its own buffer is free, which may be minutes.
        in_kernel = 0 if head is None else _unacknowledged(lowest)
        moved = head is not self._head or offset != self._offset or in_kernel != self._in_kernel
        self._head, self._offset, self._in_kernel = head, offset, in_kernel
        if moved or head is None:
            self.stalled_since = now
        quiet = _quiet_seconds(lowest) if self._asks_kernel else None
        if quiet is not None:
            self.quiet_since = now if moved else now - quiet
            return
        if moved or not self._hooks:
            self.quiet_since = now
        if not self._hooks:
            self._watch()

    @property
    def leaving(self) -> bool:
        """Whether it has been asked to close, by whomever, and has not yet."""
        return bool(getattr(self.transport, "disconnecting", False))

    def close(self) -> None:
        """Close it when what was written has been sent."""
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close it now; its peer sees that it was cut off, not an end (RFC 9293 §3.10.5)."""
        # Twisted says so a turn later, and the end of a process may come first.
        with suppress(AttributeError, OSError):
            self.lowest.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        abort(self.transport)

    def _watch(self) -> None:
        lowest = self.lowest
        self._hooks = tuple(_Hook(lowest, name) for name in WATCHED if hasattr(lowest, name))
        for hook in self._hooks:
            hook.set(self._once(hook.original))

    def _once(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def first(*args: Any) -> Any:
            self._unwatch()
            return method(*args)

        return first

    def _unwatch(self) -> None:
        hooks, self._hooks = self._hooks, ()
        for hook in hooks:
            hook.undo()


def _unacknowledged(transport: Any) -> int:
    """How many bytes the kernel has taken of a transport and its peer's has not (tcp(7))."""
    try:
        return int.from_bytes(ioctl(transport, TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError, TypeError):  # not a socket, or one that does not tell
        return 0


def _quiet_seconds(transport: Any) -> float | None:
    """How long a TCP connection has neither got nor sent a byte that was new, or None where the
    kernel does not tell (tcp(7), TCP_INFO; its layout is that of Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        info = transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        resent, probed, sent, _, received, acknowledged, segment = _TCP_INFO.unpack(info)
    except (AttributeError, OSError, struct.error):  # no TCP, no socket at all, or closed by now
        return None
    if not segment:  # a kernel that only looks like Linux, and leaves these fields empty
        return None
    # Sending once more to a peer that is gone is no sign of life; its last answer was.
    return float(min(received, acknowledged if resent or probed else sent)) / 1000


_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER (socket(7)): on closing, wait for nothing and send a reset."""

_TCP_INFO = struct.Struct("2x2B4x36x4I24xI")
"""Of struct tcp_info: retransmits, probes; last_data_sent, last_ack_sent, last_data_recv and
last_ack_recv in milliseconds; advmss."""


class _Hook:
    """A method of one object, replaced by setting an attribute, and put back as it was."""

    __slots__ = ("_hook", "_name", "_object", "_own", "original")

    def __init__(self, of: Any, name: str) -> None:
        self._object = of
        self._name = name
        self._hook: Any = None
        self.original = getattr(of, name)
        # Not asked of its __dict__: from then on every attribute of it is slower to read.
        self._own = getattr(self.original, "__func__", None) is not getattr(type(of), name, None)

    def set(self, hook: Callable[..., Any]) -> None:
        self._hook = hook
        setattr(self._object, self._name, hook)

    def undo(self) -> None:
        if getattr(self._object, self._name) is not self._hook:
            return  # somebody has put another in its place since
        if self._own:
            setattr(self._object, self._name, self.original)
        else:
            delattr(self._object, self._name)
        self._hook = None


def abort(transport: Any) -> None:
    """Close a connection now."""
    # A transport in memory may know only the one way to close.
    getattr(transport, "abortConnection", transport.loseConnection)()
