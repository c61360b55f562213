"""Fetcher: a URL to a Page, with one deadline over everything that it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from toolkit.concurrency import deferred, within
from toolkit.errors import SettingsError, TimedOut
from toolkit.http.agent import AgentSettings, HTTPAgent
from toolkit.http.body import abandon, read_body
from toolkit.http.decoding import Identity, accepted, decoder_for
from toolkit.http.failures import FetchCancelled, FetchError, fetch_error
from toolkit.http.turns import Turns
from toolkit.http.urls import Target, masked, parse_url, redirected
from toolkit.settings import Meta, Settings

REDIRECTS = frozenset((301, 302, 303, 307, 308))
REDIRECT_BODY_BYTES = 65_536


class FetchSettings(Settings):
    """How URLs are fetched."""

    concurrency: Annotated[int, Meta(ge=1, le=100_000, description="the most fetches at once")] = 64
    timeout_seconds: Annotated[
        float, Meta(gt=0, description="seconds for one URL in all, redirects included")
    ] = 30.0
    connect_timeout_seconds: Annotated[
        float, Meta(gt=0, description="seconds to connect: name, TCP and TLS together")
    ] = 10.0
    max_bytes: Annotated[
        int, Meta(ge=0, description="the most bytes of a body, after decoding")
    ] = 16 * 1024 * 1024
    max_redirects: Annotated[
        int, Meta(ge=0, le=100, description="the most redirects followed for one URL")
    ] = 5
    cacert: Annotated[
        str, Meta(description="PEM file of the issuers to trust in place of the platform's")
    ] = ""
    public_only: Annotated[
        bool, Meta(description="connect to addresses of the public internet only")
    ] = False


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL answered.

    Args:
        url: The URL as it was given.
        final_url: The URL that answered, after redirects; without user and fragment.
        status: The status code.
        headers: The answer's headers, as they came.
        body: The body, decoded.
        seconds: How long it took in all, redirects included.
    """

    url: str
    final_url: str
    status: int
    headers: Headers
    body: bytes
    seconds: float


class Fetcher:
    """Fetches URLs: a bounded number at once, each within one deadline.

    `http` and `https` only, TLS verified. Close it when it is no longer needed.

    Args:
        reactor: The reactor.
        settings: How URLs are fetched.
        agent: Sends the requests, in place of an HTTPAgent of its own; it stays its owner's
            to close, and connects as its own settings say.

    Raises:
        SettingsError: Where `cacert` cannot be read, or `public_only` is asked for with an agent
            that was given, which alone could see to it.
    """

    def __init__(
        self, reactor: Any, settings: FetchSettings | None = None, agent: IAgent | None = None
    ) -> None:
        self._reactor = reactor
        self._settings = settings = settings or FetchSettings()
        self._own: HTTPAgent | None = None
        if agent is not None and settings.public_only:
            raise SettingsError(
                [
                    "FetchSettings.public_only: expected false with an agent of one's own (set it "
                    "in the agent's AgentSettings), found true"
                ]
            )
        if agent is None:
            agent = self._own = HTTPAgent(
                reactor,
                AgentSettings(
                    connect_timeout_seconds=settings.connect_timeout_seconds,
                    max_connections=settings.concurrency,
                    max_per_origin=settings.concurrency,
                    max_idle=settings.concurrency,
                    cacert=settings.cacert,
                    public_only=settings.public_only,
                ),
            )
        self._agent = agent
        self._accepted = accepted()
        self._turns = Turns(settings.concurrency)
        self._running: dict[Deferred[Page], None] = {}
        self._closed = False

    @deferred
    async def get(self, url: str) -> Page:
        """Fetch one URL.

        It waits for its turn if `concurrency` others are being fetched; the deadline begins
        with its turn.

        Args:
            url: The URL, as a person would write it.

        Returns:
            A Deferred with the Page, whatever its status; a redirect without Location, or with
            `max_redirects` 0 any redirect, is one too. It fails with FetchError; its `code`
            says why. Cancelling it closes the connection, and it fails with FetchCancelled,
            which is a CancelledError as well.
        """
        target = parse_url(url)
        if self._closed:
            raise FetchCancelled("the fetcher is closed")
        try:
            await self._turns.take()
        except CancelledError as error:
            raise FetchCancelled(f"{masked(url)} was cancelled before its turn") from error
        seconds = self._settings.timeout_seconds
        fetching = within(self._reactor, seconds, self._fetch(url, target))
        self._running[fetching] = None
        try:
            return await fetching
        except TimedOut as error:
            raise FetchError(
                f"{target.place} did not complete its answer within {seconds:g} s", "deadline"
            ) from error
        except FetchCancelled:
            raise
        except CancelledError as error:
            raise FetchCancelled(f"{masked(url)} was cancelled") from error
        finally:
            del self._running[fetching]
            self._turns.give_back()

    @deferred
    async def close(self) -> None:
        """Cancel the fetches in progress, and close every connection.

        Returns:
            A Deferred that fires when nothing is left open.
        """
        self._closed = True
        self._turns.cancel()
        for fetching in list(self._running):
            fetching.cancel()
        if self._own is not None:
            await self._own.close()

    @deferred
    async def _fetch(self, url: str, target: Target) -> Page:
        began = self._reactor.seconds()
        followed = 0
        while True:
            response = await self._ask(target)
            location = response.headers.getRawHeaders(b"location")
            if response.code in REDIRECTS and location and self._settings.max_redirects:
                followed += 1
                target = await self._redirected(response, target, location[0], followed)
                continue
            body = await self._body(response, target)
            seconds = max(0.0, self._reactor.seconds() - began)
            return Page(url, target.url, response.code, response.headers, body, seconds)

    async def _ask(self, target: Target) -> IResponse:
        headers = Headers(
            {
                b"User-Agent": [b"twisted-app-toolkit"],
                b"Accept": [b"*/*"],
                b"Accept-Encoding": [self._accepted],
            }
        )
        if target.authorization is not None:
            headers.addRawHeader(b"Authorization", target.authorization)
        try:
            return await self._agent.request(b"GET", target.url.encode("ascii"), headers, None)
        except FetchError:
            raise
        except Exception as error:  # another agent's: each kind is given its code, and chained
            raise fetch_error(error, target.place) from error

    async def _redirected(
        self, response: IResponse, target: Target, location: bytes, followed: int
    ) -> Target:
        try:
            if followed > self._settings.max_redirects:
                raise FetchError(
                    f"more than {self._settings.max_redirects} redirects, "
                    f"the last from {masked(target.url)}",
                    "too-many-redirects",
                )
            following = redirected(target, location)
        except FetchError:
            await abandon(response)
            raise
        try:
            # Read to its end so that the connection can be used again. A body that is bad does
            # not matter: it is not the answer.
            await read_body(response, Identity(), REDIRECT_BODY_BYTES, target.place)
        except FetchCancelled:
            raise
        except FetchError:
            pass
        return following

    async def _body(self, response: IResponse, target: Target) -> bytes:
        try:
            decoder = decoder_for(response.headers.getRawHeaders(b"content-encoding", []))
        except FetchError:
            await abandon(response)
            raise
        return await read_body(response, decoder, self._settings.max_bytes, target.place)
