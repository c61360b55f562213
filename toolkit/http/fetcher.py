"""Fetcher: a URL to a Page, with one deadline over everything that it costs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from itertools import takewhile
from operator import attrgetter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from toolkit.concurrency import deferred
from toolkit.errors import SettingsError
from toolkit.http.agent import HTTPAgent
from toolkit.http.asking import Asked
from toolkit.http.deadlines import Deadlines
from toolkit.http.decoding import accepted
from toolkit.http.failures import FetchCancelled
from toolkit.http.fetching import Fetching
from toolkit.http.pacing import Pacing
from toolkit.http.page import Page
from toolkit.http.request import Prepared
from toolkit.http.results import Results
from toolkit.http.retrying import Retrying
from toolkit.http.run import Run
from toolkit.http.settings import AgentSettings, FetchSettings
from toolkit.http.sink import FileSink, FirstBytes, Sink
from toolkit.http.turns import Turns

__all__ = ["FetchSettings", "Fetcher", "Page"]

MAX_ROBOTS_BYTES = 16 * 1024 * 1024
"""More is no robots.txt, whatever `max_bytes` allows for other files."""
MAX_ROBOTS_KEPT = 500 * 1024 + 1
"""One more than is read of it (RFC 9309 §2.5), so that a line that is cut is seen to be."""
PRODUCT = b"twisted-app-toolkit"
_GET = Asked()


class Fetcher:
    """Fetches URLs: a bounded number at once, each within one deadline.

    `http` and `https` only, TLS verified, redirects followed, what failed in passing tried again.
    Close it when it is no longer needed.

    Args:
        reactor: The reactor.
        settings: How URLs are fetched.
        agent: Sends the requests, in place of an HTTPAgent of its own; it stays its owner's
            to close, and connects as its own settings say.

    Raises:
        SettingsError: Where `cacert` cannot be read, `proxy` is none, or something is asked for
            with an agent that was given, which alone could see to it.
        MissingExtra: `robots` is asked for, and protego is not installed.
    """

    def __init__(
        self, reactor: Any, settings: FetchSettings | None = None, agent: IAgent | None = None
    ) -> None:
        settings = settings or FetchSettings()
        self._own: HTTPAgent | None = None
        if agent is None:
            agent = self._own = HTTPAgent(reactor, _agent_settings(settings))
        else:
            _refuse_what_is_the_agents(settings)
        self._closed = False
        self._run = Run(
            clock=reactor,
            wall_clock=time.time,
            settings=settings,
            agent=agent,
            own=agent if isinstance(agent, HTTPAgent) else None,
            prepared=Prepared(
                {b"User-Agent": [PRODUCT], b"Accept": [b"*/*"], b"Accept-Encoding": [accepted()]}
            ),
            pacing=Pacing(reactor, settings.per_host, settings.rate or None),
            turns=Turns(settings.concurrency),
            retrying=Retrying(random.random, time.time, settings.retries),
            deadlines=Deadlines(reactor, settings.timeout_seconds, Fetching.late),
        )
        if settings.cookies:
            from toolkit.http.cookies import Cookies

            self._run.cookies = Cookies(time.time)
        if settings.robots:
            from toolkit.http.robots import Robots

            self._run.robots = Robots(reactor, self._robots_txt)

    def get(self, url: str) -> Deferred[Page]:
        """Fetch one URL.

        It waits for its turn if `concurrency` others are being fetched, or `per_host` of its
        origin; the deadline begins with its turn.

        Args:
            url: The URL, as a person would write it.

        Returns:
            A Deferred with the Page, whatever its status; a redirect without Location, or with
            `max_redirects` 0 any redirect, is one too. It fails with FetchError; its `code`
            says why (`queue-full` where 100,000 wait already), its `phase` where. Cancelling it
            closes the connection, and it fails with FetchCancelled, which is a CancelledError as
            well.
        """
        return self._fetch(url, _GET, None)

    def request(
        self,
        method: str,
        url: str,
        headers: Headers | None = None,
        body: bytes | None = None,
        sink: Sink | None = None,
    ) -> Deferred[Page]:
        """Fetch one URL with a method, headers and a body of one's own.

        Args:
            method: The method, such as `POST`.
            url: The URL.
            headers: Headers beside the Fetcher's own, or in place of them. Credentials, cookies
                and Host among them go to the URL's own origin only.
            body: The body.
            sink: Where the body of an answer below 400 goes, in place of the Page; after 304 (Not
                Modified) it is not touched. NOWHERE drops bodies of any status.

        Returns:
            As `get` does. Only a request whose method is idempotent is tried again.

        Raises:
            TypeError: The headers or the body are something else.
        """
        if not isinstance(headers, Headers | None):
            raise TypeError(
                f"headers must be twisted.web.http_headers.Headers, not {type(headers).__name__}"
            )
        if not isinstance(body, bytes | None):
            raise TypeError(f"a body must be bytes, not {type(body).__name__}")
        asked = Asked(method.encode("ascii", "replace"), headers, body)
        return self._fetch(url, asked, sink)

    def download(self, url: str, path: str) -> Deferred[Page]:
        """Fetch one URL to a file; it is written beside it, and renamed when it is whole.

        Args:
            url: The URL.
            path: The file's name; its folder exists. What is there is replaced.

        Returns:
            As `get` does; the body of the Page is empty, and its `size` what was written. An
            answer of 400 or above writes nothing, and its Page has the body. It fails with
            FetchError `write-failed` where the file cannot be written.
        """
        return self._fetch(url, _GET, FileSink(path))

    def fetch_all(self, urls: Iterable[str]) -> Results:
        """Fetch any number of URLs, and give what each comes to as soon as it does.

            async for result in fetcher.fetch_all(urls):
                if isinstance(result, FetchError):
                    ...

        Args:
            urls: The URLs, read one by one as there is room: a generator of a million is never
                a list. No more than twice `concurrency` are under way or wait to be taken.

        Returns:
            What to iterate over, once: a Page or a FetchError for each URL, whose `url` it is.
            When the Fetcher is closed it ends, and reads no more of them.
        """
        urls = takewhile(lambda _: not self._closed, urls)
        return Results(self.get, urls, 2 * self._run.settings.concurrency)

    @deferred
    async def page_title(self, url: str) -> str | None:
        """The title of an HTML page.

        Args:
            url: The URL.

        Returns:
            A Deferred with the title, its entities resolved and its white space collapsed; None
            where the page has none, or is no HTML. It fails as `get` does, and cancelling it does
            the same.
        """
        from toolkit.http.title import title_of

        page = await self.get(url)
        return title_of(page.body, page.headers.getRawHeaders(b"content-type", [None])[0])

    @property
    def held_back(self) -> int:
        """How many tries there were not, as much had failed: of all fetches together 10 are tried
        again, and one in ten of them, so that who is in trouble does not get twice the load."""
        return self._run.retrying.held_back

    @deferred
    async def close(self) -> None:
        """Cancel the fetches in progress, and close every connection.

        Returns:
            A Deferred that fires when nothing is left open.
        """
        self._closed = True
        # Those that wait end first: none of them is to get a turn by the end of another.
        for fetching in sorted(self._run.running, key=attrgetter("has_turn")):
            fetching.give_up(FetchCancelled("the fetcher was closed"))
        self._run.deadlines.stop()
        if self._own is not None:
            await self._own.close()

    @deferred
    async def _robots_txt(self, url: str) -> tuple[int, bytes]:
        first = FirstBytes(MAX_ROBOTS_KEPT)
        asking = Fetching(self._run, url, _GET, first, robots=False, max_bytes=MAX_ROBOTS_BYTES)
        page = await asking.start()
        return page.status, first.data

    def _fetch(self, url: str, asked: Asked, sink: Sink | None) -> Deferred[Page]:
        fetching = Fetching(self._run, url, asked, sink)
        if self._closed:
            done = fetching.done
            fetching.give_up(FetchCancelled("the fetcher is closed"))
            return done
        return fetching.start()


def _refuse_what_is_the_agents(settings: FetchSettings) -> None:
    usual = FetchSettings()
    problems = [
        f"FetchSettings.{name}: expected {getattr(usual, name)!r} with an agent of one's own "
        f"(set it in the agent's AgentSettings), found {getattr(settings, name)!r}"
        for name in ("cacert", "insecure", "proxy", "public_only")
        if getattr(settings, name) != getattr(usual, name)
    ]
    if problems:
        raise SettingsError(problems)


def _agent_settings(settings: FetchSettings) -> AgentSettings:
    return AgentSettings(
        connect_timeout_seconds=settings.connect_timeout_seconds,
        first_byte_timeout_seconds=settings.first_byte_timeout_seconds,
        stall_seconds=settings.stall_seconds,
        cacert=settings.cacert,
        insecure=settings.insecure,
        proxy=settings.proxy,
        public_only=settings.public_only,
        max_connections=settings.concurrency,
        max_per_origin=settings.per_host,
        max_idle=settings.concurrency,
    )
