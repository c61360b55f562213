"""Child: one service of a Group, with its start or its stop in progress."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from toolkit.concurrency import deferred, within
from toolkit.errors import StartFailed, TimedOut, ToolkitError, reason_of, told
from toolkit.service import Health
from toolkit.waiting import Waiting

# What a stop may raise; GeneratorExit is not the service's, and must not be waited upon.
RAISED = (Exception, SystemExit, KeyboardInterrupt)


class _Start:
    """A `startService` in progress. Told to end, or out of time, it is cancelled; if it has not
    ended `grace` seconds later it is given up."""

    def __init__(self, clock: IReactorTime, grace: float) -> None:
        self.told = False
        self.late = False
        self._clock = clock
        self._grace = grace
        self._timer: IDelayedCall | None = None
        self._call: Deferred[object] | None = None
        self._result: Deferred[object] = Deferred(lambda _: self.end())

    def begin(self, function: Callable[[], object], seconds: float) -> Deferred[object]:
        """Call the function; the Deferred has what it comes to, and is cancelled by `end`."""
        self._timer = self._clock.callLater(max(0.0, seconds), self._expire)
        call = self._call = maybeDeferred(function)
        if self.told:  # by the function itself
            call.cancel()
        call.addBoth(self._ended)
        return self._result

    def end(self) -> None:
        """Have it end, and be waited for no longer than the grace."""
        if not self.told:
            self.told = True
            self._cancel()

    def give_up(self) -> None:
        """Wait for it no longer."""
        self._stop_timer()
        if self._call is not None:
            self._call.cancel()
        if not self._result.called:
            self._result.errback(CancelledError())

    def _expire(self) -> None:
        self.late = True
        self._cancel()

    def _cancel(self) -> None:
        self._stop_timer()
        self._timer = self._clock.callLater(self._grace, self.give_up)
        if self._call is not None:
            self._call.cancel()

    def _ended(self, outcome: object) -> None:
        self._stop_timer()
        if not self._result.called:
            self._result.callback(outcome)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class Child:
    """One service of a Group: whether it runs, and its start or its stop in progress.

    Args:
        clock: The reactor, or in a test a Clock.
        service: The service.
        health: Where its state is told.
        grace_seconds: How long its start may go on after it was cancelled.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, service: IService, health: Health, grace_seconds: float
    ) -> None:
        self.service = service
        self.health = health
        self.running = False
        self._clock = clock
        self._grace = grace_seconds
        self._unprepared: Exception | None = None
        self._start: _Start | None = None
        self._start_ended = Waiting()
        self._stopping = False
        self.draining = False
        """Whether its end has begun by `stop_accepting`, before its turn to stop."""
        self._stop_call: Deferred[object] | None = None
        self._stop_ended = Waiting()

    @property
    def active(self) -> bool:
        """Whether it is starting, running or stopping."""
        return self.running or self._stopping or self._start is not None

    def prepare(self) -> None:
        """Do what needs privileges; a failure is told by the start, in its turn."""
        try:
            self.service.privilegedStartService()
        except Exception as error:  # noqa: BLE001 - raised again by start
            self._unprepared = error

    @deferred
    async def start(self, seconds: float) -> None:
        """Start the service, within so many seconds.

        Returns:
            A Deferred that fires when it has started, or was stopped before it had.

        Raises:
            StartFailed: Naming the service and the reason.
        """
        if self._stopping:
            await self._stop_ended.add()
        self.health.become("starting")
        start = self._start = _Start(self._clock, self._grace)
        try:
            await start.begin(self._begin, seconds)
            self.running = True  # even if it is late: then it is stopped with the others
            if start.late:
                raise CancelledError
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a service raises, it is named
            self._not_started(start, error, seconds)
        else:
            if self.health.state == "starting":  # it may have said already that it is degraded
                self.health.become("ready")
        finally:
            self._start = None
            self._start_ended.tell()

    def _begin(self) -> object:
        if self._unprepared is not None:
            error, self._unprepared = self._unprepared, None
            raise error
        started: object = self.service.startService()
        return started

    def _not_started(self, start: _Start, error: BaseException, seconds: float) -> None:
        if start.told:
            self.health.become("stopped")
            if not isinstance(error, CancelledError):
                self._log.failure("{service} failed to end its start", service=self.service.name)
            return
        reason = reason_of(error)
        if start.late:
            reason = f"not ready after {seconds:.3g} s; look at what it waits for"
        elif isinstance(error, CancelledError):
            reason = "its start was cancelled from within"
        elif not isinstance(error, ToolkitError | OSError):
            reason = told(error)
            self._log.failure("{service} failed to start", service=self.service.name)
        self.health.become("failed", reason)
        raise StartFailed(f"{self.service.name} could not start: {reason}") from error

    def stop(self, seconds: float) -> Deferred[None]:
        """Stop the service, within so many seconds; a start in progress is ended first.

        Returns:
            A Deferred that fires when it has stopped or was given up; it never fails. If it is
            stopping already, that is waited for.
        """
        stopped = self._stop_ended.add()
        if not self._stopping:
            self._stopping = True
            self._stop(seconds)
        return stopped

    def stop_accepting(self) -> None:
        """Have a service that runs accept no more, and end what is in flight, if it knows how."""
        ends = getattr(self.service, "stop_accepting", None)
        if ends is None or not self.running:
            return
        self.draining = True
        try:
            ends()
        except RAISED:
            self._log.failure("{service} failed to stop accepting", service=self.service.name)

    def hurry(self) -> None:
        """Give up at once what is in progress."""
        if self._start is not None:
            self._start.give_up()
        if self._stop_call is not None:
            self._stop_call.cancel()

    @deferred
    async def _stop(self, seconds: float) -> None:
        deadline = self._clock.seconds() + seconds
        try:
            if self._start is not None:
                ended = self._start_ended.add()
                self._start.end()
                await ended
            if self.running:
                await self._stop_running(deadline)
        finally:
            self.running = self._stopping = self.draining = False
            self._stop_ended.tell()

    async def _stop_running(self, deadline: float) -> None:
        began = self._clock.seconds()
        failed = self.health.state == "failed"  # it started too late: that stays to be seen
        if not failed:
            self.health.become("stopping")
        try:
            stopping = maybeDeferred(self.service.stopService)
            self._stop_call = within(self._clock, deadline - began, stopping)
            await self._stop_call
        except RAISED as error:
            now = self._clock.seconds()
            late = isinstance(error, TimedOut) and now >= deadline
            if late or isinstance(error, CancelledError):
                self._log.error(
                    "{service} did not stop within {seconds:.1f} s and was given up",
                    service=self.service.name,
                    seconds=now - began,
                )
            else:
                self._log.failure("{service} failed to stop", service=self.service.name)
        finally:
            self._stop_call = None
        if not failed:
            self.health.become("stopped")
