"""A pool of connections: bounded in all and for each origin, those in use included."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from toolkit.http.connection import Connection
from toolkit.http.deadlines import Deadlines
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.proxies import Proxy
from toolkit.http.request import Request


def _closed() -> FetchCancelled:
    return FetchCancelled("the agent is closed")


class Origin:
    """Scheme, host and port, and what there is for them.

    Args:
        scheme: `b"http"` or `b"https"`.
        host: Name or address, without brackets.
        port: The port.
        proxy: What is connected to in its place, or None.
    """

    __slots__ = (
        "asked", "connections", "host", "host_field", "idle", "peer", "place", "port", "prepared",
        "proxy", "rest_of_head", "secure", "waiting",
    )  # fmt: skip

    def __init__(self, scheme: bytes, host: str, port: int, proxy: Proxy | None = None) -> None:
        self.secure = scheme == b"https"
        self.host = host
        self.port = port
        name = f"[{host}]" if ":" in host else host
        self.place = f"{name}:{port}"
        usual = port == (443 if self.secure else 80)
        self.host_field = (name if usual else self.place).encode("ascii")
        self.proxy = proxy
        # The proxy that makes a tunnel is asked for it apart; the other with each request.
        self.asked = None if self.secure else proxy
        # Who answers, for messages.
        self.peer = self.place if self.asked is None else f"the proxy {self.asked.place}"
        self.prepared: object = None  # whose `rest_of_head` it is
        self.rest_of_head = b""
        self.connections = 0
        self.idle: list[Connection] = []
        self.waiting: OrderedDict[Request, int] = OrderedDict()


class Pool:
    """Gives each request a connection, in the order in which they came.

    A request takes an idle connection of its origin, or opens one, or waits. Where as many are
    open as may be, an idle one of another origin gives way.

    Args:
        reactor: The reactor.
        connect: Opens a connection to a request's origin; cancelling its Deferred ends that.
        max_connections: The most in all.
        max_per_origin: The most for one origin.
        max_waiting: The most requests that wait; one more fails.
        max_idle: The most idle ones kept.
        idle_seconds: How long one is kept.
        first_byte_seconds: How long the head of an answer may take, once its request is sent.
        stall_seconds: How long a peer may say nothing inside a body, or take nothing of one.
    """

    def __init__(
        self,
        reactor: Any,
        connect: Callable[[Pool, Request], Deferred[Connection]],
        max_connections: int,
        max_per_origin: int,
        max_waiting: int,
        max_idle: int,
        idle_seconds: float,
        first_byte_seconds: float,
        stall_seconds: float,
    ) -> None:
        self.reactor = reactor
        self.first_bytes: Deadlines[Connection] = Deadlines(
            reactor, first_byte_seconds, self._no_first_byte
        )
        self.stalls: Deadlines[Connection] = Deadlines(reactor, stall_seconds, self._stalled)
        self._connect = connect
        self._max_connections = max_connections
        self._max_per_origin = max_per_origin
        self._max_waiting = max_waiting
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._connections = 0  # those being opened too
        self._open: set[Connection] = set()
        self._connecting: dict[Request, Deferred[Connection]] = {}
        self._idle: dict[Connection, float] = {}  # since when; the oldest first
        self._expiry: Any = None
        self._waiting: OrderedDict[Request, None] = OrderedDict()
        self._number = count()
        self._starving: list[
            tuple[int, Request]
        ] = []  # a heap: they wait for room, not for their origin
        self._closed: Deferred[None] | None = None

    def request(self, request: Request) -> None:
        """Send a request as soon as there is a connection for it.

        Args:
            request: The request. Its `answered` fails with FetchError `queue-full` where too
                many wait, with what `connect` failed with, or with what its connection did.
        """
        origin: Origin = request.origin
        request.connection = None
        if self._closed is not None:
            request.take_answered().errback(_closed())
        elif origin.idle:
            connection = origin.idle.pop()
            del self._idle[connection]
            connection.send(request)
        elif origin.connections < self._max_per_origin and self._has_room():
            self._open_for(request)
        elif len(self._waiting) >= self._max_waiting:
            request.take_answered().errback(
                FetchError(
                    f"{len(self._waiting)} requests wait for a connection already; ask for fewer "
                    "at once, or allow more (max_waiting)",
                    "queue-full",
                )
            )
        else:
            self._waiting[request] = None
            origin.waiting[request] = next(self._number)
            if origin.connections < self._max_per_origin:
                self._starve(origin)

    def again(self, request: Request) -> None:
        """Send a request once more, whose connection the server had closed: over a new one.

        Those that are idle beside it are as old, and will not do better.

        Args:
            request: The request.
        """
        for connection in request.origin.idle:
            del self._idle[connection]
            connection.close()
        request.origin.idle.clear()
        self.request(request)

    def cancel(self, request: Request) -> None:
        """Take a request back: from the queue, from connecting, or by closing its connection."""
        if request in self._waiting:
            self._take(request)
        elif request in self._connecting:
            self._connecting[request].cancel()
        elif request.connection is not None:
            request.connection.abort(CancelledError())

    def release(self, connection: Connection) -> None:
        """Take a connection back whose response is complete."""
        origin = connection.origin
        if self._closed is not None or self._others_come_first(origin):
            connection.close()
        elif origin.waiting:
            connection.send(self._take(next(iter(origin.waiting))))
        else:
            self._idle[connection] = self.reactor.seconds()
            origin.idle.append(connection)
            if len(self._idle) > self._max_idle:
                self._drop_oldest()
            elif self._expiry is None:
                self._expiry = self.reactor.callLater(self._idle_seconds, self._expire)

    def lost(self, connection: Connection) -> None:
        """Know that a connection is gone."""
        if connection not in self._open:
            return  # it was not ready yet: connecting has failed
        self._open.discard(connection)
        if connection in self._idle:
            del self._idle[connection]
            connection.origin.idle.remove(connection)
        self._gone(connection.origin)

    def close(self) -> Deferred[None]:
        """Close every connection; whatever waits or is in progress fails.

        Returns:
            A Deferred that fires when all are closed.
        """
        if self._closed is None:
            self._closed = Deferred()
            if self._expiry is not None:
                self._expiry.cancel()
                self._expiry = None
            for request in list(self._waiting):
                self._take(request).take_answered().errback(_closed())
            for connecting in list(self._connecting.values()):
                connecting.cancel()
            for connection in list(self._open):
                connection.abort(_closed())
            self.first_bytes.stop()
            self.stalls.stop()
        done: Deferred[None] = Deferred()
        if self._connections:
            self._closed.chainDeferred(done)
        else:
            done.callback(None)
        return done

    def _open_for(self, request: Request) -> None:
        origin = request.origin
        origin.connections += 1
        self._connections += 1
        connecting = self._connecting[request] = self._connect(self, request)
        connecting.addCallbacks(
            self._opened, self._failed, callbackArgs=(request,), errbackArgs=(request,)
        )

    def _opened(self, connection: Connection, request: Request) -> None:
        del self._connecting[request]
        self._open.add(connection)
        connection.send(request)

    def _failed(self, failure: Failure, request: Request) -> None:
        del self._connecting[request]
        if not request.is_cancelled:
            request.take_answered().errback(failure)
        self._gone(request.origin)

    def _gone(self, origin: Origin) -> None:
        origin.connections -= 1
        self._connections -= 1
        if self._closed is not None:
            if not self._connections and not self._closed.called:
                self._closed.callback(None)
            return
        if self._others_come_first(origin):
            self._open_for(self._take(self._starving[0][1]))
            if origin.waiting:
                self._starve(origin)
        elif origin.waiting and origin.connections < self._max_per_origin:
            self._open_for(self._take(next(iter(origin.waiting))))

    def _take(self, request: Request) -> Request:
        del self._waiting[request]
        del request.origin.waiting[request]
        return request

    def _starve(self, origin: Origin) -> None:
        request, number = next(iter(origin.waiting.items()))
        heapq.heappush(self._starving, (number, request))

    def _has_room(self) -> bool:
        if self._connections < self._max_connections:
            return True
        if not self._idle:
            return False
        self._drop_oldest()
        return self._connections < self._max_connections

    def _others_come_first(self, origin: Origin) -> bool:
        """Whether a request of an origin that has room has waited longer than one of this."""
        starving = self._starving
        while starving:
            number, request = starving[0]
            other: Origin = request.origin
            if other.waiting.get(request) == number and other.connections < self._max_per_origin:
                own = next(iter(origin.waiting.values()), None)
                return other is not origin and (own is None or number < own)
            heapq.heappop(starving)
        return False

    def _drop_oldest(self) -> None:
        connection = next(iter(self._idle))
        del self._idle[connection]
        connection.origin.idle.remove(connection)
        connection.close()

    def _no_first_byte(self, connection: Connection) -> None:
        seconds = self.first_bytes.seconds
        connection.abort(
            FetchError(
                f"{connection.origin.peer} did not begin its answer within {seconds:g} s",
                "first-byte-timeout",
            )
        )

    def _stalled(self, connection: Connection) -> None:
        place, seconds = connection.origin.peer, self.stalls.seconds
        connection.abort(FetchError(f"{place} has been silent for {seconds:g} s", "stalled"))

    def _expire(self) -> None:
        self._expiry = None
        due = self.reactor.seconds() - self._idle_seconds
        while self._idle:
            since = next(iter(self._idle.values()))
            if since > due:
                self._expiry = self.reactor.callLater(since - due, self._expire)
                return
            self._drop_oldest()
