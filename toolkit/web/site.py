"""A web site with limits: heads, bodies and keep-alive are bounded, and stopping is clean."""

from __future__ import annotations

from typing import Annotated, Any

from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Site

from toolkit.listen import ListenSettings, listening
from toolkit.service import Shared
from toolkit.settings import Meta
from toolkit.web.access import AccessLog
from toolkit.web.channel import LimitedChannel
from toolkit.web.request import LimitedRequest


class WebSettings(ListenSettings):
    """Where a web service listens, and the limits of its connections and requests."""

    keep_alive_seconds: Annotated[
        float, Meta(gt=0, description="close a connection when no further request has begun")
    ] = 60.0
    head_seconds: Annotated[
        float, Meta(gt=0, description="how long the head of a request may take to come")
    ] = 10.0
    max_head_bytes: Annotated[
        int, Meta(ge=256, description="most bytes of a request's first line and headers")
    ] = 16 * 1024
    body_seconds: Annotated[
        float, Meta(gt=0, description="how long the body of a request may take to come")
    ] = 30.0
    max_body_bytes: Annotated[int, Meta(ge=0, description="most bytes of a request's body")] = (
        1024 * 1024
    )
    max_headers: Annotated[int, Meta(ge=1, description="most headers of a request")] = 100
    max_form_fields: Annotated[
        int, Meta(ge=1, description="most fields of a form, which is read as a whole")
    ] = 1000
    access_log: Annotated[
        bool, Meta(description="log an event for each request, as toolkit.web.access")
    ] = True


def serving(shared: Shared, resource: IResource, settings: WebSettings) -> IService:
    """A service that serves a resource over HTTP/1.1.

    Args:
        shared: The reactor, and the service's name for the log.
        resource: A `twisted.web` resource; of a Klein app, `app.resource()`.
        settings: Where to listen, and the limits.

    Returns:
        A service. When it stops, idle connections are closed at once, and the requests that have
        begun are answered, with `Connection: close`, for at most `drain_seconds`.
    """
    return listening(shared, LimitedSite(shared.reactor, resource, settings), settings)


class LimitedSite(Site):
    """A Site whose connections keep limits, and whose access log is events, not a file.

    Args:
        reactor: The reactor; it times the limits.
        resource: The root of what is served.
        settings: The limits.
    """

    noisy = False

    def __init__(self, reactor: IReactorTime, resource: IResource, settings: WebSettings) -> None:
        super().__init__(resource, requestFactory=LimitedRequest, reactor=reactor)
        self._clock = reactor
        self._settings = settings
        self._access = AccessLog(reactor)

    def protocol(self) -> LimitedChannel:  # type: ignore[override] # the one that knows no HTTP/2
        """A channel with the limits."""
        return LimitedChannel(self._clock, self._settings)

    def startFactory(self) -> None:
        """It is listened to. (Stock Site would open a file, and wake up every second.)"""
        self._access.start()

    def stopFactory(self) -> None:
        """It is listened to no more; there may be requests that are still answered."""
        self._access.stop()

    def log(self, request: Any) -> None:
        """Log the event of a request that has been answered."""
        request.is_logged = True
        self.log_as(request, request.method, request.uri, request.code)

    def log_as(
        self, request: Any, method: bytes, uri: bytes, status: int, gone: bool = False
    ) -> None:
        """Log the event of a request, if that is wanted; see `AccessLog.add`."""
        if self._settings.access_log:
            self._access.add(request, method, uri, status, gone)
