"""One fetch, from its URL to a Page: asked, redirected, tried again, read.

Callbacks and one object, no coroutine: what a coroutine and its Deferreds cost is more than the
request itself does.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.http.asking import Asked, BytesProducer
from toolkit.http.body import abandon, decode, read_body
from toolkit.http.decoding import Identity, decoder_for
from toolkit.http.failures import FetchCancelled, FetchError, fetch_error
from toolkit.http.page import Page, Trail, values_of
from toolkit.http.phases import Phases
from toolkit.http.retrying import BUSY, LEAST_SECONDS, MOST_OBEYED_SECONDS, seconds_wanted
from toolkit.http.run import Run
from toolkit.http.sink import NOWHERE, Sink
from toolkit.http.urls import Target, masked, redirected

_log = Logger()

REDIRECTS = frozenset((301, 302, 303, 307, 308))
SPARE_BODY_BYTES = 65_536
"""The most of a body that nobody wants, read so that its connection can be used again."""


def _fields_of(response: Any) -> list[tuple[bytes, bytes]]:
    return [
        (name, value) for name, values in response.headers.getAllRawHeaders() for value in values
    ]


class Fetching(Phases):
    """One fetch.

    It waits for its origin's pace and then for its turn, asks, and reads the answer. A redirect
    or another try begins again at the first of these, but before all who have not begun. At each
    moment it waits for one thing, `_waited`; giving up cancels that, and frees what it has.

    Args:
        run: What all fetches of a Fetcher share.
        url: The URL, as it was given.
        asked: What is asked.
        sink: Where a body below 400 goes, None for the Page; that of 304 is none.
        robots: Whether robots.txt is asked first, if the settings want that.
        max_bytes: The most bytes of the body, in place of what the settings say.
    """

    _target: Target | None = None
    _origin: Any = None
    _is_paced = _is_over = _sink_is_open = False
    _waited: Deferred[Any] | None = None
    _has_begun = False
    _attempts = 1
    _redirects: tuple[str, ...] = ()
    _status: int | None = None

    def __init__(
        self,
        run: Run,
        url: str,
        asked: Asked,
        sink: Sink | None = None,
        robots: bool = True,
        max_bytes: int | None = None,
    ) -> None:
        self._run = run
        self._url = url
        self._asked = asked
        self._sink = sink
        self._max_bytes = run.settings.max_bytes if max_bytes is None else max_bytes
        self._asks_robots = robots and run.robots is not None
        self.done: Deferred[Page] = Deferred(self._cancelled)
        self._called_at = run.clock.seconds()

    def start(self) -> Deferred[Page]:
        """Begin; gives the Deferred of its Page."""
        done = self.done
        try:
            self._target = self._run.targets.parse(self._url)
        except FetchError as error:
            self._fail(error)
            return done
        self._run.running.add(self)
        self._approach(False)
        return done

    @property
    def has_turn(self) -> bool:
        """Whether it is being fetched now, and does not wait."""
        return self._has_turn

    def give_up(self, error: FetchError) -> None:
        """End it now; what it has is freed before its Deferred fails.

        Args:
            error: What it fails with.
        """
        if not self._is_over:
            self._fail(error)

    def late(self) -> None:
        """Its time is over."""
        assert self._target is not None
        seconds = self._run.settings.timeout_seconds
        self.give_up(
            FetchError(
                f"{self._target.place} did not complete its answer within {seconds:g} s", "deadline"
            )
        )

    def _cancelled(self, _: object) -> None:
        when = "" if self._has_turn else " before its turn"
        self.give_up(FetchCancelled(f"{masked(self._url)} was cancelled{when}"))

    # Waiting for its turn.

    def _approach(self, again: bool) -> None:
        """Begin, or go on to another URL or another try."""
        target = self._target
        assert target is not None
        self._request = None
        self._origin = target.origin
        if self._asks_robots:
            robots = self._run.robots
            assert robots is not None
            self._wait(robots.allowed(target), self._judged, again)
        elif self._run.pacing.take_at_once(self._origin):
            self._paced(None, again)
        else:
            self._wait(self._run.pacing.take(self._origin, again), self._paced, again)

    def _judged(self, allowed: bool, again: bool) -> None:
        assert self._target is not None
        if not allowed:
            raise FetchError(
                f"the robots.txt of {self._target.place} does not allow {masked(self._target.url)}",
                "robots-refused",
            )
        self._wait(self._run.pacing.take(self._origin, again), self._paced, again)

    def _paced(self, _: object, again: bool) -> None:
        self._is_paced = True
        if self._run.turns.take_at_once():
            self._ask()
        else:
            self._wait(self._run.turns.take(again), self._ask)

    # Asking.

    def _ask(self, _: object = None) -> None:
        run, target, asked = self._run, self._target, self._asked
        assert target is not None
        self._has_turn = True
        self._waited = None  # from here on it is the request that is waited for
        now = self._asked_at = run.clock.seconds()
        if not self._has_begun:
            self._has_begun = True
            run.deadlines.watch(self, now)
            run.retrying.begin()
        try:
            cookie = None if run.cookies is None else run.cookies.header_for(target)
            headers = asked.headers_for(target, run.prepared, cookie)
            producer = None if asked.body is None else BytesProducer(asked.body)
            if run.own is not None:
                request = run.own.prepare_for(asked.method, target, headers, producer, self)
                self._request = request
                run.own.send(request)
            else:
                uri = target.url.encode("ascii")
                self._stands = "first_byte"
                asking = run.agent.request(asked.method, uri, headers, producer)
                self._wait(asking, self._answered)
        except Exception:  # noqa: BLE001 - FetchError, or what another agent raised: it is the fetch's
            self._failed(Failure())

    def callback(self, response: Any) -> None:
        """Its request is answered."""
        try:
            self._answered(response)
        except Exception:  # noqa: BLE001 - FetchError, or a bug: it is the fetch's to tell
            self._failed(Failure())

    def errback(self, error: BaseException | Failure) -> None:
        """Its request has failed."""
        self._failed(error if isinstance(error, Failure) else Failure(error))

    def _answered(self, response: Any) -> None:
        self._waited = None
        if self._is_over:  # an agent that does not heed its cancellation
            abandon(response)
            return
        target = self._target
        assert target is not None
        self._note_head(response, self._run.clock)
        status = self._status = response.code
        run = self._run
        fields = response.fields if run.own is not None else _fields_of(response)
        if run.cookies is not None:
            run.cookies.take(target, fields)
        if status in REDIRECTS and run.settings.max_redirects:
            location = values_of(fields, b"location")
            if location:
                self._redirect(response, target, location[0])
                return
        elif status in BUSY:
            wait = self._wait_of(fields, status)
            if wait is not None:
                self._leave(response, self._again, wait)
                return
        self._read(response, target, fields)

    # What is not the end: redirects, and other tries.

    def _redirect(self, response: Any, target: Target, location: bytes) -> None:
        limit = self._run.settings.max_redirects
        try:
            if len(self._redirects) >= limit:
                circle = ", in a circle" if target.url in self._redirects else ""
                raise FetchError(
                    f"more than {limit} redirects{circle}, the last from {masked(target.url)}",
                    "too-many-redirects",
                )
            following = redirected(target, location, self._run.settings.allow_downgrade)
        except FetchError:
            abandon(response)
            raise
        self._leave(response, self._follow, following)

    def _follow(self, following: Target) -> None:
        target = self._target
        assert target is not None
        assert self._status is not None
        self._redirects = (*self._redirects, target.url)
        self._asked = self._asked.redirected(self._status, following.origin == target.origin)
        self._target = following
        run, origin = self._run, self._origin
        self._has_turn = self._is_paced = False
        self._approach(True)
        # Only now, that it waits already, or others would be before it.
        run.pacing.give_back(origin)
        run.turns.give_back()

    def _wait_of(self, fields: list[tuple[bytes, bytes]], status: int) -> float | None:
        """How long to wait before another try; None where this answer is final."""
        run = self._run
        values = values_of(fields, b"retry-after")
        left = run.deadlines.left(self)
        wait = run.retrying.after_answer(self._asked.method, status, values, self._attempts, left)
        if status == 429:
            rest = seconds_wanted(values, run.wall_clock())
            if not rest:  # though this answer may be final, others are to come later
                rest = wait or (LEAST_SECONDS if rest is None else 0.0)
            if rest:
                run.pacing.cool_down(self._origin, min(rest, MOST_OBEYED_SECONDS))
        return wait

    def _again(self, wait: float) -> None:
        self._attempts += 1
        self._free()
        self._wait(deferLater(self._run.clock, wait), self._rested)

    def _rested(self, _: object) -> None:
        self._approach(True)

    def _leave(self, response: Any, follows: Any, *arguments: object) -> None:
        """Read a body that nobody wants, so that its connection can be used again; then go on."""
        if self._request is not None and response.take_whole() is not None:
            self._note_body(response.ended_at)
            follows(*arguments)
            return
        target = self._target
        assert target is not None

        def left(_: object) -> None:
            # A body that is bad does not matter: it is not the answer.
            if not self._is_over:
                self._note_body(self._run.clock.seconds())
                follows(*arguments)

        reading = read_body(response, Identity(), SPARE_BODY_BYTES, target.place, bytes)
        reading.addErrback(lambda failure: failure.trap(FetchError, CancelledError))
        self._wait(reading, left)

    # The end.

    def _read(self, response: Any, target: Target, fields: list[tuple[bytes, bytes]]) -> None:
        max_bytes = self._max_bytes
        # What 304 says is that nothing is to be written.
        sink = self._sink
        if (response.code >= 400 or response.code == 304) and sink is not NOWHERE:
            sink = None
        whole: bytes | None = None
        if self._request is not None:
            whole = response.take_whole()
            if (
                whole is not None
                and not response.coded
                and (sink is None or sink is NOWHERE)
                and len(whole) <= max_bytes
            ):
                self._complete(response, fields, b"" if sink else whole, len(whole))
                return
        try:
            # Of HEAD there is no body, whatever coding it would have.
            coded = self._asked.method != b"HEAD"
            decoder = decoder_for(values_of(fields, b"content-encoding") if coded else [])
            if sink is not None:
                sink.begin()
                self._sink_is_open = True
        except FetchError:
            if whole is None:
                abandon(response)
            raise
        pieces: list[bytes] = []
        take = pieces.append if sink is None else sink.write

        def complete(size: int) -> None:
            self._complete(response, fields, b"".join(pieces), size)

        if whole is not None:
            complete(decode(whole, decoder, max_bytes, target.place, take))
        else:
            reading = read_body(response, decoder, max_bytes, target.place, take)
            self._wait(reading, complete)

    def _complete(
        self, response: Any, fields: list[tuple[bytes, bytes]], body: bytes, size: int
    ) -> None:
        if self._is_over:
            return
        ended_at = response.ended_at if self._request is not None else self._run.clock.seconds()
        self._note_body(ended_at)
        if self._sink_is_open:
            assert self._sink is not None
            self._sink_is_open = False
            self._sink.end()
        done = self._end()
        target = self._target
        assert target is not None
        seconds = ended_at - self._called_at
        page = Page(
            self._url, target.url, response.code, fields, body, size, seconds,
            self._timings(seconds), self._attempts, self._redirects,
        )  # fmt: skip
        done.callback(page)

    def _failed(self, failure: Failure) -> None:
        if self._is_over:
            return
        target = self._target
        assert target is not None
        error: Any = failure.value
        try:
            if not isinstance(error, FetchError):
                # Another agent's, or a cancelled one: each kind is given its code, and chained.
                found = fetch_error(error, target.place)
                found.__cause__ = error
                error = found
        except BaseException:  # noqa: BLE001 - a bug, which is whose the fetch is to know
            self._end().errback(failure)
            return
        run = self._run
        if self._has_turn:
            wait = run.retrying.after_failure(
                self._asked.method, error, self._attempts, run.deadlines.left(self)
            )
            if wait is not None:
                self._note_failed(self._phase(), run.clock.seconds())
                if self._sink_is_open:
                    self._drop()
                self._again(wait)
                return
        self._fail(error)

    def _fail(self, error: FetchError) -> None:
        now = self._run.clock.seconds()
        if error.url:  # several that waited for the same name fail with the same error
            cause, error = error, type(error)(str(error), error.code)
            error.__cause__ = cause
        error.url = self._url
        if self._target is not None:
            error.phase = self._phase()
            self._note_failed(self._phase(), now)
            seconds = now - self._called_at
            error.trail = Trail(
                self._target.url, seconds, self._timings(seconds), self._attempts,
                self._redirects, self._status,
            )  # fmt: skip
        self._end().errback(error)

    # What it holds, and how long it took.

    def _wait(self, waited: Deferred[Any], then: Any, *arguments: object) -> None:
        self._waited = waited
        waited.addCallback(then, *arguments).addErrback(self._failed)

    def _free(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._run.turns.give_back()
        if self._is_paced:
            self._is_paced = False
            self._run.pacing.give_back(self._origin)

    def _drop(self) -> None:
        assert self._sink is not None
        self._sink_is_open = False
        try:
            self._sink.drop()
        except Exception:  # noqa: BLE001 - what the fetch came to is told, whatever a sink does then
            _log.failure("what there was of {url} could not be dropped", url=masked(self._url))

    def _end(self) -> Deferred[Page]:
        """Free all that it has; gives its Deferred, which it does not know any more: that knows it,
        and neither shall wait for the garbage collector."""
        self._is_over = True
        waited, self._waited = self._waited, None
        if waited is not None:
            waited.cancel()
        request = self._request
        if request is not None and request.answered is self:
            request.cancel()
        if self._sink_is_open:
            self._drop()
        run = self._run
        run.deadlines.forget(self)
        run.running.discard(self)
        self._free()
        done = self.done
        del self.done
        return done
