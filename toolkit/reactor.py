"""The prompt reactor: Twisted's own for epoll, whose streams send once a turn.

    from toolkit.reactor import install
    install()  # before anything imports twisted.internet.reactor

or `twistd --reactor prompt`, or `trial --reactor prompt`. The streams are those of
`toolkit.transport`. And where Twisted's reactor makes a log context for every event, for what may
be logged with the old `twisted.python.log`, here a busy connection has one that works out its
"system" when something is.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.internet.error import ConnectionFdescWentAway
from twisted.internet.main import installReactor
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python import context, log

from toolkit.transport import MISSING, STREAMS, Gathering, PromptConnections, Turn, missing_from

_Epoll: Any
try:
    from twisted.internet.epollreactor import EPollReactor as _Epoll
except ImportError:  # no epoll here: install() takes another reactor
    _Epoll = PosixReactorBase

__all__ = ["PromptReactor", "install"]

_log = Logger()
_READABLE = 1  # EPOLLIN (epoll_ctl(2)), and nothing else
_NO_CONTEXT: dict[Any, Any] = {}
_MOST_REMEMBERED = 1024  # log contexts, of about 300 bytes


class _LogContext(Mapping[str, Any]):
    """What the old log reads the "system" of an event from."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def copy(self) -> dict[str, Any]:
        try:
            system = self._transport.logPrefix()
        except BaseException:  # noqa: BLE001 - as in callWithLogger, which logs it too: here it would be for ever
            system = "(buggy logPrefix method)"
        return {"system": system}

    def __getitem__(self, key: str) -> Any:
        return self.copy()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("system",))

    def __len__(self) -> int:
        return 1


class PromptReactor(PromptConnections, _Epoll):  # type: ignore[misc] # one of Twisted's, or the other
    """An epoll reactor whose streams send once a turn, and that logs nothing ahead of time."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = Turn(self)

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events, serve them, and send what was written meanwhile.

        Args:
            timeout: The most seconds to wait; None waits until something happens.
        """
        turn = self.turn
        if turn.waiting:  # from timers, or from what the last end of a turn set off
            turn.end()
            timeout = 0  # it was worked out before: a timer that this has set may be sooner
        contexts = context.theContextTracker.currentContext().contexts
        if len(contexts) > 1:  # the reactor runs within somebody's own context: that goes on
            super().doPoll(timeout)
        else:
            try:
                events = self._poller.poll(
                    -1 if timeout is None else timeout, len(self._selectables)
                )
            except OSError as error:
                if error.errno != errno.EINTR:
                    raise
                return
            if events:
                contexts.append(_NO_CONTEXT)
                try:
                    self._serve(events, contexts)
                finally:
                    contexts.pop()
        if turn.waiting:
            turn.end()

    doIteration = doPoll

    def _serve(self, events: list[tuple[int, int]], contexts: list[dict[Any, Any]]) -> None:
        selectables, remembered = self._selectables, self.turn.log_contexts
        for fd, event in events:
            selectable = selectables.get(fd)
            if event != _READABLE or type(selectable) not in STREAMS:
                if selectable is not None:  # else an earlier event of this turn has ended it
                    contexts[-1] = _NO_CONTEXT
                    log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)
                continue
            contexts[-1] = remembered.get(selectable) or self._remember(selectable)
            why: Any
            in_read = False
            try:
                if selectable.fileno() == -1:
                    why = ConnectionFdescWentAway("File descriptor lost")
                else:
                    why = selectable.doRead()
                    in_read = True
            except BaseException:  # noqa: BLE001 - as in Twisted's: logged, and it ends the connection
                why = sys.exc_info()[1]
                log.err()
            if why:
                log.callWithLogger(selectable, self._disconnectSelectable, selectable, why, in_read)

    def _remember(self, transport: Gathering) -> dict[Any, Any]:
        remembered = self.turn.log_contexts
        if len(remembered) == _MOST_REMEMBERED:  # many of them may be idle by now
            remembered.clear()
        remembered[transport] = {log.ILogContext: _LogContext(transport)}
        return remembered[transport]


def install() -> None:
    """Make a prompt reactor the reactor of this process.

    Where there is no epoll, or Twisted's private attributes are not those that this module
    knows, it is the reactor that Twisted would have taken, and a debug line says so.

    Raises:
        ReactorAlreadyInstalledError: There is a reactor already.
    """
    if _Epoll is PosixReactorBase:
        _install_default("there is no epoll")
        return
    missing = MISSING
    if not missing:
        reactor = PromptReactor()
        missing = missing_from(
            {
                reactor: ("_poller", "_selectables", "_doReadOrWrite"),
                context.theContextTracker.currentContext(): ("contexts",),
            }
        )
    if missing:
        _install_default(f"{missing[0]} is not there")
    else:
        installReactor(reactor)


def _install_default(why: str) -> None:
    from twisted.internet import default

    _log.debug("the reactor is Twisted's own: {why}", why=why)
    default.install()
