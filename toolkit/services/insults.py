"""Insults: a web server that takes its time to answer, and then is rude in Shakespeare's manner."""

from __future__ import annotations

import random
from typing import Annotated, Any

import msgspec
from klein import Klein
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from toolkit.errors import SettingsError
from toolkit.service import Declaration, Shared
from toolkit.settings import Endpoint, Meta
from toolkit.web.answers import BytesResponse
from toolkit.web.handler import as_json
from toolkit.web.resource import JsonResource
from toolkit.web.site import WebSettings, serving

INSULTS = (
    "Thou art a candle that fears its own flame.",
    "Thy wit doth limp where others' wit would dance.",
    "Thou pickled herring of a counsellor!",
    "I have met with puddles deeper than thy thought.",
    "Thou art the crumb that even sparrows leave.",
    "Thy beard hath more of purpose than thy life.",
    "Thou leaky boat upon a sea of ale!",
    "A turnip would blush to be called thy twin.",
    "Thou speak'st as geese do march: with noise, and nowhere.",
    "Thy courage is a guest that never stays.",
    "Thou mouldy cheese-rind of a gentleman!",
    "The moon looks down on thee and asks for clouds.",
    "Thou art so slow that snails do tip their hats.",
    "Thy purse is fat and all the rest is air.",
    "Thou cobweb-headed keeper of stale jests!",
    "Were folly coin, thou wouldst be Croesus' heir.",
    "Thou art a bell without a clapper, sir.",
    "Thy singing hath put nightingales in mourning.",
    "Thou half-baked pie with neither crust nor plum!",
    "A scarecrow hath more friends, and better hay.",
    "Thou borrow'st sense, and bring'st it back unused.",
    "Thy sword is sharp as butter left in June.",
    "Thou greasy spoon in fortune's bowl of soup!",
    "The stocks were built in hope of meeting thee.",
    "Thou art the yawn that ends a dreary play.",
    "Thy promises are ice in August's hand.",
    "Thou rust upon the hinge of honest doors!",
    "A mule would teach thee manners, and be bored.",
    "Thou hast the grace of barrels down a stair.",
    "Thy reason went a-walking, and is lost.",
    "Thou damp and most reluctant gunpowder!",
    "The fleas have left thee for a better dog.",
    "Thou art a map of places none would go.",
    "Thy Latin maketh Romans glad they died.",
    "Thou wilted leek in life's abundant stew!",
    "An echo hath more thoughts to call its own.",
)


class InsultSettings(WebSettings):
    """Answer every request with an insult, after a while."""

    listen: Endpoint = "tcp:8080:interface=127.0.0.1"
    max_connections: Annotated[int, Meta(ge=1, description="most connections at once")] = 10_000
    max_connections_per_peer: Annotated[
        int, Meta(ge=1, description="most connections at once from one address")
    ] = 10_000
    max_delay_seconds: Annotated[
        int, Meta(ge=0, le=3600, description="an answer takes 0 to so many whole seconds")
    ] = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_delay_seconds >= self.idle_seconds:
            raise SettingsError(
                [
                    f"max_delay_seconds ({self.max_delay_seconds}) must be less than "
                    f"idle_seconds ({self.idle_seconds:g}), which ends the connection"
                ]
            )


class Insults:
    """The web application: one route, `/`.

    Args:
        clock: The reactor, or in a test a Clock.
        max_delay_seconds: An answer takes a random whole number of seconds, from 0 to this.
        chance: Chooses the insult and the delay.
    """

    app = Klein()

    def __init__(
        self, clock: IReactorTime, max_delay_seconds: int, chance: random.Random | None = None
    ) -> None:
        self._clock = clock
        self._max_delay_seconds = max_delay_seconds
        self._chance = chance or random.Random()

    @app.route("/", methods=["GET"])
    @as_json()
    def insult(self, request: Any) -> BytesResponse | Deferred[BytesResponse]:
        """An insult as text, or where the client prefers JSON, as `{"insult": …}`."""
        answer = self._answer(request, self._chance.choice(INSULTS))
        delay = self._chance.randint(0, self._max_delay_seconds)
        return deferLater(self._clock, delay, lambda: answer) if delay else answer

    def _answer(self, request: Any, insult: str) -> BytesResponse:
        accept = b", ".join(request.requestHeaders.getRawHeaders(b"accept", [b"text/plain"]))
        kinds = parse_accept_header(accept.decode("latin-1"), MIMEAccept)
        kind = kinds.best_match(["text/plain", "application/json"], default="text/plain")
        if kind == "application/json":
            body = msgspec.json.encode({"insult": insult})
        else:
            kind, body = "text/plain; charset=utf-8", f"{insult}\n".encode()
        return BytesResponse(body, kind, headers={"vary": "accept"})


def make(shared: Shared, settings: InsultSettings) -> IService:
    """A web service of insults that listens where the settings say."""
    app = Insults(shared.reactor, settings.max_delay_seconds).app
    # The longest delay is shorter than idle_seconds: no answer is late.
    return serving(shared, JsonResource(shared.reactor, app, settings.idle_seconds), settings)


SERVICE = Declaration(InsultSettings, make)
