"""python -m apps.countdown counts, says when it is over, and ends as a shell expects."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

PROGRAM = [sys.executable, "-W", "error", "-m", "apps.countdown"]


async def run(*arguments: str) -> tuple[str, str, int]:
    out, err, status = await getProcessOutputAndValue(
        PROGRAM[0], [*PROGRAM[1:], *arguments], env=os.environ
    )
    return out.decode(), err.decode(), status


class Interrupted(ProcessProtocol):
    """Sends SIGINT at the first line."""

    transport: Any

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        if not self.out:
            self.transport.signalProcess(signal.SIGINT)
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        value: Any = reason.value
        self.ended.callback(value.exitCode)


@pytest_twisted.ensureDeferred
async def test_it_counts_to_one_and_says_that_it_is_over() -> None:
    lines = [*(str(number) for number in range(10, 0, -1)), "Lift-off!", ""]
    assert await run("10", "--interval", "0.01") == ("\n".join(lines), "", 0)


@pytest_twisted.ensureDeferred
async def test_an_interrupt_ends_it_with_130_and_says_nothing(reactor: Any) -> None:
    process = Interrupted()
    reactor.spawnProcess(process, PROGRAM[0], [*PROGRAM, "10"], env=os.environ)
    assert await process.ended == 130
    assert (process.out, process.err) == (b"10\n", b"")


@pytest.mark.parametrize("arguments", [["0"], ["-3"], ["ten"], ["3", "--interval", "nan"]])
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_counted_is_wrong_usage(arguments: list[str]) -> None:
    out, err, status = await run(*arguments)
    assert (out, status) == ("", 2)
    assert err.startswith("countdown: argument ")
    assert len(err.splitlines()) == 1
