"""Names are looked up apart from the reactor's threads, once at a time, and remembered."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.processes import Start
from toolkit.http.failures import FetchError
from toolkit.http.names import SystemNames
from toolkit.testing import is_waiting, result_of


class Reactor(Clock):
    """A Clock whose calls from threads are made at once: the threads are the test's own."""

    def callFromThread(self, function: Callable[..., None], *arguments: Any) -> None:
        function(*arguments)


class System:
    """getaddrinfo(3), and the threads it is called in, as the test says."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Reactor()
        self.asked: list[str] = []
        self.threads: list[Callable[[], None]] = []
        self.answers: dict[str, list[str] | Exception] = {}
        self.names = SystemNames(
            self.clock, getaddrinfo=self.getaddrinfo, in_thread=self.threads.append, **settings
        )

    def getaddrinfo(self, host: str, port: int, family: int, kind: int) -> list[Any]:
        assert (port, family, kind) == (0, socket.AF_UNSPEC, socket.SOCK_STREAM)
        self.asked.append(host)
        answer = self.answers.get(host, ["192.0.2.1"])
        if isinstance(answer, Exception):
            raise answer
        return [
            (socket.AF_INET6, kind, 6, "", (one, 0, 0, 7 if one.startswith("fe80") else 0))
            if ":" in one
            else (socket.AF_INET, kind, 6, "", (one, 0))
            for one in answer
        ]

    def run(self) -> None:
        """Let the threads run, those begun meanwhile too."""
        while self.threads:
            self.threads.pop(0)()

    def find(self, host: str) -> tuple[str, ...]:
        finding = self.names.addresses_of(host)
        self.run()
        return result_of(finding)


NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_addresses_come_in_the_systems_order_each_once() -> None:
    system = System()
    system.answers["a.example"] = ["2001:db8::1", "192.0.2.1", "192.0.2.1", "fe80::1"]
    assert system.find("a.example") == ("2001:db8::1", "192.0.2.1", "fe80::1%7")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%eth0"])
def test_an_address_is_its_own_and_nobody_is_asked(address: str) -> None:
    system = System()
    assert result_of(system.names.addresses_of(address)) == (address,)
    assert not system.threads


def test_those_who_ask_at_once_share_one_look_up() -> None:
    system = System()
    asked = [system.names.addresses_of(host) for host in ("a.example", "A.Example")]
    assert [is_waiting(one) for one in asked] == [True, True]
    system.run()
    assert [result_of(one) for one in asked] == [("192.0.2.1",)] * 2
    assert system.asked == ["a.example"]


def test_addresses_are_remembered_for_some_time() -> None:
    system = System(remembered_seconds=60)
    system.find("a.example")
    system.clock.advance(59)
    assert result_of(system.names.addresses_of("a.example")) == ("192.0.2.1",)
    system.clock.advance(2)
    system.answers["a.example"] = ["192.0.2.2"]
    assert system.find("a.example") == ("192.0.2.2",)
    assert len(system.asked) == 2


def test_a_result_is_a_deferred_of_its_own() -> None:
    system = System()
    system.find("a")
    first: Deferred[Any] = system.names.addresses_of("a")
    first.addCallback(lambda _: None)
    assert result_of(system.names.addresses_of("a")) == ("192.0.2.1",)


def test_that_there_is_no_such_name_is_remembered_for_a_short_while() -> None:
    system = System(not_found_seconds=5)
    system.answers["a.example"] = NO_NAME
    for _ in range(2):
        with pytest.raises(FetchError, match=r"a\.example \(Name or .* known\); check") as caught:
            system.find("a.example")
        assert caught.value.code == "name-not-found"
        assert caught.value.__cause__ is NO_NAME
    assert len(system.asked) == 1
    system.clock.advance(6)
    del system.answers["a.example"]
    assert system.find("a.example") == ("192.0.2.1",)


def test_a_name_without_addresses_is_not_found() -> None:
    system = System()
    system.answers["a.example"] = []
    with pytest.raises(FetchError, match="it has none"):
        system.find("a.example")


@pytest.mark.parametrize("error", [AGAIN, OSError(24, "Too many open files")])
def test_what_failed_on_the_way_is_not_remembered(error: Exception) -> None:
    system = System()
    system.answers["a.example"] = error
    with pytest.raises(FetchError, match=r"Temporary|Too many") as caught:
        system.find("a.example")
    assert caught.value.code == "name-not-found"
    del system.answers["a.example"]
    assert system.find("a.example") == ("192.0.2.1",)


def test_what_cannot_be_a_name_is_not_found() -> None:
    system = System()
    system.answers["a..b"] = UnicodeError("label empty or too long")
    with pytest.raises(FetchError, match="label empty or too long") as caught:
        system.find("a..b")
    assert caught.value.code == "name-not-found"


def test_a_bug_is_told_as_it_is_and_the_next_goes_on() -> None:
    system = System(threads=1)
    system.answers["a.example"] = KeyError("a bug")
    with pytest.raises(KeyError):
        system.find("a.example")
    assert system.find("b.example") == ("192.0.2.1",)


def test_the_name_not_asked_for_longest_is_forgotten_first() -> None:
    system = System(max_remembered=2)
    for host in ("a", "b", "a", "c"):
        system.find(host)
    assert system.asked == ["a", "b", "c"]
    system.find("a")
    system.find("b")
    assert system.asked == ["a", "b", "c", "b"]


def test_no_more_threads_than_allowed_and_the_rest_in_order() -> None:
    system = System(threads=2)
    found = [system.names.addresses_of(host) for host in "abcd"]
    assert len(system.threads) == 2
    system.threads.pop(1)()
    assert len(system.threads) == 2
    system.run()
    assert system.asked == ["b", "a", "c", "d"]
    assert not any(map(is_waiting, found))


def test_one_more_name_than_may_wait_is_refused() -> None:
    system = System(threads=1, max_waiting=1)
    found = [system.names.addresses_of(host) for host in "abb"]
    with pytest.raises(FetchError, match="1 names wait to be looked up already") as caught:
        result_of(system.names.addresses_of("c"))
    assert caught.value.code == "queue-full"
    system.run()
    assert not any(map(is_waiting, found))


def test_where_none_may_wait_a_free_thread_is_still_used() -> None:
    system = System(threads=1, max_waiting=0)
    assert system.find("a") == ("192.0.2.1",)
    system.names.addresses_of("b")
    with pytest.raises(FetchError):
        result_of(system.names.addresses_of("c"))
    system.run()


def test_cancelling_ends_one_wait_and_a_name_nobody_waits_for_is_not_asked_for() -> None:
    system = System(threads=1)
    a1, a2, b = (system.names.addresses_of(host) for host in "aab")
    for one in (a1, b):
        one.cancel()
        with pytest.raises(CancelledError):
            result_of(one)
    system.run()
    assert result_of(a2) == ("192.0.2.1",)
    assert system.asked == ["a"]


def test_a_look_up_given_up_goes_on_and_is_of_use_to_the_next() -> None:
    system = System()
    first = system.names.addresses_of("a")
    first.cancel()
    with pytest.raises(CancelledError):
        result_of(first)
    second = system.names.addresses_of("a")
    system.run()
    assert (result_of(second), system.asked) == (("192.0.2.1",), ["a"])


def test_one_answer_may_cancel_another_wait() -> None:
    system = System()
    first, second = (system.names.addresses_of("a") for _ in range(2))
    first.addCallback(lambda _: second.cancel())
    system.run()
    with pytest.raises(CancelledError):
        result_of(second)


def test_where_there_is_no_thread_to_be_had_it_fails_and_goes_on() -> None:
    def none(_function: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    clock = Reactor()
    names = SystemNames(clock, threads=1, in_thread=none)
    found = [names.addresses_of(host) for host in "abc"]
    clock.pump([0] * 4)
    for one in found:
        with pytest.raises(FetchError, match="can't start new thread"):
            result_of(one)
    assert not clock.getDelayedCalls()


@pytest_twisted.ensureDeferred
async def test_the_systems_resolver_finds_localhost(reactor: Any) -> None:
    names = SystemNames(reactor)
    found = await names.addresses_of("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    with pytest.raises(FetchError) as caught:
        await names.addresses_of("a..b")
    assert caught.value.code == "name-not-found"


STUCK = """
from threading import Event

from toolkit.http.names import SystemNames
from toolkit.program import run


async def main(reactor):
    stuck = SystemNames(reactor, getaddrinfo=lambda *_: Event().wait())
    waits = [stuck.addresses_of(f"{n}.example") for n in range(100)]
    print(*await SystemNames(reactor).addresses_of("localhost"), flush=True)
    for one in waits:
        one.addErrback(lambda _: None)
        one.cancel()


run(main)
"""


@pytest_twisted.ensureDeferred
async def test_look_ups_that_hang_hold_up_neither_others_nor_the_end(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    program = start("python", "stuck.py")
    await program.line("127.0.0.1|::1")
    assert await program.ended() == 0
