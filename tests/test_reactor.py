"""The prompt reactor: how it is installed, and that it serves events as Twisted's own does."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python import context, log
from twisted.python.failure import Failure

from tests.processes import Start
from toolkit.reactor import PromptReactor, _LogContext


@pytest.fixture
def prompt() -> Iterator[PromptReactor]:
    """A prompt reactor that the test drives, and that is taken apart when it is over."""
    reactor = PromptReactor()
    yield reactor
    reactor.disconnectAll()
    for _ in range(10):  # what the ends have set off
        reactor.iterate(0)
    left = reactor.getDelayedCalls()
    for reader in list(reactor._internalReaders):
        reactor._internalReaders.remove(reader)
        reactor.removeReader(reader)
        reader.connectionLost(None)
    reactor._poller.close()
    assert not left


class Told(Protocol):
    """Notes what it is told; does what the test puts in place of `act`."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def connectionMade(self) -> None:
        self.calls.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.calls.append(data)
        self.act(data)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment] # Twisted's own
        self.calls.append(reason.type)

    def act(self, data: bytes) -> None: ...


def pair(reactor: PromptReactor, protocol: Protocol) -> socket.socket:
    """Give a protocol one end of a pair of sockets; the other one is returned."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.settimeout(5)
    factory = ServerFactory()
    factory.buildProtocol = lambda addr: protocol  # type: ignore[method-assign]
    reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
    ours.close()
    return peer


def run_until(reactor: PromptReactor, done: Any) -> None:
    for _ in range(1000):
        if done():
            return
        reactor.iterate(0.01)
    raise AssertionError("it has not come to pass")


def program(code: str, *arguments: str) -> str:
    """What a program of these lines prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# Being installed


def test_install_makes_it_the_reactor() -> None:
    code = """
        from toolkit.reactor import install
        install()
        from twisted.internet import reactor
        print(type(reactor).__name__)
        try:
            install()
        except AssertionError as error:
            print(type(error).__name__)
    """
    assert program(code) == "PromptReactor\nReactorAlreadyInstalledError\n"


STOCK = """
    from twisted.logger import eventAsText, globalLogPublisher
    globalLogPublisher.addObserver(lambda event: print(eventAsText(event, False, False, False)))
    {before}
    from toolkit.reactor import install
    install()
    from twisted.internet import reactor
    from toolkit.transport import prompt
    print(type(reactor).__name__, prompt(reactor) is reactor)
    reactor.callLater(0, reactor.stop)
    reactor.run()
"""


def test_without_epoll_it_is_the_reactor_that_twisted_would_have_taken() -> None:
    out = program(STOCK.format(before="import select; del select.epoll"))
    assert out.startswith("the reactor is Twisted's own: there is no epoll\nPollReactor False\n")


def test_with_a_twisted_that_it_does_not_know_everything_is_stock_and_says_so() -> None:
    before = "from twisted.internet import tcp; del tcp.Server._fromConnectedSocket"
    told = "tcp.Server._fromConnectedSocket is not there"
    assert program(STOCK.format(before=before)).splitlines()[:3] == [
        f"the reactor is Twisted's own: {told}",
        f"streams are Twisted's own: {told}",
        "EPollReactor True",
    ]


def test_run_takes_it_unless_there_is_a_reactor_already() -> None:
    code = """
        import sys
        from toolkit.program import run
        {}
        run(lambda reactor: print(type(reactor).__name__))
    """
    assert program(code.format("")) == "PromptReactor\n"
    assert program(code.format("from twisted.internet import reactor")) == "EPollReactor\n"


@pytest_twisted.ensureDeferred
async def test_twistd_serves_anybodys_service_in_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("a page")
    web = start(
        "twistd", "--reactor", "prompt", "-n", "web", "--path", ".",
        "--listen", "tcp:0:interface=127.0.0.1",
    )  # fmt: skip
    port = int((await web.line(r"Site starting on (\d+)"))[1])
    out, _, _ = await getProcessOutputAndValue(
        "/bin/bash",
        [
            "-c",
            f"exec 3<>/dev/tcp/127.0.0.1/{port}; "
            "printf 'GET /page HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3",
        ],
    )
    assert out == b"a page"
    assert "PromptReactor" in web.out


@pytest_twisted.ensureDeferred
async def test_trial_runs_in_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "test_which.py").write_text(
        textwrap.dedent(
            """
            from twisted.trial.unittest import TestCase

            class Which(TestCase):
                def test_it(self):
                    from twisted.internet import reactor
                    self.assertEqual(type(reactor).__name__, "PromptReactor")
            """
        )
    )
    trial = start("trial", "--reactor", "prompt", "test_which", env={"PYTHONPATH": str(tmp_path)})
    assert await trial.ended() == 0
    assert "PASSED (successes=1)" in trial.out


@pytest_twisted.ensureDeferred
async def test_the_toolkits_services_run_in_it(start: Start) -> None:
    site = start(
        "twistd", "--reactor", "prompt", "-n", "toolkit", "countdown",
        "--listen", "tcp:0:interface=127.0.0.1", "--interval-seconds", "0.01",
    )  # fmt: skip
    port = int((await site.line(r"countdown listening on tcp:127\.0\.0\.1:(\d+)"))[1])
    out, _, _ = await getProcessOutputAndValue(
        "/bin/bash", ["-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3"]
    )
    assert out == b"".join(b"%d\n" % number for number in range(10, 0, -1))


# Serving


def test_what_was_written_in_a_turn_is_there_when_it_ends(prompt: PromptReactor) -> None:
    told = Told()
    told.act = lambda data: [told.transport.write(bytes([one])) for one in data]  # type: ignore[method-assign,assignment,union-attr]
    with pair(prompt, told) as peer:
        peer.sendall(b"abc")
        prompt.iterate(1)
        assert peer.recv(100, socket.MSG_DONTWAIT) == b"abc"
        prompt.callLater(0, told.transport.write, b"by a timer")  # type: ignore[union-attr]
        prompt.iterate(0)
        assert peer.recv(100, socket.MSG_DONTWAIT) == b"by a timer"


def test_it_does_not_wait_while_something_is_to_be_sent(prompt: PromptReactor) -> None:
    told = Told()
    with pair(prompt, told) as peer:
        told.transport.write(b"from outside")  # type: ignore[union-attr]
        prompt.callLater(5, lambda: None).cancel()
        prompt.doIteration(0)
        assert peer.recv(100, socket.MSG_DONTWAIT) == b"from outside"


@pytest.mark.parametrize("stops", ["at once", "by a timer", "when all is written"])
def test_it_does_not_sleep_over_what_the_end_of_a_turn_sets_off(
    stops: str, prompt: PromptReactor
) -> None:
    class Ends(Told):
        transport: Any

        def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment] # Twisted's own
            super().connectionLost(reason)
            if stops == "at once":
                prompt.stop()
            else:
                prompt.callLater(0, prompt.stop)

        def write(self) -> None:
            self.transport.write(b"x" * 70_000)
            if stops != "when all is written":
                self.transport.loseConnection()

        def pauseProducing(self) -> None: ...

        def resumeProducing(self) -> None:
            prompt.callLater(0, self.transport.abortConnection)

        def stopProducing(self) -> None: ...

    ends = Ends()
    with pair(prompt, ends):
        if stops == "when all is written":
            ends.transport.registerProducer(ends, True)
        prompt.callLater(0, ends.write)
        prompt.run(installSignalHandlers=False)
    assert len(ends.calls) == 2


def test_a_protocol_that_raises_loses_its_own_connection_only(
    prompt: PromptReactor, logged: list[Any]
) -> None:
    bad, good = Told(), Told()

    def fail(data: bytes) -> None:
        raise KeyError("a bug")

    bad.act = fail  # type: ignore[method-assign]
    with pair(prompt, bad) as first, pair(prompt, good) as second:
        first.sendall(b"x")
        second.sendall(b"y")
        run_until(prompt, lambda: len(bad.calls) == 3 and len(good.calls) == 2)
        assert bad.calls == ["made", b"x", KeyError]
        assert good.calls == ["made", b"y"]
        assert first.recv(1) == b""
    assert sum(event.get("isError", 0) for event in logged) == 1


def test_what_raises_at_its_end_is_logged_and_the_turn_goes_on(
    prompt: PromptReactor, logged: list[Any]
) -> None:
    class Bad(Told):
        def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment] # Twisted's own
            raise KeyError("a bug")

    bad, good = Bad(), Told()
    first, second = pair(prompt, bad), pair(prompt, good)
    first.close()
    second.sendall(b"y")
    run_until(prompt, lambda: len(good.calls) == 2)
    second.close()
    run_until(prompt, lambda: len(good.calls) == 3)
    assert sum(event.get("isError", 0) for event in logged) == 1


def test_a_descriptor_that_went_away_ends_its_connection(prompt: PromptReactor) -> None:
    told = Told()
    with pair(prompt, told) as peer:
        transport: Any = told.transport
        transport.fileno = lambda: -1
        peer.sendall(b"x")
        run_until(prompt, lambda: len(told.calls) == 2)
    assert told.calls[1].__name__ == "ConnectionFdescWentAway"


def test_a_turn_within_a_turn_serves_the_others(prompt: PromptReactor) -> None:
    outer, inner = Told(), Told()
    outer.act = lambda data: run_until(prompt, lambda: len(inner.calls) == 2)  # type: ignore[method-assign]
    with pair(prompt, outer) as first, pair(prompt, inner) as second:
        first.sendall(b"x")
        second.sendall(b"y")
        run_until(prompt, lambda: len(outer.calls) == 2)
        assert inner.calls == ["made", b"y"]


# The old log's "system"


def system() -> Any:
    return context.get(log.ILogContext)["system"]


def test_the_system_is_the_connections_and_the_callers_again_afterwards(
    prompt: PromptReactor,
) -> None:
    seen: list[Any] = []
    told = Told()
    told.act = lambda data: seen.append(system())  # type: ignore[method-assign]
    before = system()
    with pair(prompt, told) as peer:
        peer.sendall(b"x")
        run_until(prompt, lambda: seen)
        peer.sendall(b"x")
        log.callWithContext({"system": "mine"}, run_until, prompt, lambda: len(seen) == 2)
    assert [one.partition(",")[0] for one in seen] == ["Told", "Told"]
    assert system() == before


def test_what_the_caller_has_in_its_context_stays(prompt: PromptReactor) -> None:
    seen: list[Any] = []
    told = Told()
    told.act = lambda data: seen.append(context.get(log.ILogContext).get("mine"))  # type: ignore[method-assign]
    with pair(prompt, told) as peer:
        peer.sendall(b"x")
        log.callWithContext({"mine": 1}, run_until, prompt, lambda: seen)
    assert seen == [1]


def test_a_log_context_is_a_mapping_of_one() -> None:
    class Named:
        def logPrefix(self) -> str:
            return "me"

    class Buggy:
        def logPrefix(self) -> str:
            raise KeyError("a bug")

    assert dict(_LogContext(Named())) == {"system": "me"} == _LogContext(Named()).copy()
    assert len(_LogContext(Named())) == 1
    assert _LogContext(Buggy())["system"] == "(buggy logPrefix method)"
