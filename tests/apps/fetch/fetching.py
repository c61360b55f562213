"""What stands for a Fetcher in tests, and pages as it would give them."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers

from apps.fetch.result import Kept, Result, answered
from toolkit.http.failures import FetchCancelled, FetchError
from toolkit.http.page import Page, Timings
from toolkit.http.sink import Sink

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
        self.asked: list[tuple[str, str, list[tuple[bytes, list[bytes]]], bytes | None]] = []
        self.waiting: dict[int, tuple[Deferred[Page], Sink | None]] = {}
        self.sinks: list[Sink | None] = []
        self.most = 0

    def request(
        self,
        method: str,
        url: str,
        headers: Headers | None = None,
        body: bytes | None = None,
        sink: Sink | None = None,
    ) -> Deferred[Page]:
        fields = [(key, list(values)) for key, values in (headers or Headers()).getAllRawHeaders()]
        self.asked.append((method, url, fields, body))
        self.sinks.append(sink)
        number = len(self.asked)

        def cancelled(asked: Deferred[Page]) -> None:
            del self.waiting[number]
            if sink is not None:
                sink.drop()
            asked.errback(FetchCancelled("cancelled"))

        asked: Deferred[Page] = Deferred(cancelled)
        self.waiting[number] = asked, sink
        self.most = max(self.most, len(self.waiting))
        if sink is not None:  # a first try, that is cut off
            sink.begin()
            sink.write(b"half of")
        answer = self.answers.get(url)
        if answer is not None:
            self.answer(answer, number)
        return asked

    def answer(self, found: Page | FetchError | Exception, number: int | None = None) -> None:
        """Answer what has waited longest, or the one of that number."""
        asked, sink = self.waiting.pop(number or next(iter(self.waiting)))
        if sink is not None:
            sink.drop()
            if isinstance(found, Page) and found.status < 400:
                try:
                    found = _sunk(found, sink)
                except FetchError as failure:
                    sink.drop()
                    found = failure
        if isinstance(found, Page):
            asked.callback(found)
        else:
            asked.errback(found)


def _sunk(found: Page, sink: Sink) -> Page:
    sink.begin()
    for start in range(0, len(found.body), 3):
        sink.write(found.body[start : start + 3])
    sink.end()
    return Page(
        found.url, found.final_url, found.status, found.fields, b"", found.size, found.seconds,
        found.timings,
    )  # fmt: skip
