"""What a service is: declared once, given what it shares, and able to say how it fares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from twisted.application.service import IService
from twisted.logger import Logger

from toolkit.errors import ToolkitError
from toolkit.settings import Settings

if TYPE_CHECKING:
    from toolkit.database.database import Database

S = TypeVar("S", bound=Settings)

State = Literal["starting", "ready", "degraded", "stopping", "stopped", "failed"]


class Health:
    """What one service says of itself: its state, and when it is degraded or failed, why.

    Args:
        name: The service's name, for the log.
    """

    _log = Logger()

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: State = "stopped"
        self.reason = ""

    def become(self, state: State, reason: str = "") -> None:
        """Enter a state; the Group does this for the steps of starting and stopping."""
        self.state, self.reason = state, reason

    def degraded(self, reason: str) -> None:
        """Say that the service runs, but not as it should. Logged when it is news."""
        news = (self.state, self.reason) != ("degraded", reason)
        if news and self.state in ("starting", "ready", "degraded"):
            self._log.warn("{service} is degraded: {reason}", service=self.name, reason=reason)
            self.become("degraded", reason)

    def recovered(self) -> None:
        """Say that the service runs as it should again. Logged when it is news."""
        if self.state == "degraded":
            self._log.info("{service} has recovered", service=self.name)
            self.become("ready")


def _no_database() -> Database:
    raise ToolkitError(
        "there is no database here: Shared(…, give_database=lambda: database) gives one",
        "broken-service",
    )


@dataclass(frozen=True)
class Shared:
    """What a service is given besides its settings.

    Args:
        reactor: The reactor, or in a test what stands for it.
        name: The service's name in this process: `echo`, or `inbox` for `[service.inbox]`.
        health: Where the service says that it is degraded, and that it has recovered.
        give_database: Gives the database that the services of the process share.
        has_database: Whether one was configured: `url` of the table `[database]` is set.
    """

    reactor: Any
    name: str = "service"
    health: Health = field(default_factory=lambda: Health("service"))
    give_database: Callable[[], Database] = _no_database
    has_database: bool = False

    @property
    def database(self) -> Database:
        """The database that the services of the process share, of the table `[database]`.

        A service asks for it in its `make`, and uses it from its start to the end of its stop: it
        is started before all services and stopped after them, and only if one has asked.
        """
        return self.give_database()


@dataclass(frozen=True)
class Declaration(Generic[S]):
    """A service, declared: its settings and the function that makes it.

    Args:
        settings: The record of its settings; its docstring is the line that `--help` shows.
        make: Given a Shared and the settings, returns an `IService` that is not yet started.
            Its `startService` and `stopService` may return a Deferred or be coroutines.
    """

    settings: type[S]
    make: Callable[[Shared, S], IService]

    @property
    def summary(self) -> str:
        """The first line of the settings' docstring."""
        return (self.settings.__doc__ or "").strip().partition("\n")[0]
