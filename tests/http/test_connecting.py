"""What a Connector connects to: the addresses that were judged, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.http.faults import answer, fault_server
from toolkit.errors import SettingsError
from toolkit.http.agent import HTTPAgent
from toolkit.http.failures import FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.http.resolving import NameResolver
from toolkit.http.settings import AgentSettings
from toolkit.testing import connected, is_waiting, result_of


class Names(NameResolver):
    """Finds what the test says; an address is its own."""

    def __init__(self, **found: Any) -> None:
        self.found = found
        self.asked: list[str] = []

    def addresses_of(self, host: str) -> Deferred[tuple[str, ...]]:
        self.asked.append(host)
        found = self.found.get(host.partition(".")[0], (host,))
        return found if isinstance(found, Deferred) else succeed(tuple(found))


class Network:
    """An agent on a network in memory."""

    def __init__(self, names: Names | None = None, **settings: Any) -> None:
        self.reactor: Any = MemoryReactorClock()
        given = AgentSettings(**{"public_only": True, **settings})
        self.names = names or Names()
        self.agent = HTTPAgent(self.reactor, given, self.names)

    def ask(self, url: str) -> Deferred[Any]:
        return self.agent.request(b"GET", url.encode("ascii"))

    @property
    def called(self) -> list[tuple[str, int]]:
        """What was connected to."""
        return [client[:2] for client in self.reactor.tcpClients]

    def end(self) -> None:
        result_of(self.agent.close())
        assert not self.reactor.getDelayedCalls()


def code_of(asked: Deferred[Any]) -> str:
    with pytest.raises(FetchError) as caught:
        result_of(asked)
    assert str(caught.value).isprintable()
    return caught.value.code


def ended(asked: Deferred[Any]) -> None:
    assert code_of(asked) == "cancelled"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "255.255.255.255", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::8.8.8.8]", "[2002:7f00:1::]", "[fe80::1]", "[fd00::1]", "[127.0.0.1]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_in_a_url_is_refused_when_it_is_not_public(host: str, scheme: str) -> None:
    network = Network()
    assert code_of(network.ask(f"{scheme}://{host}:8080/")) == "address-refused"
    assert network.called == []
    network.end()


@pytest.mark.parametrize(("host", "address"), [("8.8.8.8", "8.8.8.8"), ("[2a00::1]", "2a00::1")])
def test_a_public_address_is_connected_to(host: str, address: str) -> None:
    network = Network()
    asked = network.ask(f"http://{host}/")
    assert network.called == [(address, 80)]
    network.end()
    ended(asked)


def test_of_a_name_only_the_public_addresses_are_tried() -> None:
    network = Network(Names(a=("10.0.0.1", "8.8.8.8", "::1", "2a00::1", "127.0.0.1")))
    asked = network.ask("https://a.example/")
    network.reactor.pump([0.4] * 5)
    assert network.called == [("8.8.8.8", 443), ("2a00::1", 443)]
    network.end()
    ended(asked)


def test_a_name_of_none_but_private_addresses_is_refused() -> None:
    network = Network(Names(a=("10.0.0.1", "::1")))
    asked = network.ask("http://a.example/")
    with pytest.raises(FetchError, match=r"a\.example leads to 10\.0\.0\.1, which is private"):
        result_of(asked)
    assert network.called == []
    network.end()


def test_a_name_is_judged_again_with_every_connection() -> None:
    network = Network(Names(a=("8.8.8.8",)))
    first = network.ask("http://a.example/")
    network.names.found["a"] = ("127.0.0.1",)
    assert code_of(network.ask("http://a.example/")) == "address-refused"
    assert network.called == [("8.8.8.8", 80)]
    network.end()
    ended(first)


def test_the_address_is_connected_to_and_the_name_not_asked_for_again() -> None:
    network = Network(Names(a=("8.8.8.8", "8.8.4.4")))
    asked = network.ask("http://a.example/")
    assert network.called == [("8.8.8.8", 80)]
    assert network.names.asked == ["a.example"]
    network.end()
    ended(asked)


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "localhost"])
@pytest_twisted.ensureDeferred
async def test_however_it_is_spelt_the_systems_resolver_says_what_it_is(
    reactor: Any, host: str
) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"inside"), host).encode("ascii")
        guarded = HTTPAgent(reactor, AgentSettings(public_only=True))
        with pytest.raises(FetchError) as caught:
            await guarded.request(b"GET", url)
        assert caught.value.code == "address-refused"
        assert server.connections == 0
        free = HTTPAgent(reactor)
        assert (await free.request(b"GET", url)).code == 200
        await guarded.close()
        await free.close()


def test_a_redirect_inwards_is_refused() -> None:
    network = Network()
    fetcher = Fetcher(network.reactor, agent=network.agent)
    fetched = fetcher.get("http://8.8.8.8/")
    connection = network.reactor.tcpClients[0][2].buildProtocol(None)
    connection.makeConnection(StringTransport())
    connection.dataReceived(answer(b"", "302 Found", "Location: http://2130706433/"))
    with pytest.raises(FetchError, match=r"^127\.0\.0\.1 is loopback") as caught:
        result_of(fetched)
    assert caught.value.code == "address-refused"
    assert network.called == [("8.8.8.8", 80)]


@pytest_twisted.ensureDeferred
async def test_a_fetcher_has_its_agent_keep_to_them(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"inside"))
        fetcher = Fetcher(reactor, FetchSettings(public_only=True))
        with pytest.raises(FetchError) as caught:
            await fetcher.get(url)
        assert caught.value.code == "address-refused"
        assert server.connections == 0
        await fetcher.close()


def test_a_fetcher_cannot_see_to_it_with_an_agent_that_it_was_given() -> None:
    with pytest.raises(SettingsError, match=r"public_only: expected False with an agent of one's"):
        Fetcher(Clock(), FetchSettings(public_only=True), Network().agent)


@pytest_twisted.ensureDeferred
async def test_where_one_address_fails_the_next_is_tried(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        names = Names(a=("::1", "127.0.0.1"))  # the server is at the second alone
        agent = HTTPAgent(reactor, names=names)
        url = server.url("/", answer(b"x"), "a.example").encode("ascii")
        assert (await agent.request(b"GET", url)).code == 200
        await agent.close()


@pytest_twisted.ensureDeferred
async def test_a_unix_socket_is_the_operators_word(reactor: Any, tmp_path: Path) -> None:
    class Hello(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            self.transport.loseConnection()

    path = str(tmp_path / "socket")
    port = reactor.listenUNIX(path, Factory.forProtocol(Hello))
    agent = HTTPAgent(reactor, AgentSettings(unix_socket=path, public_only=True))
    assert (await agent.request(b"GET", b"http://127.0.0.1/")).code == 204
    await agent.close()
    await port.stopListening()


def test_a_name_that_is_found_too_late_is_a_connect_timeout() -> None:
    given_up: list[Any] = []
    network = Network(Names(a=Deferred(given_up.append)), connect_timeout_seconds=2)
    asked = network.ask("http://a.example/")
    network.reactor.advance(1.9)
    assert is_waiting(asked)
    network.reactor.advance(0.2)
    assert code_of(asked) == "connect-timeout"
    assert len(given_up) == 1
    network.end()


def test_cancelling_ends_the_look_up() -> None:
    given_up: list[Any] = []
    network = Network(Names(a=Deferred(given_up.append)))
    asked = network.ask("http://a.example/")
    asked.cancel()
    with pytest.raises(CancelledError):
        result_of(asked)
    assert len(given_up) == 1
    assert not network.reactor.getDelayedCalls()
    network.end()


def test_closing_ends_the_look_up() -> None:
    given_up: list[Any] = []
    network = Network(Names(a=Deferred(given_up.append)))
    asked = network.ask("http://a.example/")
    network.end()
    ended(asked)
    assert len(given_up) == 1


def test_one_address_that_fails_is_told_at_once() -> None:
    network = Network(Names(a=("8.8.8.8",)))
    asked = network.ask("http://a.example/")
    factory = network.reactor.tcpClients[0][2]
    factory.clientConnectionFailed(network.reactor.connectors[0], Failure(ConnectError()))
    assert code_of(asked) == "connect-unreachable"
    network.end()


def test_a_name_with_an_underscore_can_have_several_addresses() -> None:
    network = Network(Names(a_b=("8.8.8.8", "2a00::1")))
    asked = network.ask("http://a_b.example/")
    assert network.called == [("8.8.8.8", 80)]
    network.end()
    ended(asked)


# Through a proxy

PROXY = "http://us:er@10.0.0.1:3128"


def to(network: Network) -> Any:
    """The far end of the newest connection."""
    return connected(network.reactor.tcpClients[-1][2])


def test_what_is_not_secret_is_asked_of_the_proxy_itself() -> None:
    network = Network(proxy=PROXY)
    asked = network.ask("http://8.8.8.8:8080/a?b")
    assert network.called == [("10.0.0.1", 3128)]
    received = to(network).received
    assert received.startswith(b"GET http://8.8.8.8:8080/a?b HTTP/1.1\r\nHost: 8.8.8.8:8080\r\n")
    assert b"\r\nProxy-Authorization: Basic dXM6ZXI=\r\n" in received
    network.end()
    ended(asked)


def test_what_is_secret_is_asked_by_CONNECT_and_only_the_proxy_is_told_its_user() -> None:
    network = Network(proxy=PROXY)
    asked = network.ask("https://8.8.8.8/")
    peer = to(network)
    assert peer.received == (
        b"CONNECT 8.8.8.8:443 HTTP/1.1\r\nHost: 8.8.8.8:443\r\n"
        b"Proxy-Authorization: Basic dXM6ZXI=\r\n\r\n"
    )
    peer.received = b""
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert peer.received[:2] == b"\x16\x03"  # a TLS handshake
    network.end()
    ended(asked)


def test_a_proxy_that_says_nothing_is_a_connect_timeout() -> None:
    network = Network(proxy=PROXY, connect_timeout_seconds=2)
    asked = network.ask("https://8.8.8.8/")
    peer = to(network)
    network.reactor.advance(1.9)
    assert is_waiting(asked)
    network.reactor.advance(0.2)
    assert code_of(asked) == "connect-timeout"
    assert not peer.connected
    network.end()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_target_is_judged_before_the_proxy_is_asked(scheme: str) -> None:
    network = Network(Names(a=("10.0.0.5",)), proxy=PROXY)
    assert code_of(network.ask(f"{scheme}://a.example/")) == "address-refused"
    assert network.called == []
    network.end()


def test_who_does_not_judge_leaves_the_name_to_the_proxy() -> None:
    """Inside many a network only the proxy knows the names of the world outside."""
    network = Network(Names(proxy=("10.0.0.1",)), public_only=False, proxy="proxy.example:3128")
    asked = network.ask("http://nowhere.example/")
    assert network.names.asked == ["proxy.example"]
    assert network.called == [("10.0.0.1", 3128)]
    network.end()
    ended(asked)


@pytest.mark.parametrize(
    ("proxy", "url", "named"),
    [
        ("10.0.0.1:3128", "http://8.8.8.8/", False),
        ("10.0.0.1:3128", "http://a.example/", True),
        ("proxy.example:3128", "http://8.8.8.8/", True),
    ],
)
def test_an_address_takes_no_time_to_be_found(proxy: str, url: str, named: bool) -> None:
    network = Network(Names(a=("8.8.8.8",), proxy=("10.0.0.1",)), proxy=proxy)
    request = network.agent.prepare(b"GET", url.encode())
    asked: Deferred[Any] = request.answered
    network.agent.send(request)
    assert (request.name_seconds is not None) == named
    network.end()
    ended(asked)


def test_the_environment_says_which_proxy_and_for_what_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "direct.example, 8.8.4.4")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    network = Network(Names(a=("8.8.8.8",), direct=("8.8.8.8",)))
    asked = [
        network.ask(url)
        for url in (
            "http://a.example/", "http://direct.example/", "http://8.8.4.4/", "https://a.example/",
        )
    ]  # fmt: skip
    assert network.called == [
        ("10.0.0.1", 3128), ("8.8.8.8", 80), ("8.8.4.4", 80), ("8.8.8.8", 443),
    ]  # fmt: skip
    network.end()
    for one in asked:
        ended(one)


def test_a_variable_that_names_no_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "ftp://us:er@proxy.example")
    with pytest.raises(
        SettingsError, match="http_proxy: expected the URL of an HTTP prox"
    ) as caught:
        Network()
    assert "er@" not in str(caught.value)
    Network(proxy="none").end()
