"""Names to addresses: the system's resolver, in threads of its own, and what it said before.

Twisted asks the system in the reactor's own ten threads, which other work may hold. Ten names that
nobody answers for hold them all.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from threading import Thread
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail, succeed

from toolkit.http.failures import FetchError, shown
from toolkit.http.resolving import NameResolver

_NOT_FOUND = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))


class _Known(NamedTuple):
    until: float
    found: tuple[str, ...] | Exception


class _Lookup:
    """One name that is being asked for, by whoever waits for it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.waiting: dict[Deferred[tuple[str, ...]], None] = {}


class SystemNames(NameResolver):
    """Asks the system (getaddrinfo(3)), each name once at a time, in threads of its own.

    What it says is remembered, as it does not say for how long it is true: addresses for a run of
    some minutes, that there is no such name for seconds, and a failure of the network not at all.
    A thread ends with its name; nothing is to be closed. One that the system keeps waiting goes on
    when nobody waits for it any more, and does not hold up the end of the process.

    Args:
        reactor: The reactor.
        threads: The most names asked for at once.
        max_waiting: The most names that wait for a thread; one more fails with `queue-full`.
        max_remembered: The most names remembered; the one not asked for longest gives way.
        remembered_seconds: How long addresses are remembered.
        not_found_seconds: How long it is remembered that there is no such name.
        getaddrinfo: Asks the system; called in a thread.
        in_thread: Runs a function in a thread.
    """

    def __init__(
        self,
        reactor: Any,
        threads: int = 64,
        max_waiting: int = 10_000,
        max_remembered: int = 10_000,
        remembered_seconds: float = 300.0,
        not_found_seconds: float = 5.0,
        getaddrinfo: Callable[..., Sequence[Any]] = socket.getaddrinfo,
        in_thread: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._threads = threads
        self._max_waiting = max_waiting
        self._max_remembered = max_remembered
        self._remembered_seconds = remembered_seconds
        self._not_found_seconds = not_found_seconds
        self._getaddrinfo = getaddrinfo
        self._in_thread = in_thread or _in_daemon_thread
        self._running = 0
        self._lookups: dict[str, _Lookup] = {}
        self._queue: OrderedDict[_Lookup, None] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def addresses_of(self, host: str) -> Deferred[tuple[str, ...]]:
        """The addresses of a name; see `NameResolver.addresses_of`."""
        if _is_address(host):
            return succeed((host,))
        host = host.lower()
        known = self._known.get(host)
        if known is not None:
            if self._reactor.seconds() < known.until:
                self._known.move_to_end(host)
                answered: Deferred[tuple[str, ...]] = Deferred()
                _answer(answered, host, known.found)
                return answered
            del self._known[host]
        lookup = self._lookups.get(host)
        if lookup is None:
            if self._running >= self._threads and len(self._queue) >= self._max_waiting:
                return fail(
                    FetchError(
                        f"{len(self._queue)} names wait to be looked up already; ask for fewer "
                        "at once",
                        "queue-full",
                    )
                )
            lookup = self._lookups[host] = _Lookup(host)
            self._queue[lookup] = None
        wanted = lookup
        waiter: Deferred[tuple[str, ...]] = Deferred(lambda given_up: self._left(wanted, given_up))
        lookup.waiting[waiter] = None
        self._begin()
        return waiter

    def _left(self, lookup: _Lookup, waiter: Deferred[tuple[str, ...]]) -> None:
        lookup.waiting.pop(waiter, None)
        if not lookup.waiting and lookup in self._queue:
            del self._queue[lookup]
            del self._lookups[lookup.host]

    def _begin(self) -> None:
        while self._queue and self._running < self._threads:
            lookup, _ = self._queue.popitem(last=False)
            self._running += 1
            try:
                self._in_thread(partial(self._ask, lookup))
            except RuntimeError as error:  # the system has no thread to give
                self._reactor.callLater(0, self._found, lookup, error)

    def _ask(self, lookup: _Lookup) -> None:
        found: tuple[str, ...] | Exception
        try:
            answers = self._getaddrinfo(lookup.host, 0, socket.AF_UNSPEC, socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(map(_text, answers)))
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "it has none")
        except Exception as error:  # noqa: BLE001 - the thread has nobody to raise it to: who waits is told
            found = error
        self._reactor.callFromThread(self._found, lookup, found)

    def _found(self, lookup: _Lookup, found: tuple[str, ...] | Exception) -> None:
        self._running -= 1
        del self._lookups[lookup.host]
        seconds = self._seconds_to_remember(found)
        if seconds > 0:
            self._known[lookup.host] = _Known(self._reactor.seconds() + seconds, found)
            if len(self._known) > self._max_remembered:
                self._known.popitem(last=False)
        self._begin()
        waiting, lookup.waiting = list(lookup.waiting), {}
        for waiter in waiting:
            if not waiter.called:  # another's answer may have cancelled it
                _answer(waiter, lookup.host, found)

    def _seconds_to_remember(self, found: tuple[str, ...] | Exception) -> float:
        if not isinstance(found, Exception):
            return self._remembered_seconds
        if isinstance(found, socket.gaierror) and found.errno in _NOT_FOUND:
            return self._not_found_seconds
        return 0.0


def _in_daemon_thread(function: Callable[[], None]) -> None:
    Thread(target=function, name="look-up", daemon=True).start()


def _answer(
    waiter: Deferred[tuple[str, ...]], host: str, found: tuple[str, ...] | Exception
) -> None:
    if not isinstance(found, Exception):
        waiter.callback(found)
    elif not isinstance(found, OSError | ValueError | RuntimeError):
        waiter.errback(found)  # a bug
    else:
        reason = getattr(found, "strerror", None) or found
        error = FetchError(
            f"no address was found for {shown(host)} ({shown(str(reason))}); check the name and "
            "the network",
            "name-not-found",
        )
        error.__cause__ = found
        waiter.errback(error)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _text(answer: Any) -> str:
    """The address within what getaddrinfo(3) gave, with its scope where it has one."""
    family, _, _, _, (address, _port, *more) = answer
    if family == socket.AF_INET6 and more[1] and "%" not in address:
        return f"{address}%{more[1]}"
    return str(address)
