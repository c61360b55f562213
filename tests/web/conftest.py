"""An app and a resource, each served in memory."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.web.calls import Caller
from tests.web.notes import Notes
from tests.web.slow import Slow
from toolkit.testing import Peer, connected
from toolkit.web.site import LimitedSite, WebSettings


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def caller(notes: Notes) -> Caller:
    return Caller(notes.app)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def peer(clock: Clock, slow: Slow) -> Peer:
    return connected(LimitedSite(clock, slow, WebSettings()))
