"""Poller: watch files and folders, and tell of what is created, modified and deleted.

Asking again and again finds changes on every file system, network mounts included, where the
kernel's notifications say nothing of what another machine did.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from twisted.application.service import IService, Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from toolkit.concurrency import deferred, deferred_from, within
from toolkit.errors import SettingsError, TimedOut
from toolkit.files import Change, Watcher
from toolkit.periodic import Periodic
from toolkit.service import Declaration, Health, Shared
from toolkit.settings import Meta, Settings

T = TypeVar("T")

STUCK_SECONDS = 30.0
"""How long a look, or what is done with one change, may take before the health tells of it."""

STOP_SECONDS = 2.0
"""How long the stop waits for a look in progress, or for what is done with a change."""

_CHANGES_A_TURN = 100


def _check_path(path: str) -> None:
    if not path or "\0" in path:
        raise ValueError("a list of files, folders and patterns, none empty or with a NUL")


class PollerSettings(Settings):
    """Watch files and folders, and log what is created, modified and deleted."""

    paths: Annotated[
        tuple[str, ...],
        Meta(
            description="files, folders and patterns (*, **) to watch", extra={"check": _check_path}
        ),
    ]
    poll_seconds: Annotated[
        float, Meta(ge=0.01, description="seconds from one look to the next")
    ] = 1.0
    settle_seconds: Annotated[
        float, Meta(ge=0, description="seconds a file must have stood still to be announced")
    ] = 2.0
    announce_existing: Annotated[
        bool, Meta(description="announce the files that are there at the start as created")
    ] = True
    max_files: Annotated[int, Meta(ge=1, description="the most files watched")] = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.paths:
            raise SettingsError(
                ["PollerSettings.paths: expected at least one file, folder or pattern, found []"]
            )


class Poller(Service):
    """A service that looks at files every so often, and hands on what became of them.

    Each change is logged and then handed to `announce`, one after another: the next waits for
    the Deferred that the last one returned, and so does the next look. One that fails is logged,
    and is not handed on again. After a look that could not see everything, the health says
    degraded and why; after one that could, recovered.

    What is there when the service starts is announced as created, so that nothing is lost that
    came while it was down: what has been dealt with should be moved away or remembered. With
    `announce_existing` off only what happens from then on is announced.

    Each look runs in a thread of its own. The stop waits 2 s for a look, or an `announce`, that
    is in progress, and leaves the rest; a mount that hangs holds neither it nor the process.

    Args:
        clock: The reactor; in a test a Clock, and the looks then run in the test's own thread.
        settings: What is watched, and how.
        announce: Called with each Change; may return a Deferred or a coroutine.
        health: Where it says that it is degraded, and has recovered.
        in_thread: Calls a function without blocking the reactor; a thread when left out.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Any,
        settings: PollerSettings,
        announce: Callable[[Change], object] | None = None,
        health: Health | None = None,
        in_thread: Callable[[Callable[[], list[Change]]], Deferred[list[Change]]] | None = None,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._announce = announce
        self._health = health or Health("poller")
        self._in_thread = in_thread or self._in_own_thread
        self._watcher = self._new_watcher()
        self._periodic = Periodic(clock, settings.poll_seconds, self._look, self._health)

    def _new_watcher(self) -> Watcher:
        return Watcher(
            self._clock,
            self._settings.paths,
            self._settings.settle_seconds,
            announce_existing=self._settings.announce_existing,
            max_files=self._settings.max_files,
        )

    def startService(self) -> None:
        """Look for the first time; relative paths are below the folder the process is in now."""
        super().startService()
        if self._health.state == "stopped":  # no Group looks after it
            self._health.become("ready")
        # A new one: a look that was left behind at the last stop may still be using the old one.
        self._watcher = self._new_watcher()
        self._log.info(
            "{service} watches {paths}",
            service=self._health.name,
            paths=", ".join(self._watcher.patterns),
        )
        self._periodic.startService()

    @deferred
    async def stopService(self) -> None:
        """Look no more.

        Returns:
            A Deferred that fires when the look in progress has ended, and what was being done
            with a change, or after 2 s. Cancelling it leaves both at once.
        """
        super().stopService()
        try:
            await within(self._clock, STOP_SECONDS, self._periodic.stopService())
        except TimedOut:
            self._log.warn(
                "{service} stopped without waiting longer for what it was doing",
                service=self._health.name,
            )
        if self._health.state in ("ready", "degraded"):
            self._health.become("stopped")

    @deferred
    async def _look(self) -> None:
        watcher = self._watcher
        looks = self._in_thread(watcher.look)
        changes = await self._watched(looks, lambda: f"looking at {watcher.looking_at!r}")
        self._say_how_it_is()
        for number, change in enumerate(changes, start=1):
            if not self.running:
                break
            if number % _CHANGES_A_TURN == 0:
                await deferLater(self._clock, 0)  # let the reactor do something else, too
            await self._hand_on(change)

    async def _hand_on(self, change: Change) -> None:
        self._log.info(
            "{change}: {path}, {size} bytes",
            change=change.kind,
            path=change.path,
            size=change.size,
            modified=change.modified,
            service=self._health.name,
        )
        if self._announce is None:
            return
        try:
            handed = deferred_from(self._announce(change))
            await self._watched(handed, lambda: f"what is done with {change.path!r}")
        except Exception as error:  # whatever it raises, the watching goes on
            if isinstance(error, CancelledError) and not self.running:
                raise
            self._log.failure(
                "{service} could not hand on that {path} was {change}",
                service=self._health.name,
                path=change.path,
                change=change.kind,
            )

    @deferred
    async def _watched(self, waited: Deferred[T], what: Callable[[], str]) -> T:
        """Wait, and let the health tell when that takes long."""

        def tell() -> None:
            self._health.degraded(f"{what()} has taken more than {STUCK_SECONDS:g} s so far")

        timer = self._clock.callLater(STUCK_SECONDS, tell)
        try:
            return await waited
        finally:
            if timer.active():
                timer.cancel()
            else:
                self._say_how_it_is()

    def _say_how_it_is(self) -> None:
        if self._watcher.trouble:
            self._health.degraded(self._watcher.trouble)
        else:
            self._health.recovered()

    def _in_own_thread(self, function: Callable[[], T]) -> Deferred[T]:
        if not IReactorFromThreads.providedBy(self._clock):
            return maybeDeferred(function)
        result: Deferred[T] = Deferred()

        def call() -> None:
            outcome: T | Failure
            try:
                outcome = function()
            except BaseException:  # noqa: BLE001 - it is raised again where the Deferred is awaited
                outcome = Failure()
            self._clock.callFromThread(result.callback, outcome)

        # Not the reactor's pool, which also resolves names, nor any that joins its threads when
        # it is stopped: one that a mount holds would hold the process, too. A daemon does not.
        threading.Thread(target=call, name=f"{self._health.name} look", daemon=True).start()
        return result


def make(shared: Shared, settings: PollerSettings) -> IService:
    """A poller that logs what becomes of the files its settings name."""
    poller: IService = Poller(shared.reactor, settings, health=shared.health)
    return poller


SERVICE = Declaration(PollerSettings, make)
