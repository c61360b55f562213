"""SIGHUP: the log goes on in a new file, by what the settings say now."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from toolkit.errors import ToolkitError
from toolkit.log import Log, LogSettings

AT_START = ("file", "also_stdout")
"""What is settled for as long as the process runs."""


class Hangup:
    """Reopens the log's file, and takes `[log]` as it is now. What is wrong changes nothing.

    Args:
        log: The log.
        settings: What it was made with.
        reread: Gives the settings as they are now, or raises a ToolkitError.
    """

    _log = Logger()

    def __init__(self, log: Log, settings: LogSettings, reread: Callable[[], LogSettings]) -> None:
        self._observer = log
        self._settings = settings
        self._reread = reread

    def __call__(self) -> None:
        """Reopen, reread, and log what has changed."""
        self._observer.reopen()
        try:
            settings = self._reread()
        except ToolkitError as error:
            reason = str(error).replace("\n", "; ")
            self._log.error("the log's settings stay as they were: {reason}", reason=reason)
            return
        old, self._settings = self._settings, settings
        self._observer.reconfigure(settings)
        changed = [
            name
            for name in settings.__struct_fields__
            if getattr(settings, name) != getattr(old, name)
        ]
        late = [name for name in changed if name in AT_START]
        changed = [name for name in changed if name not in AT_START]
        self._log.info("the log was reopened, its settings reread", changed=changed)
        if late:
            self._log.warn(
                "[log] {settings} counts from the next start on", settings=", ".join(late)
            )
