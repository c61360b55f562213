"""Results of many fetches, as they complete."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from toolkit.http.failures import FetchError
from toolkit.http.page import Page


class Results:
    """What many URLs come to, in the order in which they are done: `async for` reads it, once.

    Who takes slowly has no more fetched: a bounded number is under way or waits to be taken.
    Leaving the loop before its end leaves those under way to their ends, or to `cancel`.

    Args:
        fetch: Fetches one URL.
        urls: The URLs.
        limit: The most under way and waiting to be taken.
    """

    def __init__(
        self, fetch: Callable[[str], Deferred[Page]], urls: Iterable[str], limit: int
    ) -> None:
        self._fetch = fetch
        self._urls: Iterator[str] | None = iter(urls)
        self._limit = limit
        self._under_way: dict[Deferred[None], None] = {}
        self._ready: deque[Page | FetchError | Failure] = deque()
        self._taker: Deferred[None] | None = None

    def __aiter__(self) -> Results:
        return self

    async def __anext__(self) -> Page | FetchError:
        while True:
            self._begin_some()
            if self._ready:
                result = self._ready.popleft()
                if isinstance(result, Failure):
                    self.cancel()
                    result.raiseException()
                return result
            if not self._under_way:
                raise StopAsyncIteration
            self._taker = Deferred()
            try:
                await self._taker
            finally:
                self._taker = None

    def cancel(self) -> None:
        """Cancel what is under way, and begin no more. What is done can still be taken."""
        self._urls = None
        for fetching in reversed(list(self._under_way)):  # the last first: they may wait still
            fetching.cancel()

    def _begin_some(self) -> None:
        while self._urls is not None and len(self._under_way) + len(self._ready) < self._limit:
            try:
                url = next(self._urls)
            except StopIteration:
                self._urls = None
                return
            fetching = self._fetch(url)
            done: Deferred[None] = fetching.addBoth(self._done)
            self._under_way[done] = None
            done.addCallback(self._forget, done)

    def _done(self, result: Page | Failure) -> None:
        if isinstance(result, Failure) and isinstance(result.value, FetchError):
            self._ready.append(result.value)
        else:  # any other failure is a bug, and whose loop it is gets to know
            self._ready.append(result)

    def _forget(self, _: object, done: Deferred[None]) -> None:
        del self._under_way[done]
        if self._taker is not None:
            taker, self._taker = self._taker, None
            taker.callback(None)
