"""Group: services that start one after another, and stop in reverse, within their time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from twisted.application.service import IService, IServiceCollection, Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from toolkit.child import Child
from toolkit.concurrency import deferred
from toolkit.errors import StartFailed
from toolkit.service import Health, Shared, State
from toolkit.waiting import Waiting, apart

SHARE = 0.6
"""The part of the time left for stopping that one child may use, while others wait for theirs:
of the usual 10 s more than the 5 s in which a listening service drains."""


@implementer(IServiceCollection)
class Group(Service):
    """Services that start one after another and stop in reverse.

    Starting waits for what each child's `startService` returns (a Deferred or a coroutine)
    before the next begins. If one cannot start, those before it are stopped again, in reverse,
    and the Deferred of the start fails with StartFailed, naming it. Stopping goes in reverse;
    a child that does not stop in its share of the time is cancelled, and the next one's turn
    comes. Before the first is stopped, all that have a method `stop_accepting()` are told: no
    port stays open, and what is in flight ends side by side. A stop during the start ends the
    start first: the child that is starting is cancelled, and has half of the time to end.

    Args:
        clock: The reactor, or in a test a Clock.
        start_seconds: How long the start may take in all.
        stop_seconds: How long the stop may take in all.
    """

    def __init__(
        self, clock: IReactorTime, start_seconds: float = 60.0, stop_seconds: float = 10.0
    ) -> None:
        self._clock = clock
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._health: dict[str, Health] = {}
        self._children: list[Child] = []
        self._leaving: list[Child] = []  # removed, but not yet stopped
        self._starting: object | None = None  # the start in progress, until a stop ends it
        self._stopping = False
        self._stop_ended = Waiting()
        self._stop_deadline = 0.0

    def shared(self, name: str) -> Shared:
        """A Shared for a child of this name, whose health the Group then knows.

        Args:
            name: What the child will be called; its `setName` is done by `add`.
        """
        health = self._health[name] = Health(name)
        return Shared(self._clock, name, health)

    def add(self, name: str, service: IService) -> None:
        """Give a service a name and make it the last child."""
        service.setName(name)
        service.setServiceParent(self)

    def states(self) -> dict[str, tuple[State, str]]:
        """Each child's state, and when it is degraded or failed, why."""
        return {
            str(child.service.name): (child.health.state, child.health.reason)
            for child in self._children
        }

    # IServiceCollection

    def __iter__(self) -> Iterator[IService]:
        return iter([child.service for child in self._children])

    def getServiceNamed(self, name: str) -> IService:
        """The child of that name; KeyError if there is none."""
        for service in self:
            if service.name == name:
                return service
        raise KeyError(name)

    def addService(self, service: IService) -> Deferred[None] | None:
        """Add a child; if the group has started already, start it.

        Returns:
            A Deferred that fires when the child has started, or fails with StartFailed, which
            leaves the others as they are. None if the group has not started: the child then
            starts with it. Cancelling it ends the child's start.

        Raises:
            RuntimeError: There is a child of that name.
        """
        names = {child.name for child in self}
        if service.name is None:
            numbered = (f"{type(service).__name__}-{number}" for number in count(1))
            service.name = next(name for name in numbered if name not in names)
        if service.name in names:
            raise RuntimeError(f"there are two services of the name {service.name!r}")
        child = next((one for one in self._leaving if one.service is service), None)
        if child is None:
            health = self._health.setdefault(service.name, Health(service.name))
            child = Child(self._clock, service, health, self._stop_seconds / 2)
        self._children.append(child)
        if not self.running:
            return None
        child.prepare()
        return child.start(self._start_seconds) if self._starting is None else None

    def removeService(self, service: IService) -> Deferred[None] | None:
        """Remove a child; if it runs, or is starting, stop it.

        Returns:
            A Deferred that fires when it has stopped, or None if it did not run.

        Raises:
            ValueError: It is no child of this group.
        """
        for child in self._children:
            if child.service is service:
                break
        else:
            raise ValueError(f"{service.name} is no child of this group")
        self._children.remove(child)
        if not child.active:
            return None
        self._leaving = [one for one in self._leaving if one.active] + [child]
        return child.stop(self._stop_seconds)

    # IService

    def privilegedStartService(self) -> None:
        """Let each child do what needs the privileges twistd is about to shed.

        A child that cannot is told of by the start, when its turn comes.
        """
        for child in self._children:
            child.prepare()

    def startService(self) -> Deferred[None]:
        """Start the children, one after another. While the group still stops, wait for that.

        Returns:
            A Deferred that fires when all are ready; fails with StartFailed when one cannot
            start, and with CancelledError when the group is stopped meanwhile, in both cases
            after all have been stopped again. Cancelling it stops the group.
        """
        if self.running:
            raise RuntimeError("the group is running already")
        super().startService()
        self._starting = object()
        return self._start_all(self._starting)

    @deferred
    async def _start_all(self, this: object) -> None:
        deadline = self._clock.seconds() + self._start_seconds
        try:
            if self._stopping:
                await self._stop_ended.add()
            while self._starting is this and (child := self._next()):
                # Apart, so that a start that is cancelled is ended by the stop, in order.
                await apart(child.start(deadline - self._clock.seconds()))
        except (StartFailed, CancelledError):
            if self._starting is this:
                await self.stopService()
            raise
        if self._starting is not this:
            if self._stopping:
                await self._stop_ended.add()
            raise CancelledError("the group was stopped while it was starting")
        self._starting = None

    def _next(self) -> Child | None:
        return next((child for child in self._children if not child.running), None)

    def stopService(self) -> Deferred[None]:
        """Stop the children, the last started first, each within its share of the time.

        Returns:
            A Deferred that fires when all have stopped or been given up, and never fails but
            when it is cancelled: then those that still run are told to stop and given up.
        """
        super().stopService()
        self._starting = None
        stopped = self._stop_ended.add(lambda _: self._hurry())
        if not self._stopping:
            self._stopping = True
            self._stop_deadline = self._clock.seconds() + self._stop_seconds
            for child in self._active():
                child.stop_accepting()
            self._stop_all()
        return stopped

    def _hurry(self) -> None:
        self._stop_deadline = self._clock.seconds()
        for child in self._active():
            child.hurry()

    def _active(self) -> list[Child]:
        return [child for child in [*self._children, *self._leaving] if child.active]

    @deferred
    async def _stop_all(self) -> None:
        try:
            while active := self._active():
                left = self._stop_deadline - self._clock.seconds()
                # One that hangs must not use up the time of those that come after it, unless
                # they use theirs already.
                waits = any(not child.draining for child in active[:-1])
                await active[-1].stop(left * SHARE if waits else left)
        finally:
            self._leaving.clear()
            self._stopping = False
            self._stop_ended.tell()
