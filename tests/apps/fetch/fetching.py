"""What stands for a Fetcher in tests, and pages as it would give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, fail, succeed

from apps.fetch.result import Kept, Result, answered
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.page import Page, Timings

URL = "http://a.example/"
TIMINGS = Timings(queue=0.001, first_byte=0.02, body=0.0104)


def page(
    url: str = URL,
    status: int = 200,
    body: bytes = b"hello",
    fields: Sequence[tuple[bytes, bytes]] = (),
    seconds: float = 0.0314,
    timings: Timings = TIMINGS,
) -> Page:
    """A page."""
    return Page(url, url, status, list(fields), body, len(body), seconds, timings)


def result(
    url: str = URL, status: int = 200, body: bytes = b"hello", seconds: float = 0.0314
) -> Result:
    """Its result."""
    return answered(url, page(url, status, body, seconds=seconds))


def kept(url: str = URL, status: int = 200, etag: str | None = None) -> Kept:
    """Its result, for a journal."""
    plain = result(url, status)
    found = Kept(*(getattr(plain, name) for name in Result.__struct_fields__))
    found.etag = etag
    return found


def error(code: str = "connect-refused", message: str = "it refused", url: str = URL) -> FetchError:
    """An error, as a Fetcher gives it for what it had not begun."""
    made = FetchError(message, code)
    made.url = url
    return made


class FakeFetcher:
    """Answers with what it was given; a URL it knows nothing of is asked until it is cancelled."""

    def __init__(self, answers: dict[str, Page | FetchError] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[tuple[str, str, tuple[tuple[str, str], ...], bytes | None]] = []
        self.waiting: dict[str, Deferred[Page]] = {}
        self.most = 0
        self.closed = False

    def request(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Deferred[Page]:
        self.asked.append((method, url, tuple(headers), body))
        answer = self.answers.get(url)
        if answer is None:
            asked: Deferred[Page] = Deferred(
                lambda asked: asked.errback(FetchCancelled("cancelled"))
            )
            self.waiting[f"{url} {len(self.asked)}"] = asked
            self.most = max(self.most, len(self.waiting))
            return asked
        return fail(answer) if isinstance(answer, FetchError) else succeed(answer)

    def download(
        self,
        url: str,
        path: str,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Deferred[Page]:
        def save(found: Page) -> Page:
            Path(path).write_bytes(found.body)
            size = len(found.body)
            return Page(
                url, found.final_url, found.status, found.fields, b"", size, 0.0, found.timings
            )

        Path(path).write_bytes(b"half of")
        return self.request(method, url, headers, body).addCallback(save)

    def answer(self, found: Page | FetchError) -> None:
        """Answer what has waited longest."""
        asked = self.waiting.pop(next(iter(self.waiting)))
        if isinstance(found, FetchError):
            asked.errback(found)
        else:
            asked.callback(found)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)
