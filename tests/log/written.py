"""A log into memory, for tests."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.logger import Logger

from toolkit.log import Log, LogSettings


class Written:
    """A log into memory, and what it wrote."""

    def __init__(self, settings: LogSettings | None = None) -> None:
        self.stream = io.StringIO()
        self.log = Log(settings or LogSettings(format="json"), self.stream)

    def logger(self, namespace: str = "shop.cart") -> Logger:
        """A Logger whose events the log gets."""
        return Logger(namespace, observer=self.log)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of JSON, read back."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def messages(self) -> list[str]:
        """Their messages."""
        return [event["message"] for event in self.events]
