"""A database that lost its server says so, asks until it is there again, and says that."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from toolkit.database.errors import ConnectionLost, DatabaseError, Unavailable
from toolkit.database.recovery import PROBE_SECONDS, Recovery
from toolkit.service import Health


class Server:
    """A server that is there or not, as its database sees it."""

    def __init__(self, started: bool = True) -> None:
        self.clock = Clock()
        self.health = Health("database")
        self.health.become("ready")
        self.error: DatabaseError | None = None
        self.probes = 0
        self.recovery = Recovery(self.clock, self.health, self._probe)
        if started:
            self.recovery.start()

    def _probe(self) -> Deferred[None]:
        self.probes += 1
        self.recovery.fares(self.error)
        return succeed(None) if self.error is None else fail(self.error)

    def goes(self) -> None:
        self.error = Unavailable("nobody is there")
        self.recovery.fares(ConnectionLost("it is gone"))


def test_a_lost_connection_is_degraded_and_a_call_that_succeeds_is_recovered() -> None:
    server = Server()
    server.goes()
    assert (server.health.state, server.health.reason) == ("degraded", "it is gone")
    server.recovery.fares(None)
    assert server.health.state == "ready"
    assert server.clock.getDelayedCalls() == []


def test_it_asks_by_itself_until_the_server_is_there() -> None:
    server = Server()
    server.goes()
    server.clock.pump([PROBE_SECONDS] * 3)
    assert (server.probes, server.health.state) == (3, "degraded")
    server.error = None
    server.clock.advance(PROBE_SECONDS)
    assert (server.probes, server.health.state) == (4, "ready")
    assert server.clock.getDelayedCalls() == []


def test_many_losses_have_one_probe() -> None:
    server = Server()
    for _ in range(50):
        server.goes()
    assert len(server.clock.getDelayedCalls()) == 1


def test_before_its_start_and_after_its_stop_it_says_nothing() -> None:
    server = Server(started=False)
    server.goes()
    states = [server.health.state]
    server.recovery.start()
    server.goes()
    server.recovery.stop()
    assert server.clock.getDelayedCalls() == []
    server.recovery.fares(None)
    states.append(server.health.state)
    assert states == ["ready", "degraded"]  # whoever stops it says what it is now
