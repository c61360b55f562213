"""Fetcher: fetch URLs again and again, and log what each answered."""

from __future__ import annotations

import time
from typing import Annotated

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from toolkit.concurrency import deferred, for_each_limited
from toolkit.database.errors import DatabaseError
from toolkit.errors import SettingsError
from toolkit.fetched import Fetched, FetchedTable
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

    keep_days: Annotated[
        float, Meta(gt=0, description="days that results are kept, where there is a database")
    ] = 30.0

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

    With a table each result is kept there too; while the database is away it is degraded, and goes
    on.

    Args:
        shared: The reactor, and where it says how it fares.
        settings: What to fetch, and how.
        agent: Sends the requests, in place of an agent of its own.
        table: Keeps each result; None where there is no database.
    """

    _log = Logger()

    def __init__(
        self,
        shared: Shared,
        settings: FetcherSettings,
        agent: IAgent | None = None,
        table: FetchedTable | None = None,
    ) -> None:
        super().__init__(shared.reactor, settings.every_seconds, self._round, shared.health)
        self._shared = shared
        self._settings = settings
        self._agent = agent
        self._fetcher: Fetcher | None = None
        self._last: dict[int, Fetched] = {}
        self._table = table
        self._is_prepared = False

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
        table, lost = self._table, ""
        if table is not None:
            try:
                await self._make_ready(table)
            except DatabaseError as error:
                table, lost = None, str(error)

        async def fetch(number: int) -> None:
            nonlocal lost
            last = self._last[number] = await self._fetch(urls[number])
            if last.failed:
                failed[number] = f"{last.url}: {last.error or last.status}"
            if table is not None:
                try:
                    await table.add(last)
                except DatabaseError as error:
                    lost = str(error)

        await for_each_limited(fetch, range(len(urls)), self._settings.concurrency)
        if lost:
            self._shared.health.degraded(f"results were not kept in the database: {lost}")
        elif failed:
            self._shared.health.degraded(
                f"{len(failed)} of {len(urls)} failed, the first {failed[min(failed)]}"
            )
        else:
            self._shared.health.recovered()

    async def _make_ready(self, table: FetchedTable) -> None:
        if not self._is_prepared:
            await table.prepare()
            self._is_prepared = True
        await table.forget(time.time() - self._settings.keep_days * 86_400)

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
    table = FetchedTable(shared.database) if shared.has_database else None
    return FetchRounds(shared, settings, table=table)


SERVICE = Declaration(FetcherSettings, make)
