"""Prompt streams show a program what Twisted's own show it: only the time differs."""

from __future__ import annotations

import copy
import gc
import os
import resource
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
from hypothesis import given, settings, strategies as some
from OpenSSL import SSL
from twisted.internet import tcp
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.interfaces import IHalfCloseableProtocol, IOpenSSLContextFactory, IReactorSSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, eventAsText
from twisted.python import context, log
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer, providedBy

from tests.streams import HOOKS, LINKS, WAYS, Act, Actor, Giving, Record, Script, own, play
from toolkit.transport import MISSING, STREAMS, missing_from, prompt

SIZES = some.sampled_from([0, 1, 10, 1_000, 6_000, 20_000, 70_000, 140_000, 300_000])
WRONG = some.sampled_from(
    [
        "text", "array", "view", "none", "text among bytes", "text in a tuple", "generator",
        "text in a generator", "a sequence that is none",
    ]
)  # fmt: skip


def acts(name: str, arguments: Any = some.none()) -> Any:  # noqa: B008 - a strategy
    return some.tuples(some.just(name), arguments)


PRODUCER = some.tuples(SIZES, some.integers(1, 4), some.booleans())
OWN = some.one_of(
    acts("write", SIZES),
    acts("writes", some.lists(SIZES, max_size=3)),
    acts("writes_wrong", WRONG),
    acts("loses"),
    acts("loses_write"),
    acts("aborts"),
    acts("pauses"),
    acts("pushes", PRODUCER),
    acts("pulled", PRODUCER),
    acts("unregisters"),
    acts("tells_addresses"),
    acts("logs"),
)
RESUMES = acts("resumes")
FAR = some.one_of(
    acts("reads", some.sampled_from([1, 1_000, 7_000, 60_000, 1 << 30])),
    acts("drains", some.booleans()),
    acts("sends", some.sampled_from([1, 100, 3_000])),
    acts("half_closes"),
    acts("closes"),
    acts("resets"),
)
# What has come from the far end and was not read yet, and what is written meanwhile: which is
# first is a matter of time. So all is settled between an act here and an act there.
PLACES = some.sampled_from(["outside", "timer", "thread"])
STEP = some.one_of(
    some.tuples(PLACES, some.lists(OWN, min_size=1, max_size=5)),
    some.tuples(PLACES, RESUMES.map(lambda act: [act])),
    some.tuples(some.just("outside"), FAR.map(lambda act: [act])),
)
HOOK = some.lists(some.lists(some.one_of(OWN, RESUMES, acts("raises")), max_size=4), max_size=3)
SCRIPTS = some.builds(
    Script,
    some.sampled_from(LINKS),
    some.booleans(),
    some.lists(STEP, max_size=6),
    some.dictionaries(some.sampled_from(HOOKS), HOOK, max_size=4),
)


@pytest.fixture
def streams() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        made = {"stock": EPollReactor, **WAYS}
        yield {name: stack.enter_context(own(make())) for name, make in made.items()}


@pytest.mark.usefixtures("logged")  # what is raised is logged
@pytest.mark.parametrize("way", WAYS)
def test_a_program_sees_what_it_sees_over_twisteds_own(way: str, streams: dict[str, Any]) -> None:
    @settings(max_examples=100, deadline=None)
    @given(SCRIPTS)
    def check(script: Script) -> None:
        expected, stock = play(script, streams["stock"])
        seen, actor = play(script, streams[way])
        assert shortened(seen) == shortened(expected)
        assert actor.far.received == stock.far.received
        assert seen == expected

    check()


def shortened(record: Record) -> Record:
    """With sizes where there are bytes, so that it can be read."""
    return [
        tuple(len(what) if isinstance(what, bytes) else what for what in entry) for entry in record
    ]


Streams = dict[str, Any]


def seen_by_all(
    streams: Streams,
    link: str,
    *steps: tuple[str, list[Act]],
    half_closes: bool = False,
    **hooks: list[list[Act]],
) -> tuple[Record, Actor]:
    """What a program sees over Twisted's own streams, after it is shown to see the same in ours."""
    script = Script(link, half_closes, list(steps), hooks)
    expected, stock = play(script, streams["stock"])
    for way in WAYS:
        seen, actor = play(script, streams[way])
        assert shortened(seen) == shortened(expected), way
        assert actor.far.received == stock.far.received, way
    return expected, stock


def names(record: Record) -> list[str]:
    """What was called, up to the end of the script."""
    return [entry[0] for entry in record[: record.index(("in the end",))]]


def outside(*acts: Act) -> tuple[str, list[Act]]:
    return "outside", list(acts)


ACCEPTED = "TCP accepted"
SMALL = "TCP over a small buffer"
EVERY_LINK = pytest.mark.parametrize("link", LINKS)


@EVERY_LINK
def test_bytes_arrive_in_the_order_of_their_writing_from_wherever(
    link: str, streams: Streams
) -> None:
    _, actor = seen_by_all(
        streams,
        link,
        outside(("write", 10), ("sends", 5), ("writes", [3, 0, 4])),
        ("timer", [("write", 1_000), ("write", 6_000)]),
        ("thread", [("write", 20), ("writes", [])]),
        connectionMade=[[("write", 7)]],
        dataReceived=[[("write", 11), ("write", 12)]],
    )
    assert len(actor.written) == 7 + 10 + 7 + 11 + 12 + 7_000 + 20
    assert actor.far.received == actor.written


@pytest.mark.parametrize("link", [link for link in LINKS if "small" in link])
def test_what_a_full_buffer_does_not_take_waits_and_follows_in_order(
    link: str, streams: Streams
) -> None:
    _, actor = seen_by_all(
        streams,
        link,
        outside(("write", 1_000_000), ("write", 10)),
        outside(("reads", 20_000)),
        outside(("write", 300_000)),
        outside(("drains", True)),
    )
    assert actor.far.received == actor.written
    assert len(actor.written) == 1_300_010


@EVERY_LINK
def test_a_push_producer_is_paused_and_resumed_and_writes_in_between(
    link: str, streams: Streams
) -> None:
    record, actor = seen_by_all(
        streams, link, outside(("drains", True)), outside(("pushes", (70_000, 4, True)))
    )
    calls = names(record)
    assert calls.count("pauseProducing") == 4
    assert calls.count("resumeProducing") == 3  # it has unregistered itself
    assert calls[-1] == "connectionLost"
    assert actor.far.received == actor.written
    assert len(actor.written) == 280_000
    assert actor.far.end == "ended"


@EVERY_LINK
def test_a_pull_producer_is_asked_for_each_piece(link: str, streams: Streams) -> None:
    record, actor = seen_by_all(
        streams, link, outside(("drains", True)), outside(("pulled", (6_000, 4, True)))
    )
    assert names(record).count("resumeProducing") == 4
    assert actor.far.received == actor.written
    assert len(actor.written) == 24_000
    assert actor.far.end == "ended"


@EVERY_LINK
def test_what_was_written_before_loseconnection_arrives_and_what_comes_after_does_not(
    link: str, streams: Streams
) -> None:
    record, actor = seen_by_all(
        streams,
        link,
        outside(("drains", True)),
        outside(("write", 300_000), ("loses", None), ("write", 5), ("tells_addresses", None)),
    )
    assert len(actor.far.received) == 300_005  # Twisted takes it while something waits
    assert actor.far.end == "ended"
    assert ("connectionLost", "ConnectionDone") in record


@pytest.mark.parametrize("half_closes", [False, True])
def test_after_loseWriteConnection_the_other_direction_stays_open(
    half_closes: bool, streams: Streams
) -> None:
    record, actor = seen_by_all(
        streams,
        ACCEPTED,
        outside(("write", 70_000), ("loses_write", None), ("write", 5)),
        outside(("sends", 9)),
        half_closes=half_closes,
    )
    assert actor.far.received == actor.written  # Twisted takes it while something waits
    assert actor.far.end == "ended"
    assert [len(entry[1]) for entry in record if entry[0] == "dataReceived"] == [9]


@pytest.mark.parametrize("half_closes", [False, True])
def test_a_peer_that_half_closes_gets_the_answer_from_who_understands_it(
    half_closes: bool, streams: Streams
) -> None:
    record, actor = seen_by_all(
        streams,
        ACCEPTED,
        outside(("half_closes", None)),
        half_closes=half_closes,
        readConnectionLost=[[("write", 70_000), ("loses", None)]],
    )
    assert len(actor.far.received) == (70_000 if half_closes else 0)
    assert (
        ("readConnectionLost",) in record if half_closes else names(record)[-1] == "connectionLost"
    )


def test_abortConnection_drops_what_waits(streams: Streams) -> None:
    record, actor = seen_by_all(
        streams, ACCEPTED, outside(("write", 10), ("aborts", None), ("write", 10))
    )
    assert actor.far.received == b""
    assert actor.far.end == "reset"
    assert ("connectionLost", "ConnectionAborted") in record


def test_a_reset_while_bytes_wait_is_a_lost_connection(streams: Streams) -> None:
    record, _ = seen_by_all(
        streams,
        SMALL,
        outside(("write", 300_000)),
        outside(("reads", 1)),
        outside(("resets", None)),
    )
    assert ("connectionLost", "ConnectionLost") in record


def test_a_reset_that_sending_finds_out_is_a_lost_connection_and_no_end_of_reading(
    streams: Streams,
) -> None:
    record, _ = seen_by_all(
        streams, ACCEPTED, outside(("resets", None), ("write", 10)), half_closes=True
    )
    assert names(record) == ["connectionMade", "connectionLost"]
    assert ("connectionLost", "ConnectionLost") in record


@pytest.mark.usefixtures("logged")
def test_a_dataReceived_that_raises_is_logged_and_ends_the_connection(streams: Streams) -> None:
    record, _ = seen_by_all(
        streams, ACCEPTED, outside(("sends", 5)), dataReceived=[[("write", 10), ("raises", None)]]
    )
    assert [entry[0] for entry in record][1:4] == ["dataReceived", "failed", "connectionLost"]
    assert record[2][2] == "Scripted"
    assert record[3] == ("connectionLost", "Scripted")


@EVERY_LINK
def test_the_system_of_the_old_log_is_the_connections(link: str, streams: Streams) -> None:
    record, _ = seen_by_all(
        streams,
        link,
        outside(("sends", 5)),
        outside(("pulled", (10, 1, False)), ("logs", None)),
        outside(("closes", None)),
        dataReceived=[[("logs", None)]],
        resumeProducing=[[], [("logs", None)]],
        connectionLost=[[("logs", None)]],
    )
    systems = [entry[1] for entry in record if entry[0] == "said"]
    assert systems[0] == systems[-1]
    assert systems[0].startswith("_Protocol,")
    assert systems[1] == "-"


@EVERY_LINK
def test_addresses_are_told_as_twisted_tells_them_also_after_the_end(
    link: str, streams: Streams
) -> None:
    tells: Act = ("tells_addresses", None)
    record, _ = seen_by_all(
        streams, link, outside(tells, tells), outside(("closes", None)), outside(tells),
        connectionLost=[[tells]],
    )  # fmt: skip
    assert [entry[0] for entry in record].count("addresses") == 4


@pytest.mark.parametrize("way", WAYS)
def test_the_system_is_the_connections_in_a_thread_too(way: str, streams: Streams) -> None:
    reactor = streams[way]
    said: list[Any] = []
    pool = ThreadPool(0, 1)
    held = threading.Event()

    def says() -> None:
        held.wait(5)
        said.append(context.get(log.ILogContext).copy())

    class Threaded(Protocol):
        def dataReceived(self, data: bytes) -> None:
            pool.callInThread(says)

    class First(Threaded): ...

    class Second(Threaded): ...

    pool.start()
    with adopted(reactor, First()) as one, adopted(reactor, Second()) as two:
        one.sendall(b"x")
        reactor.iterate(1)
        two.sendall(b"x")
        reactor.iterate(1)
        held.set()
        pool.stop()
    assert [each["system"].partition(",")[0] for each in said] == ["First", "Second"]


@contextmanager
def adopted(reactor: Any, protocol: Protocol) -> Iterator[socket.socket]:
    """The far end of a pair of sockets whose other one the protocol has; closed afterwards."""
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(5)
        reactor.adoptStreamConnection(near.fileno(), socket.AF_UNIX, Giving(protocol))
        yield far
    for _ in range(3):
        reactor.iterate(0)


@pytest.mark.parametrize("way", WAYS)
def test_file_descriptors_go_with_the_bytes_that_they_were_sent_with(
    way: str, streams: Streams, tmp_path: Path
) -> None:
    protocol: Any = Protocol()
    files = [(tmp_path / name).open("w+") for name in ("one", "two")]
    with adopted(streams[way], protocol) as far:
        protocol.transport.write(b"first")
        for file in files:
            protocol.transport.sendFileDescriptor(file.fileno())
            protocol.transport.write(file.name[-3:].encode())
        received, descriptors = b"", list[int]()
        while len(received) < len(b"firstonetwo"):
            streams[way].iterate(0)
            data, more, _, _ = socket.recv_fds(far, 100, 4)
            received += data
            descriptors += more
    assert received == b"firstonetwo"
    assert [os.readlink(f"/proc/self/fd/{each}") for each in descriptors] == [
        file.name for file in files
    ]
    for each in descriptors:
        os.close(each)
    for file in files:
        file.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("link", ["TCP accepted", "TCP opened", "UNIX accepted", "UNIX opened"])
def test_streams_are_prompt_however_they_were_made(link: str, way: str, streams: Streams) -> None:
    _, actor = play(Script(link, False, [], {}), streams[way])
    assert type(actor.transport) in STREAMS


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_ports_and_connections_are_adopted(
    family: Any, way: str, streams: Streams, tmp_path: Path
) -> None:
    reactor = streams[way]
    address: Any = {
        socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0),
        socket.AF_UNIX: str(tmp_path / "socket"),
    }[family]  # fmt: skip
    accepted: Any = Protocol()
    connected: Any = Protocol()
    with socket.socket(family) as bound:
        bound.bind(address)
        bound.listen()
        bound.setblocking(False)
        port = reactor.adoptStreamPort(bound.fileno(), family, Giving(accepted))
        with socket.socket(family) as peer:
            peer.connect(bound.getsockname())
            peer.setblocking(False)
            reactor.iterate(1)
            given = reactor.adoptStreamConnection(peer.fileno(), family, Giving(connected))
            accepted.transport.write(b"to the other")
            got: list[bytes] = []
            connected.dataReceived = got.append
            iterate_until(reactor, lambda: got)
    assert given is connected.transport
    assert type(given) in STREAMS
    assert type(accepted.transport) in STREAMS
    assert got == [b"to the other"]
    accepted.transport.abortConnection()
    connected.transport.abortConnection()
    port.stopListening()
    for _ in range(3):
        reactor.iterate(0)


@pytest.mark.parametrize("way", WAYS)
def test_an_adopted_connection_that_the_factory_refuses_is_none(way: str, streams: Streams) -> None:
    near, far = socket.socketpair()
    with near, far:
        assert (
            streams[way].adoptStreamConnection(near.fileno(), socket.AF_UNIX, Giving(None)) is None
        )


@pytest.mark.parametrize("way", WAYS)
def test_a_family_that_is_no_streams_is_refused_as_twisted_refuses_it(
    way: str, streams: Streams
) -> None:
    for method in ("adoptStreamPort", "adoptStreamConnection"):
        for each in ("stock", way):
            with pytest.raises(UnsupportedAddressFamily):
                getattr(streams[each], method)(0, socket.AF_UNSPEC, Factory())


@pytest.mark.parametrize("way", WAYS)
def test_no_connection_is_starved_by_others(way: str, streams: Streams) -> None:
    reactor = streams[way]
    count, turns = 1_000, 20

    class Echo(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)  # type: ignore[union-attr]

    factory = Factory.forProtocol(Echo)
    factory.noisy = False
    served = [0] * count
    with many_files(3 * count), ExitStack() as stack:
        peers = []
        for _ in range(count):
            near, far = map(stack.enter_context, socket.socketpair())
            reactor.adoptStreamConnection(near.fileno(), socket.AF_UNIX, factory)
            near.close()
            far.setblocking(False)
            far.send(b"x" * 1_024)
            peers.append(far)
        for _ in range(turns):
            reactor.iterate(0)
            for number, far in enumerate(peers):
                with suppress(BlockingIOError):
                    far.send(far.recv(1_024))
                    served[number] += 1
        stack.close()
        for _ in range(4):
            reactor.iterate(0)
    assert sum(served) > count * turns / 4
    assert min(served) >= sum(served) / count / 2


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """As many files as that may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, soft + count)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ends", ["loses", "aborts", "closes", "resets"])
def test_a_connection_that_ended_is_freed_at_once(ends: str, way: str, streams: Streams) -> None:
    gc.collect()
    gc.disable()
    try:
        _, actor = play(
            Script(ACCEPTED, False, [outside(("sends", 5)), outside((ends, None))], {}),
            streams[way],
        )
        transport = weakref.ref(actor.transport)
        del actor.transport, actor.protocol.transport
        assert transport() is None
    finally:
        gc.enable()


def test_what_is_paused_when_it_has_ended_stays_ended(streams: Streams) -> None:
    record, _ = seen_by_all(
        streams,
        ACCEPTED,
        ("timer", [("pushes", (1, 1, True))]),
        connectionLost=[[("pauses", None)]],
    )
    assert names(record) == ["connectionMade", "connectionLost"]


@pytest.mark.parametrize("why", ["paused before", "paused after", "half-closed"])
@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_only_writes_is_known_to_the_reactor(
    way: str, why: str, streams: Streams
) -> None:
    """When the reactor stops, it ends what it knows of."""
    reactor = streams[way]

    @implementer(IHalfCloseableProtocol)
    class HalfCloseable(Protocol):
        def readConnectionLost(self) -> None: ...

        def writeConnectionLost(self) -> None: ...

    protocol: Any = HalfCloseable()
    with adopted(reactor, protocol) as far:
        if why == "paused before":
            protocol.transport.pauseProducing()
        elif why == "half-closed":
            far.shutdown(socket.SHUT_WR)
            reactor.iterate(1)
        protocol.transport.write(b"bye")
        if why == "paused after":
            protocol.transport.pauseProducing()
        assert protocol.transport in reactor.getWriters()
        reactor.iterate(0)
        reactor.iterate(0)
        assert far.recv(10) == b"bye"
        assert protocol.transport not in reactor.getWriters()
        protocol.transport.abortConnection()


@pytest.mark.parametrize("way", WAYS)
def test_a_turn_within_the_end_of_a_turn_sends_what_others_have_gathered(
    way: str, streams: Streams
) -> None:
    reactor = streams[way]
    seen, written = list[bytes](), list[bool]()

    class Nests(Protocol):
        transport: Any

        def resumeProducing(self) -> None:
            if not written:
                return
            self.transport.unregisterProducer()
            reactor.iterate(0)
            seen.append(second.recv(100))
            others[1].transport.write(b"later")

        def stopProducing(self) -> None: ...

    nests, others = Nests(), [cast(Any, Protocol()), cast(Any, Protocol())]
    with (
        adopted(reactor, nests),
        adopted(reactor, others[0]) as second,
        adopted(reactor, others[1]) as third,
    ):
        nests.transport.registerProducer(nests, False)
        nests.transport.write(b"first")
        written.append(True)
        others[0].transport.write(b"at once")
        others[1].transport.write(b"and ")
        iterate_until(reactor, lambda: seen)
        assert seen == [b"at once"]
        reactor.iterate(0)
        assert third.recv(100) == b"and later"


# What it is put into


def test_it_provides_what_the_reactor_provides_and_hands_on_the_rest(streams: Streams) -> None:
    stock = EPollReactor()
    with own(stock):
        wrapped = prompt(stock)
        assert list(providedBy(wrapped)) == list(providedBy(stock))
        assert IReactorSSL.providedBy(wrapped)
        assert prompt(wrapped) is wrapped
        assert wrapped.seconds == stock.seconds
        assert repr(wrapped) == f"prompt({stock!r})"
        with pytest.raises(AttributeError, match="no_such_method"):
            wrapped.no_such_method()
        assert copy.copy(wrapped).seconds == stock.seconds


def test_a_reactor_that_has_no_such_streams_is_given_back_with_a_debug_line(
    logged: list[Any],
) -> None:
    for reactor in (Clock(), MemoryReactorClock()):
        logged.clear()
        assert prompt(reactor) is reactor
        assert [eventAsText(event, False, False, False) for event in logged] == [
            f"streams are the reactor's own: {reactor!r} is not of posixbase"
        ]
        assert logged[0]["log_level"] is LogLevel.debug


def test_attributes_that_are_missing_are_named() -> None:
    assert MISSING == []
    assert missing_from({tcp.Port: ("transport", "_gone"), "text": ("upper", "_there")}) == [
        "tcp.Port._gone", "builtins.str._there",
    ]  # fmt: skip


# TLS


@pytest.mark.parametrize("way", WAYS)
def test_starttls_on_an_open_connection_keeps_the_order(
    way: str, streams: Streams, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    certificate = authority.issue_cert("toolkit.test")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server"))

    def serve(context: SSL.Context) -> None:
        context.use_certificate_chain_file(str(tmp_path / "server"))
        context.use_privatekey_file(str(tmp_path / "server"))

    def connect(context: SSL.Context) -> None:
        context.load_verify_locations(str(tmp_path / "ca"))
        context.set_verify(SSL.VERIFY_PEER)

    server, client = Upgrading(b"server", serve), Upgrading(b"client", connect)
    reactor = streams[way]
    port = reactor.listenTCP(0, Giving(server), interface="127.0.0.1")
    reactor.connectTCP("127.0.0.1", port.getHost().port, Giving(client))
    iterate_until(
        reactor,
        lambda: (
            server.got[-1:] == client.got[-1:] == b"."
            and len(client.got + server.got) > 2 * SECRET_BYTES + 40
        ),
    )
    for one, other in ((server, b"client"), (client, b"server")):
        assert one.got == other + b", plainly. " + other + b"." * SECRET_BYTES
    assert type(client.transport) in STREAMS
    client.transport.loseConnection()
    iterate_until(reactor, lambda: client.lost and server.lost)
    assert (client.lost, server.lost) == ("ConnectionDone", "ConnectionDone")
    port.stopListening()
    for _ in range(3):
        reactor.iterate(0)


SECRET_BYTES = 200_000


@implementer(IOpenSSLContextFactory)
class Upgrading(Protocol):
    """Says something in the clear, starts TLS, and goes on; the client begins."""

    transport: Any

    def __init__(self, name: bytes, prepare: Callable[[SSL.Context], None]) -> None:
        self.name = name
        self.prepare = prepare
        self.got = b""
        self.lost = ""
        self.secure = False

    def connectionMade(self) -> None:
        if self.name == b"client":
            self.transport.write(b"client, plainly. ")

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if not self.secure:
            self.secure = True
            if self.name == b"server":
                self.transport.write(b"server, plainly. ")
            self.transport.startTLS(self)
            self.transport.write(self.name + b"." * SECRET_BYTES)

    def getContext(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_METHOD)
        self.prepare(context)
        return context

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = reason.type.__name__


def iterate_until(reactor: Any, done: Callable[[], object]) -> None:
    for _ in range(5_000):
        if done():
            return
        reactor.iterate(0.001)
    raise AssertionError("it has not come to pass")
