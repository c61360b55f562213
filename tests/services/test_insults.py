"""Insults: text or JSON, after a while, and rude in a harmless way."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
import pytest_twisted
import treq
from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock
from twisted.web.client import Agent, HTTPConnectionPool

from toolkit.errors import SettingsError
from toolkit.service import Shared
from toolkit.services.insults import INSULTS, SERVICE, Insults, InsultSettings
from toolkit.testing import Peer, connected
from toolkit.web.resource import JsonResource
from toolkit.web.site import LimitedSite


def get(path: bytes = b"/", method: bytes = b"GET", accept: bytes = b"") -> bytes:
    head = b"%s %s HTTP/1.1\r\nHost: example\r\nConnection: close\r\n" % (method, path)
    return head + (b"Accept: %s\r\n" % accept if accept else b"") + b"\r\n"


def site(clock: Clock, max_delay_seconds: int, seed: int = 1) -> LimitedSite:
    insults = Insults(clock, max_delay_seconds, random.Random(seed))
    return LimitedSite(clock, JsonResource(clock, insults.app, 300.0), InsultSettings())


def answered(request: bytes) -> tuple[bytes, bytes]:
    peer = connected(site(Clock(), 0))
    peer.send(request)
    head, _, body = peer.received.partition(b"\r\n\r\n")
    return head, body


def text(peer: Peer) -> str:
    return peer.received.partition(b"\r\n\r\n")[2].decode().strip()


def test_there_are_a_few_dozen_different_insults() -> None:
    assert len(set(INSULTS)) == len(INSULTS) >= 36


def test_an_insult_is_text() -> None:
    head, body = answered(get())
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/plain; charset=utf-8" in head.lower()
    assert body.decode().removesuffix("\n") in INSULTS


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (b"application/json", True),
        (b"application/json, text/plain;q=0.5", True),
        (b"text/plain, application/json;q=0.5", False),
        (b"application/json;q=0", False),
        (b"*/*", False),
        (b"text/html", False),
        (b";;;,,=\xff", False),
    ],
)
def test_it_is_json_for_who_prefers_json(accept: bytes, is_json: bool) -> None:
    head, body = answered(get(accept=accept))
    assert head.startswith(b"HTTP/1.1 200 ")
    assert (b"application/json" in head) is is_json
    if is_json:
        assert msgspec.json.decode(body)["insult"] in INSULTS


def test_head_has_no_body() -> None:
    head, body = answered(get(method=b"HEAD"))
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (get(b"/other"), b"404", "unknown-path"),
        (get(method=b"POST"), b"405", "method-not-allowed"),
        (get(method=b"get"), b"501", "unknown-method"),
        (b"nonsense\r\n\r\n", b"400", "malformed-request"),
    ],
)
def test_what_there_is_not_is_refused_in_json(request_: bytes, status: bytes, code: str) -> None:
    head, body = answered(request_)
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"X-Request-Id: " in head
    assert msgspec.json.decode(body)["code"] == code


def test_without_a_delay_there_is_no_timer() -> None:
    clock = Clock()
    peer = connected(site(clock, 0))
    peer.send(get())
    assert text(peer) in INSULTS
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("seed", range(20))
def test_the_delay_is_a_whole_number_of_seconds(seed: int) -> None:
    clock = Clock()
    peer = connected(site(clock, 5, seed))
    peer.send(get())
    passed = 0
    while not peer.received and passed < 10:
        clock.advance(0.99)
        assert not peer.received
        clock.advance(0.01)
        passed += 1
    assert 0 <= passed <= 5
    assert text(peer) in INSULTS


def test_every_delay_and_many_insults_come() -> None:
    chance = random.Random(7)
    assert {chance.randint(0, 5) for _ in range(100)} == set(range(6))
    heard = set()
    insults = Insults(Clock(), 0, random.Random(3))
    web = LimitedSite(Clock(), JsonResource(Clock(), insults.app), InsultSettings())
    for _ in range(300):
        peer = connected(web)
        peer.send(get())
        heard.add(text(peer))
    assert len(heard) > 30


def test_a_peer_that_leaves_takes_its_timer_with_it() -> None:
    clock = Clock()
    peer = connected(site(clock, 5, seed=1))
    peer.send(get())
    assert clock.getDelayedCalls()
    peer.vanish()
    assert not clock.getDelayedCalls()


def test_a_delay_longer_than_the_idle_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be less than idle_seconds"):
        InsultSettings(max_delay_seconds=30, idle_seconds=20.0)


@pytest_twisted.ensureDeferred
async def test_five_hundred_at_once_are_answered_and_the_stop_waits_for_them(reactor: Any) -> None:
    settings = InsultSettings(listen="tcp:0:interface=127.0.0.1", max_delay_seconds=1)
    service: Any = SERVICE.make(Shared(reactor, "insults"), settings)
    await service.startService()
    pool = HTTPConnectionPool(reactor, persistent=False)
    agent = Agent(reactor, pool=pool)
    url = f"http://127.0.0.1:{service.address.port}/"
    asked = gatherResults(
        [treq.get(url, agent=agent).addCallback(treq.text_content) for _ in range(500)]
    )
    first = await treq.get(url, agent=agent)
    stopping = service.stopService()
    assert (await treq.text_content(first)).strip() in INSULTS
    answers = await asked
    await stopping
    await pool.closeCachedConnections()
    assert len(answers) == 500
    assert {answer.strip() for answer in answers} <= set(INSULTS)
