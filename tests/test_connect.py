"""A client's endpoint description is understood, or refused in one line."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import (
    ConnectError,
    DNSLookupError,
    TimeoutError,  # noqa: A004
    getConnectError,
)
from twisted.internet.testing import MemoryReactorClock

from toolkit.connect import client_endpoint, why
from toolkit.errors import ConnectFailed


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("tcp:127.0.0.1:7000", TCP4ClientEndpoint),
        ("tcp:host=127.0.0.1:port=7000", TCP4ClientEndpoint),
        ("tcp:port=7000:host=127.0.0.1", TCP4ClientEndpoint),
        ("tcp:[::1]:7000", TCP4ClientEndpoint),
        ("tcp:localhost:7000", HostnameEndpoint),
        ("tcp:localhost:7000:timeout=5", TCP4ClientEndpoint),
        ("unix:/run/app.sock", UNIXClientEndpoint),
        ("tls:localhost:443", object),
    ],
)
def test_a_description_gives_its_endpoint(reactor: Any, description: str, kind: type) -> None:
    assert isinstance(client_endpoint(reactor, description), kind)


def test_an_address_in_brackets_is_connected_to() -> None:
    memory: Any = MemoryReactorClock()
    client_endpoint(memory, "tcp:[::1]:7000").connect(object())  # type: ignore[arg-type]
    assert memory.tcpClients[0][:2] == ("::1", 7000)


@pytest.mark.parametrize(
    "description",
    ["", "tcp", "tcp:", "tcp::80", "tcp:host", "tcp:host:http", "tcp:host:0", "tcp:host:65536",
     "tcp:host:80:no=1", "tcp:::1:80", "tls:host", "tls:host:70000", "tls::443", "unix:",
     "unix:a:b:c", "unix:/tmp/" + "x" * 103, "http://host/", "host:80", "127.0.0.1:80", "\x00",
     "tls:host:443:trustRoots=/no"],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused_in_one_line(reactor: Any, description: str) -> None:
    with pytest.raises(ConnectFailed) as caught:
        client_endpoint(reactor, description)
    assert caught.value.code == "invalid-endpoint"
    message = str(caught.value)
    assert message.startswith(f"{description!r} is not an endpoint to connect to: expected tcp:")
    assert "\n" not in message
    assert "__init__" not in message


def test_ssl_is_refused_since_it_verifies_nothing(reactor: Any) -> None:
    with pytest.raises(ConnectFailed, match="use tls:"):
        client_endpoint(reactor, "ssl:localhost:443")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (getConnectError((111, "Connection refused")), "Connection refused"),
        (ConnectError(string="odd"), "An error occurred while connecting: odd"),
        (TimeoutError(), "it does not answer"),
        (DNSLookupError("no results"), "there is no such host"),
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (SSL.Error([("SSL routines", "", "unknown ca")]), "unknown ca"),
        (ValueError("odd."), "odd"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_reason_is_said_in_a_few_words(error: Exception, words: str) -> None:
    assert why(error) == words
