"""What robots.txt allows (RFC 9309): asked once for an origin, and remembered for a day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.concurrency import deferred, within
from toolkit.errors import ToolkitError, reason_of
from toolkit.http.robotstxt import RobotsTxt, reader_for
from toolkit.http.urls import Target

MAX_ORIGINS = 1000
MAX_REMEMBERED_BYTES = 2 * 1024 * 1024  # four of the longest, or thousands of the usual ones
REMEMBERED_SECONDS = 24 * 3600.0  # RFC 9309 §2.4
UNREACHABLE_SECONDS = 300.0

_Origin = tuple[str, str, int]

_log = Logger()


class _Known(NamedTuple):
    """What an origin allows, all or nothing if it has no rules, and until when that is known."""

    until: float
    rules: RobotsTxt | bool

    @property
    def size(self) -> int:
        return 0 if isinstance(self.rules, bool) else self.rules.size

    def allows(self, target: Target) -> bool:
        return self.rules if isinstance(self.rules, bool) else self.rules.allows(target.url)


class _Asking:
    """An origin that is being asked, and who waits for it."""

    def __init__(self) -> None:
        self.waiting: dict[Deferred[bool], Target] = {}
        self.fetching: Deferred[Any] | None = None


class Robots:
    """Says what may be fetched, by the robots.txt of each origin.

    No file (an answer of 400 to 499, or more redirects than are followed) allows everything; one
    that cannot be had (500 and above, no answer) nothing, and is asked for again after five
    minutes (RFC 9309 §2.3.1). 500 KiB of it are read. Those who ask for an origin at the same time
    share one request.

    The rules of 1,000 origins are remembered, or of fewer if they are long; the one not asked for
    longest gives way.

    Args:
        clock: The reactor, or in a test a Clock.
        fetch: Given a URL, a Deferred with the status and the body of what it answers; follows at
            least five redirects, fails with a ToolkitError, and need not read more than
            500 KiB of the body.
        user_agent: Whose rules count: the name at its beginning (RFC 9309 §2.2.1), else those for
            all.
        seconds: How long a robots.txt may take.

    Raises:
        MissingExtra: The package protego is not installed.
        ValueError: `user_agent` does not begin with a name.
    """

    def __init__(
        self,
        clock: IReactorTime,
        fetch: Callable[[str], Deferred[tuple[int, bytes]]],
        user_agent: str = "twisted-app-toolkit",
        seconds: float = 30.0,
    ) -> None:
        self._read = reader_for(user_agent)
        self._clock = clock
        self._fetch = fetch
        self._seconds = seconds
        self._known: OrderedDict[_Origin, _Known] = OrderedDict()
        self._remembered_bytes = 0
        self._asking: dict[_Origin, _Asking] = {}

    def allowed(self, target: Target) -> Deferred[bool]:
        """Whether a target may be fetched.

        Args:
            target: What is to be fetched. A robots.txt itself always may.

        Returns:
            A Deferred with the answer. Cancelling it ends this wait alone; when nobody waits any
            more, the request is cancelled too.
        """
        if target.path.partition("?")[0] == "/robots.txt":
            return succeed(True)
        known = self._known_of(target.origin)
        if known is not None:
            return succeed(known.allows(target))
        origin = target.origin
        asking = self._asking.get(origin) or _Asking()
        waiter: Deferred[bool] = Deferred(lambda given_up: self._left(origin, asking, given_up))
        asking.waiting[waiter] = target
        if origin not in self._asking:
            self._asking[origin] = asking
            asking.fetching = self._ask(target)
            asking.fetching.addBoth(self._answered, origin, asking)
        return waiter

    def crawl_delay(self, target: Target) -> float | None:
        """How many seconds the origin wants between two requests; at most 60.

        Args:
            target: What `allowed` has answered for.

        Returns:
            The seconds; None where it does not say, or where its robots.txt is not known.
        """
        known = self._known_of(target.origin)
        if known is None or isinstance(known.rules, bool):
            return None
        return known.rules.crawl_delay

    def _known_of(self, origin: _Origin) -> _Known | None:
        known = self._known.get(origin)
        if known is not None and known.until <= self._clock.seconds():
            self._forget(origin)
            return None
        if known is not None:
            self._known.move_to_end(origin)
        return known

    @deferred
    async def _ask(self, target: Target) -> _Known:
        url = target._replace(path="/robots.txt").url
        try:
            status, body = await within(self._clock, self._seconds, self._fetch(url))
        except CancelledError:
            raise
        except ToolkitError as error:
            # A redirect that leads nowhere is an answer: there is no file (RFC 9309 §2.3.1.2).
            if error.code in ("too-many-redirects", "bad-redirect"):
                status, body = 404, b""
            else:
                _log.debug("{url}: {reason}", url=url, reason=reason_of(error))
                status, body = 503, b""
        now = self._clock.seconds()
        if 200 <= status < 300:
            return _Known(now + REMEMBERED_SECONDS, self._read(body))
        if 300 <= status < 500:
            return _Known(now + REMEMBERED_SECONDS, True)
        return _Known(now + UNREACHABLE_SECONDS, False)

    def _answered(self, outcome: _Known | Failure, origin: _Origin, asking: _Asking) -> None:
        if self._asking.get(origin) is asking:
            del self._asking[origin]
        if isinstance(outcome, _Known):
            self._remember(origin, outcome)
        waiting, asking.waiting = asking.waiting, {}
        for waiter, target in waiting.items():
            if waiter.called:  # another's answer has cancelled it
                continue
            if isinstance(outcome, Failure):
                waiter.errback(outcome)
            else:
                waiter.callback(outcome.allows(target))

    def _left(self, origin: _Origin, asking: _Asking, waiter: Deferred[bool]) -> None:
        asking.waiting.pop(waiter, None)
        if not asking.waiting and self._asking.get(origin) is asking:
            del self._asking[origin]
            if asking.fetching is not None:
                asking.fetching.cancel()

    def _remember(self, origin: _Origin, known: _Known) -> None:
        self._known[origin] = known
        self._remembered_bytes += known.size
        while len(self._known) > MAX_ORIGINS or self._remembered_bytes > MAX_REMEMBERED_BYTES:
            self._forget(next(iter(self._known)))

    def _forget(self, origin: _Origin) -> None:
        self._remembered_bytes -= self._known.pop(origin).size
