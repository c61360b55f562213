"""TLS over any endpoint: at once, and without a timer."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from toolkit.http.secure import SecureEndpoint
from toolkit.testing import result_of

HANDSHAKE = 0x16  # the type of a TLS record (RFC 8446 §5.1)


@implementer(IStreamClientEndpoint)
class Connects:
    """Connects to a wire in memory."""

    def __init__(self) -> None:
        self.wire = StringTransport()

    def connect(self, factory: Any) -> Deferred[Any]:
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(self.wire)
        return succeed(protocol)


@implementer(IStreamClientEndpoint)
class Refuses:
    """Connects to nothing."""

    def connect(self, factory: Any) -> Deferred[Any]:
        return fail(error.ConnectionRefusedError())


@implementer(IHandshakeListener)
class Inner(Protocol):
    """Says something as soon as it may."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")

    def handshakeCompleted(self) -> None:
        raise AssertionError("nobody has answered")


def secure(endpoint: Any) -> tuple[Clock, Deferred[Any]]:
    clock = Clock()
    made = SecureEndpoint(optionsForClientTLS("a.example"), endpoint, clock)
    return clock, made.connect(Factory.forProtocol(Inner))


def test_the_handshake_begins_at_once_and_no_timer_is_made() -> None:
    connects = Connects()
    clock, connecting = secure(connects)
    assert isinstance(result_of(connecting), Inner)
    sent = connects.wire.value()
    assert sent[0] == HANDSHAKE
    assert b"a.example" in sent  # the name that is asked for (RFC 6066 §3)
    assert b"hello" not in sent
    assert not clock.getDelayedCalls()


def test_what_the_endpoint_fails_with_is_what_it_fails_with() -> None:
    _clock, connecting = secure(Refuses())
    with pytest.raises(error.ConnectionRefusedError):
        result_of(connecting)
