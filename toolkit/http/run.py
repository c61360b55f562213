"""What all fetches of a Fetcher share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.web.iweb import IAgent

from toolkit.http.agent import HTTPAgent
from toolkit.http.deadlines import Deadlines
from toolkit.http.pacing import Pacing
from toolkit.http.request import Prepared
from toolkit.http.retrying import Retrying
from toolkit.http.settings import FetchSettings
from toolkit.http.turns import Turns
from toolkit.http.urls import Targets

if TYPE_CHECKING:
    from toolkit.http.cookies import Cookies
    from toolkit.http.fetching import Fetching
    from toolkit.http.robots import Robots


@dataclass
class Run:
    """What all fetches of a Fetcher share.

    Args:
        clock: The reactor, or in a test a Clock.
        wall_clock: Gives the seconds since the epoch.
        settings: How URLs are fetched.
        agent: Sends the requests.
        own: The same, where it is the toolkit's, which tells more of a request.
        prepared: The headers of a request that has no others.
        pacing: Each origin's share.
        turns: So many at once.
        retrying: Says what is tried again.
        deadlines: Ends those that take too long.
        robots: Says what robots.txt does, if it is asked.
        cookies: Keeps cookies, if they are wanted.
    """

    clock: Any
    wall_clock: Callable[[], float]
    settings: FetchSettings
    agent: IAgent
    own: HTTPAgent | None
    prepared: Prepared
    pacing: Pacing
    turns: Turns
    retrying: Retrying
    deadlines: Deadlines[Fetching]
    robots: Robots | None = None
    cookies: Cookies | None = None
    targets: Targets = field(default_factory=Targets)
    running: set[Fetching] = field(default_factory=set)
