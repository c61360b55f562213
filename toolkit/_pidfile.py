"""twistd's pid file, which two that are started at once would both take for theirs."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from toolkit.errors import ToolkitError

UNKNOWN = 0
"""No process has this id. A pid file that root has written cannot be read after `--uid`."""


class PidFile:
    """Sees to it that a process keeps its own pid file, and leaves another's alone.

    twistd looks for a pid file when it begins, writes its own when the services have been made,
    and at its end removes whatever is there.

    Args:
        options: twistd's options, or twist's, which has no pid files.
    """

    def __init__(self, options: MutableMapping[str, Any]) -> None:
        self._options = options
        self._path: str = options.get("pidfile") or ""

    def refuse_another(self) -> None:
        """Before it is written: look once more.

        Raises:
            ToolkitError: There is one by now, of a process that lives.
        """
        holder = self._holder()
        if holder and _lives(holder):
            raise ToolkitError(
                f"process {holder} has the pid file {self._path}; stop it first, or name another "
                "file by twistd's option --pidfile",
                "start-failed",
            )

    def keep(self) -> None:
        """Once the services are up: write it anew, if another has taken it meanwhile."""
        if self._path and self._holder() != os.getpid():
            with suppress(OSError), open(self._path, "w") as file:
                file.write(str(os.getpid()))

    def spare_another(self) -> None:
        """Before the end: have twistd remove its own only."""
        if self._path and self._holder() not in (None, UNKNOWN, os.getpid()):
            self._options["pidfile"] = self._path = ""

    def remove(self, pid: int) -> None:
        """Remove it if it is that of a process.

        Args:
            pid: The process, which ends.
        """
        if self._path and self._holder() in (UNKNOWN, pid):
            with suppress(OSError):
                os.unlink(self._path)

    def _holder(self) -> int | None:
        """Whose it is; None if it is not there."""
        try:
            with open(self._path, "rb") as file:
                return int(file.read(20))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return UNKNOWN


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
