"""One URL, from the request to its result: saved, checked, with its title, where that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from apps.fetch.checking import Checksums
from apps.fetch.partial import BEGINNING_BYTES, write_failed
from apps.fetch.refreshing import NOT_MODIFIED, conditions, unchanged
from apps.fetch.request import Request
from apps.fetch.result import Kept, Problem, Result, answered, failed, field_of
from apps.fetch.saving import Place, Target
from toolkit.http.failures import FetchError
from toolkit.http.page import Page
from toolkit.http.sink import NOWHERE, FirstBytes, Sink

_BLOCKED_SECONDS = 0.02

TitleOf = Callable[[bytes, bytes | None], str | None]
"""`title_of(body, content_type)`: the title, None where there is none."""


class Fetches(Protocol):
    """What fetches: a Fetcher, or in a test what stands for one."""

    def request(
        self,
        method: str,
        url: str,
        headers: Headers | None = None,
        body: bytes | None = None,
        sink: Sink | None = None,
    ) -> Deferred[Page]:
        """The page; where there is a sink, and the status is below 400, its body goes there."""


class Asking:
    """Asks URLs, and makes of whatever comes of it a result.

    Args:
        reactor: The reactor.
        fetches: The Fetcher.
        request: What is sent.
        target: Where bodies are saved, None where they are not.
        checksums: What bodies have to be, None where they may be anything.
        title_of: Finds the title, None where it is not asked for.
        keeps: Whether results are for a journal: Kept.
        wait_seconds: How long to wait until somebody reads from a FIFO.
    """

    def __init__(
        self,
        reactor: Any,
        fetches: Fetches,
        request: Request | None = None,
        target: Target | None = None,
        checksums: Checksums | None = None,
        title_of: TitleOf | None = None,
        keeps: bool = False,
        wait_seconds: float = 30.0,
    ) -> None:
        self._reactor = reactor
        self._fetches = fetches
        self._method, fields, self._body = request or Request()
        self._headers = _with(Headers(), fields) if fields else None
        self._target = target
        self._checksums = checksums
        self._title_of = title_of
        self._keeps = keeps
        self._wait_seconds = wait_seconds

    def ask(self, url: str, former: Kept | None = None) -> Deferred[Result]:
        """Ask one URL.

        Args:
            url: As it was given.
            former: Its result so far: it is asked for only if it has changed.

        Returns:
            A Deferred with the result, failures included. Cancelling it fails it with
            CancelledError, and no file is left.
        """
        headers = self._headers
        if former is not None:
            headers, former = self._conditional(former)
        if self._target is not None:
            return Deferred.fromCoroutine(self._save(self._target, url, headers, former))
        sink = self._sink()
        asked = self._fetches.request(self._method, url, headers, self._body, sink)
        return asked.addCallbacks(
            self._answered, self._failed, callbackArgs=(url, former, sink), errbackArgs=(url,)
        )

    def _sink(self) -> Sink | None:
        """Where a body goes that is not saved: no more of it is in memory than is looked at."""
        if self._checksums is not None:
            return None
        return NOWHERE if self._title_of is None else FirstBytes(BEGINNING_BYTES)

    def _conditional(self, former: Kept) -> tuple[Headers | None, Kept | None]:
        """The headers, and the former result if the answer may be that it still counts."""
        if self._method not in ("GET", "HEAD") or self._checksums is not None:
            return self._headers, None
        fields = conditions(former, self._target is not None, self._title_of is not None)
        if not fields:
            return self._headers, None
        return _with(self._headers or Headers(), fields), former

    def _answered(
        self, page: Page, url: str, former: Kept | None, sink: Sink | None = None
    ) -> Result:
        if self._title_of is None and self._checksums is None and not self._keeps:
            return answered(url, page)  # most are, and there are many
        body = sink.data if isinstance(sink, FirstBytes) and _is_good(page) else page.body
        result = self._result(url, page, body)
        if self._checksums is not None and page.status < 400:
            import hashlib

            try:
                self._checksums.verify(url, None, hashlib.sha256(page.body).digest())
            except FetchError as error:
                return _spoilt(result, error)
        return _or_former(result, former)

    def _failed(self, failure: Failure, url: str) -> Result:
        error = failure.value
        if not isinstance(error, FetchError) or isinstance(error, CancelledError):
            failure.raiseException()
        return self._kept(failed(url, error))

    def _kept(self, result: Result) -> Result:
        return Kept(*(getattr(result, name) for name in _FIELDS)) if self._keeps else result

    def _result(self, url: str, page: Page, body: bytes) -> Result:
        title = None
        if self._title_of is not None:
            kind = field_of(page, b"content-type")
            title = self._title_of(body, None if kind is None else kind.encode("latin-1"))
        result = self._kept(answered(url, page, title))
        if isinstance(result, Kept):
            result.etag = field_of(page, b"etag")
            result.last_modified = field_of(page, b"last-modified")
        return result

    async def _save(
        self, target: Target, url: str, headers: Headers | None, former: Kept | None
    ) -> Result:
        place: Place | None = None
        result: Result | None = None
        try:
            place = target.place(url)
            partial = place.partial
            partial.is_summed = self._checksums is not None
            page = await self._fetches.request(self._method, url, headers, self._body, partial)
            is_good = _is_good(page)
            result = self._result(url, page, partial.beginning if is_good else page.body)
            if is_good:
                if self._checksums is not None:
                    self._checksums.verify(url, place.name, partial.digest)
                await self._keep(place)
                result.path = place.name
            return _or_former(result, former)
        except CancelledError:
            raise
        except FetchError as error:
            return self._kept(failed(url, error)) if result is None else _spoilt(result, error)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and place is not None and place.name is None:
                raise  # whoever read standard output has gone
            problem = write_failed(None if place is None else place.name, error)
            return self._kept(failed(url, problem)) if result is None else _spoilt(result, problem)
        finally:
            if place is not None:
                place.drop()

    async def _keep(self, place: Place) -> None:
        until = self._reactor.seconds() + self._wait_seconds
        while place.blocks():
            if self._reactor.seconds() >= until:
                raise OSError(0, f"nobody has read from it within {self._wait_seconds:g} s")
            await deferLater(self._reactor, _BLOCKED_SECONDS)
        # The reactor sees to the others between two pieces.
        for waits in place.keep():
            await deferLater(self._reactor, _BLOCKED_SECONDS if waits else 0.0)


def _is_good(page: Page) -> bool:
    """Whether its body went to the sink."""
    return page.status < 400 and page.status != NOT_MODIFIED


def _with(headers: Headers, fields: Iterable[tuple[str, str]]) -> Headers:
    headers = headers.copy()
    for name, value in fields:
        headers.addRawHeader(name.encode("ascii"), value.encode("utf-8", "surrogateescape"))
    return headers


_FIELDS = Result.__struct_fields__


def _spoilt(result: Result, error: FetchError) -> Result:
    """An answer came, and what was to be done with its body could not be."""
    result.error = Problem(error.code, error.phase or "body", str(error))
    result.path = None
    return result


def _or_former(result: Result, former: Kept | None) -> Result:
    if former is None or result.status != NOT_MODIFIED:
        return result
    return unchanged(result, former)
