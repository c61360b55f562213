"""Fetcher: fetch URLs again and again, and log what each answered."""

from __future__ import annotations

from typing import Annotated

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
            reason = await self._fetch(urls[number])
            if reason:
                failed[number] = f"{masked(urls[number])}: {reason}"

        await for_each_limited(fetch, range(len(urls)), self._settings.concurrency)
        if failed:
            self._shared.health.degraded(
                f"{len(failed)} of {len(urls)} failed, the first {failed[min(failed)]}"
            )
        else:
            self._shared.health.recovered()

    async def _fetch(self, url: str) -> str:
        """Why the fetch counts as failed, or nothing."""
        assert self._fetcher is not None
        try:
            page = await self._fetcher.get(url)
        except CancelledError:
            raise
        except FetchError as error:
            self._log.warn(
                "could not fetch {url}: {code}: {reason}",
                url=masked(url),
                code=error.code,
                reason=str(error),
            )
            return error.code
        self._log.info(
            "fetched {url}: {status}, {bytes} bytes in {seconds:.3f} s",
            url=masked(url),
            status=page.status,
            bytes=len(page.body),
            seconds=page.seconds,
        )
        return str(page.status) if page.status >= 400 else ""


def make(shared: Shared, settings: FetcherSettings) -> IService:
    """A service that fetches what the settings name."""
    return FetchRounds(shared, settings)


SERVICE = Declaration(FetcherSettings, make)
