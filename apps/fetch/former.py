"""The Fetcher as it was, with `get` only, behind what the command asks of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from toolkit.concurrency import deferred
from toolkit.http.page import Page, Timings


class FormerFetcher:
    """To be deleted with the Fetcher that it is for.

    Args:
        fetcher: A Fetcher without `request` and `download`.
    """

    def __init__(self, fetcher: Any) -> None:
        self._fetcher = fetcher

    @deferred
    async def request(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Page:
        """The page, always by GET."""
        page = await self._fetcher.get(url)
        fields = [(name, value) for name, all_ in page.headers.getAllRawHeaders() for value in all_]
        size = len(page.body)
        return Page(
            url, page.final_url, page.status, fields, page.body, size, page.seconds, Timings()
        )

    @deferred
    async def download(
        self,
        url: str,
        path: str,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Page:
        """The page, its body in a file."""
        page = await self.request(method, url, headers, body)
        with open(path, "wb") as file:
            file.write(page.body)
        page.body = b""
        return page

    def close(self) -> Deferred[None]:
        """Leave nothing open."""
        closed: Deferred[None] = self._fetcher.close()
        return closed
