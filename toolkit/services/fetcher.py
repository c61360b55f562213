"""Fetcher: fetch URLs again and again, and log what each answered."""

from __future__ import annotations

import time
from typing import Annotated, NamedTuple

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from toolkit.concurrency import deferred, for_each_limited
from toolkit.errors import SettingsError
from toolkit.http.failures import FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings
from toolkit.http.urls import masked, parse_url
from toolkit.periodic import Periodic
from toolkit.service import Declaration, Shared
from toolkit.settings import Meta


def _check_url(url: str) -> None:
    try:
        parse_url(url)
    except FetchError as error:
        raise ValueError(f"URLs such as http://example.org/ ({error})") from None


class FetcherSettings(FetchSettings):
    """Fetch URLs again and again, and log what each answered."""

    urls: Annotated[  # type: ignore[misc] # it is keyword-only, which mypy does not see
        tuple[str, ...],
        Meta(description="what to fetch, each once a round", extra={"check": _check_url}),
    ]
    every_seconds: Annotated[
        float, Meta(gt=0, description="seconds from the start of one round to the next")
    ] = 60.0
    concurrency: Annotated[int, Meta(ge=1, le=100_000, description="the most fetches at once")] = 8
    public_only: Annotated[
        bool, Meta(description="connect to addresses of the public internet only")
    ] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.urls:
            raise SettingsError(
                [
                    "FetcherSettings.urls: expected at least one URL such as http://example.org/, "
                    "found []"
                ]
            )


class Fetched(NamedTuple):
    """What a URL came to when it was fetched last.

    Args:
        url: The URL, without user and password.
        at: When, in seconds since the epoch.
        seconds: How long it took.
        status: The status code, None where there was no answer.
        bytes: The bytes of the body, decoded.
        error: The code of the error, "" where there was an answer.
    """

    url: str
    at: float
    seconds: float
    status: int | None
    bytes: int
    error: str

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or one of 400 or above."""
        return self.status is None or self.status >= 400


class FetchRounds(Periodic):
    """Fetches every URL once a round.

    It is degraded when a URL failed, or answered 400 or above, and has recovered when in a later
    round all answered. Its stop cancels the fetches in progress and closes every connection.

    Args:
        shared: The reactor, and where it says how it fares.
        settings: What to fetch, and how.
        agent: Sends the requests, in place of an agent of its own.
    """

    _log = Logger()

    def __init__(
        self, shared: Shared, settings: FetcherSettings, agent: IAgent | None = None
    ) -> None:
        super().__init__(shared.reactor, settings.every_seconds, self._round, shared.health)
        self._shared = shared
        self._settings = settings
        self._agent = agent
        self._fetcher: Fetcher | None = None
        self._last: dict[int, Fetched] = {}

    @property
    def results(self) -> list[Fetched]:
        """What each URL came to when it was fetched last, in the order of the settings."""
        return [self._last[number] for number in sorted(self._last)]

    def startService(self) -> None:
        """Begin the first round."""
        self._fetcher = Fetcher(self._shared.reactor, self._settings, self._agent)
        super().startService()

    @deferred
    async def stopService(self) -> None:
        """Cancel the round in progress.

        Returns:
            A Deferred that fires when every connection is closed.
        """
        stopping = super().stopService()
        stopping.cancel()
        await stopping
        if self._fetcher is not None:
            fetcher, self._fetcher = self._fetcher, None
            await fetcher.close()

    def _round(self) -> Deferred[None]:
        return self._fetch_all(self._settings.urls)

    @deferred
    async def _fetch_all(self, urls: tuple[str, ...]) -> None:
        failed: dict[int, str] = {}

        async def fetch(number: int) -> None:
            last = self._last[number] = await self._fetch(urls[number])
            if last.failed:
                failed[number] = f"{last.url}: {last.error or last.status}"

        await for_each_limited(fetch, range(len(urls)), self._settings.concurrency)
        if failed:
            self._shared.health.degraded(
                f"{len(failed)} of {len(urls)} failed, the first {failed[min(failed)]}"
            )
        else:
            self._shared.health.recovered()

    async def _fetch(self, url: str) -> Fetched:
        assert self._fetcher is not None
        shown = masked(url)
        try:
            page = await self._fetcher.get(url)
        except CancelledError:
            raise
        except FetchError as error:
            self._log.warn(
                "could not fetch {url}: {code}: {reason}",
                url=shown,
                code=error.code,
                reason=str(error),
            )
            seconds = error.trail.seconds if error.trail is not None else 0.0
            return Fetched(shown, time.time(), seconds, None, 0, error.code)
        self._log.info(
            "fetched {url}: {status}, {bytes} bytes in {seconds:.3f} s",
            url=shown,
            status=page.status,
            bytes=page.size,
            seconds=page.seconds,
        )
        return Fetched(shown, time.time(), page.seconds, page.status, page.size, "")


def make(shared: Shared, settings: FetcherSettings) -> IService:
    """A service that fetches what the settings name."""
    return FetchRounds(shared, settings)


SERVICE = Declaration(FetcherSettings, make)
