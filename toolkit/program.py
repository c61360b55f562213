"""run: a program that does one thing and ends, with the exit status a shell expects."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, TextIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import _ISupportsExitSignalCapturing

from toolkit.errors import ToolkitError
from toolkit.steady import steady

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

GRACE_SECONDS = 5.0
"""How long a program may take to end, once it has been cancelled or is done."""


def run(
    main: Callable[[Any], Awaitable[int | None] | int | None],
    program: str | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> NoReturn:
    """Run a function in the reactor, and end the process when its Deferred fires.

    | what happens | what is printed on stderr | exit status |
    |---|---|---|
    | it returns a number (as for `sys.exit`, True is 1) | nothing | the number |
    | it returns anything else | nothing | 0 |
    | it raises SystemExit | its message, if it has one | its number, or 1 with a message |
    | it fails with a ToolkitError | one line | 1 |
    | it fails with anything else: a bug | a traceback | 1 |
    | SIGINT, SIGTERM | nothing; it is cancelled, and has 5 s to end | 130, 143 |
    | a second signal | nothing; the process ends at once | the same |
    | whoever read its output has gone (`| head`) | nothing | 141 |
    | its output cannot be written (a full disk) | one line | 1 |

    What still runs in the reactor's threads at the end has 5 s too; for a thread that the program
    has made itself, and not as a daemon, Python waits for as long as it takes. A signal that comes
    before `run` is called, while modules are still imported, is Python's own to answer.

    The reactor is the prompt one (`toolkit.reactor`), unless the program has imported another
    before; either measures time on the monotonic clock (`toolkit.steady`).

    Args:
        main: Called with the reactor; returns a Deferred, a coroutine, a number or None.
        program: The name that begins the line of an error; the script's own when left out.
        grace_seconds: Another number than 5.

    Raises:
        SystemExit: Always, with the exit status.
    """
    _open_standard_streams()
    if "twisted.internet.reactor" not in sys.modules:
        from toolkit.reactor import install

        install()
    from twisted.internet import reactor

    steady(reactor)
    name = program or os.path.basename(sys.argv[0]).removesuffix(".py")
    sys.exit(_Program(reactor, main, name, grace_seconds).run())


class _Program:
    def __init__(
        self, reactor: Any, main: Callable[[Any], object], name: str, grace_seconds: float
    ) -> None:
        self._reactor = reactor
        self._main = main
        self._name = name
        self._grace_seconds = grace_seconds
        self._running: Deferred[None] | None = None
        self._signal: int | None = None
        self._status = 0
        # A thread, as what the end waits for may be the reactor joining its own threads.
        self._guard = threading.Timer(grace_seconds, self._end_now)
        self._guard.daemon = True

    def run(self) -> int:
        self._listen_for_signals()
        self._reactor.callWhenRunning(self._begin)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._guard.start)
        self._reactor.run()
        self._guard.cancel()
        if self._signal is None and _ISupportsExitSignalCapturing.providedBy(self._reactor):
            # Between the reactor's putting its own handlers there and `_begin`, one came.
            early = self._reactor._exitSignal
            self._status = self._status if early is None else 128 + early
        return self._flush() or self._status

    def _listen_for_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)

    def _begin(self) -> None:
        self._listen_for_signals()
        if self._signal is not None:
            self._stop()
            return
        self._running = Deferred.fromCoroutine(self._run_main())

    async def _run_main(self) -> None:
        try:
            result = self._main(self._reactor)
            if isinstance(result, Awaitable):
                result = await result
            status = result if isinstance(result, int) else 0
            self._status = status if 0 <= status <= 255 else 1  # the shell sees no others
        except GeneratorExit as error:
            if not self._reactor.running:  # it did not end, and is collected with the process
                raise
            self._status = 1
            with suppress(OSError):
                self._status = self._failed(error)
        except BaseException as error:  # noqa: BLE001 - each has its line in the table
            self._status = 1
            with suppress(OSError):  # stderr may be closed
                self._status = self._failed(error)
        self._stop()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:
            os._exit(128 + self._signal)
        self._signal = number
        self._reactor.callFromThread(self._cancel)

    def _cancel(self) -> None:
        self._reactor.callLater(self._grace_seconds, self._stop)
        if self._running is not None:
            self._running.cancel()

    def _stop(self) -> None:
        if self._signal is not None:
            self._status = 128 + self._signal
        with suppress(ReactorNotRunning):  # the program may have stopped it
            self._reactor.stop()

    def _end_now(self) -> None:
        os._exit(self._flush() or self._status)

    def _failed(self, error: BaseException) -> int:
        if isinstance(error, BrokenPipeError):
            return 128 + signal.SIGPIPE
        if isinstance(error, SystemExit):
            if error.code is None or isinstance(error.code, int):
                return error.code or 0
            self._complain(str(error.code))
        elif self._signal is not None and isinstance(error, CancelledError | KeyboardInterrupt):
            return 128 + self._signal
        elif isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            _discard(sys.stdout)  # what it still holds would fail again
            self._complain(f"{self._name}: cannot write the output: {error.strerror}")
        elif isinstance(error, ToolkitError):
            self._complain(f"{self._name}: {error}")
        else:
            self._complain("".join(traceback.format_exception(error)).rstrip())
        return 1

    def _complain(self, text: str) -> None:
        if sys.stderr is not None:
            print(text, file=sys.stderr)

    def _flush(self) -> int:
        """Write out what was printed; the exit status if that cannot be done, or 0."""
        error = _flushed(sys.stdout)
        status = 0
        if isinstance(error, BrokenPipeError):
            status = 128 + signal.SIGPIPE
        elif error is not None:
            status = 1
            with suppress(OSError):
                self._complain(f"{self._name}: cannot write the output: {error.strerror}")
        _flushed(sys.stderr)
        return status


def _flushed(stream: TextIO | None) -> OSError | None:
    """Flush a stream. Where that cannot be done, what it holds is lost."""
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        _discard(stream)
        return error
    return None


def _discard(stream: TextIO | None) -> None:
    """Write no more: the interpreter flushes when it ends, and would print what it meets."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_standard_streams() -> None:
    """Put /dev/null where a standard stream is closed, or a socket would get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            # A file of its own: the number may belong to what was opened meanwhile.
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w"))  # noqa: SIM115 - for as long as the process lives
