"""Real processes in tests: started, waited for by what they print, and never left behind."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

BIN = Path(sys.executable).parent


class Program(ProcessProtocol):
    """A process: what it has printed so far, a line to wait for, and its end."""

    transport: Any

    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self.status: int | None = None
        self._waiting: list[tuple[re.Pattern[str], Deferred[re.Match[str]]]] = []
        self._ended: list[Deferred[int]] = []

    def line(self, pattern: str) -> Deferred[re.Match[str]]:
        """Wait until the pattern stands in what was printed."""
        found: Deferred[re.Match[str]] = Deferred()
        self._waiting.append((re.compile(pattern), found))
        self._look()
        return found

    def ended(self) -> Deferred[int]:
        """Wait for the end: the exit status, or minus the signal's number."""
        end: Deferred[int] = Deferred()
        self._ended.append(end)
        self._tell()
        return end

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.transport.pid, number)

    def outReceived(self, data: bytes) -> None:
        self.out += data.decode("utf-8", "backslashreplace")
        self._look()

    def errReceived(self, data: bytes) -> None:
        self.err += data.decode("utf-8", "backslashreplace")
        self._look()

    def processEnded(self, reason: Failure) -> None:
        if reason.check(ProcessDone):
            self.status = 0
        elif reason.check(ProcessTerminated):
            ended: Any = reason.value
            self.status = ended.exitCode if ended.signal is None else -ended.signal
        self._look()
        self._tell()

    def _look(self) -> None:
        for one in list(self._waiting):
            pattern, found = one
            match = pattern.search(self.out) or pattern.search(self.err)
            if match:
                self._waiting.remove(one)
                found.callback(match)
            elif self.status is not None:
                self._waiting.remove(one)
                found.errback(AssertionError(f"ended with {self.status}: {self.out}{self.err}"))

    def _tell(self) -> None:
        if self.status is not None:
            waiting, self._ended = self._ended, []
            for end in waiting:
                end.callback(self.status)


Start = Callable[..., Program]
"""`start(*arguments, env={}, cwd=…, descriptors={3: …})`: the first argument is a program of this
environment; `descriptors` are passed on, by the number that each has there."""


def starter(reactor: Any, folder: Path, programs: list[Program]) -> Start:
    """What starts programs for one test.

    Args:
        reactor: The reactor.
        folder: Where they run, unless told otherwise.
        programs: Gets each one that was started.
    """

    def start(
        name: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = folder,
        descriptors: Mapping[int, int] | None = None,
    ) -> Program:
        program = Program()
        command = sys.executable if name == "python" else str(BIN / name)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TOOLKIT_")}
        environment.update(env or {})
        reactor.spawnProcess(
            program,
            command,
            [command, *arguments],
            env=environment,
            path=str(cwd),
            childFDs={0: "w", 1: "r", 2: "r", **(descriptors or {})},
        )
        programs.append(program)
        return program

    return start
