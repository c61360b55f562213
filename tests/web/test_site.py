"""A web site logs one event a request, whatever becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
import treq
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent
from twisted.web.client import Agent, HTTPConnectionPool

from tests.web.slow import GET, Slow
from toolkit.service import Shared
from toolkit.testing import Peer, connected
from toolkit.web.site import LimitedSite, WebSettings, serving


def accessed(logged: list[LogEvent]) -> list[tuple[str, str, int]]:
    """The method, path and status of each event of the access log."""
    events = [event for event in logged if event["log_namespace"] == "toolkit.web.access"]
    return [(event["method"], event["path"], event["status"]) for event in events]


def test_each_request_is_one_event(peer: Peer, slow: Slow, logged: list[LogEvent]) -> None:
    peer.send(GET.replace(b"GET / ", b"GET /a?b=c "))
    assert accessed(logged) == []
    slow.answer()
    peer.send(GET)
    slow.answer(b"more")
    peer.close()
    assert accessed(logged) == [("GET", "/a?b=c", 200), ("GET", "/", 200)]
    event = logged[-1]
    assert (event["bytes"], event["peer"]) == (4, "192.0.2.1")
    assert 0 <= event["seconds"] < 60
    assert formatEvent(event) == "GET / 200"


def test_a_request_whose_peer_leaves_is_one_event(
    peer: Peer, slow: Slow, logged: list[LogEvent]
) -> None:
    peer.send(GET)
    peer.close()
    assert accessed(logged) == [("GET", "/", 499)]
    assert logged[-1]["gone"]


def test_a_request_whose_peer_leaves_in_the_midst_of_the_answer_is_one_event(
    peer: Peer, slow: Slow, logged: list[LogEvent]
) -> None:
    peer.send(GET)
    slow.requests[0].write(b"half")
    peer.close()
    assert accessed(logged) == [("GET", "/", 200)]
    assert (logged[-1]["gone"], logged[-1]["bytes"]) == (True, 4)


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", ("POST", "/a", 413)),
        (b"GET /a HTTP/1.1\r\n\r\n", ("GET", "/a", 400)),
        (b"GET /a HTTP/1.1\r\nno colon\r\n\r\n", ("GET", "/a", 400)),
        (b"nonsense\r\n\r\n", ("-", "-", 400)),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", ("-", "-", 414)),
    ],
)
def test_a_request_that_is_refused_is_one_event(
    peer: Peer, logged: list[LogEvent], slow: Slow, sent: bytes, event: tuple[str, str, int]
) -> None:
    peer.send(GET)
    slow.answer()
    peer.send(sent)
    peer.close()
    assert accessed(logged) == [("GET", "/", 200), event]


def test_a_connection_without_a_request_is_no_event(peer: Peer, logged: list[LogEvent]) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHo")
    peer.close()
    assert accessed(logged) == []


def test_the_access_log_can_be_turned_off(clock: Clock, slow: Slow, logged: list[LogEvent]) -> None:
    peer = connected(LimitedSite(clock, slow, WebSettings(access_log=False)))
    peer.send(GET)
    slow.answer()
    peer.send(b"nonsense\r\n\r\n")
    peer.close()
    assert accessed(logged) == []


@pytest_twisted.ensureDeferred
async def test_a_site_serves_on_a_real_socket_and_its_stop_answers_what_has_begun(
    reactor: Any,
) -> None:
    resource = Slow()
    service: Any = serving(
        Shared(reactor, "web"), resource, WebSettings(listen="tcp:0:interface=127.0.0.1")
    )
    await service.startService()
    pool = HTTPConnectionPool(reactor, persistent=False)
    url = f"http://127.0.0.1:{service.address.port}/"
    answer: Any = await treq.post(url, data=b"12345", agent=Agent(reactor, pool=pool))
    assert await treq.content(answer) == b"5"
    await service.stopService()
