"""A consumer for tests."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer


@implementer(IConsumer)
class Consumer:
    """Takes what it is given, and has its producer pause after each batch if told to."""

    def __init__(self, pauses: bool = False) -> None:
        self.rows: list[Any] = []
        self.producer: Any = None
        self.streaming = False
        self.pauses = pauses
        self.ended = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer, self.streaming = producer, streaming

    def unregisterProducer(self) -> None:
        self.ended = True

    def write(self, rows: Any) -> None:
        self.rows += rows
        if self.pauses:
            self.producer.pauseProducing()
