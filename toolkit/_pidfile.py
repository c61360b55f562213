"""twistd's pid file, which two that are started at once would both take for theirs."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from toolkit.errors import StartFailed, ToolkitError

_PATIENCE_SECONDS = 0.5
"""How long a lock is waited for whose process is not to be seen: it is about to write its id, or
it is a child that its process, dead by now, has left behind."""

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # of some file systems

UNKNOWN = 0
"""No process has this id. A pid file that root has written cannot be read after `--uid`."""


class PidFile:
    """Sees to it that a process keeps its own pid file, and leaves another's alone.

    twistd looks for a pid file when it begins, writes its own when the services have been made,
    and at its end removes whatever is there. Of two that begin at once each would find none: so
    the file is locked (flock(2)) before it is written, up to the end of the process.

    Args:
        options: twistd's options, or twist's, which has no pid files.
    """

    def __init__(self, options: MutableMapping[str, Any]) -> None:
        self._options = options
        self._path: str = options.get("pidfile") or ""
        self._lock = -1  # which the daemon, once it is forked, has from this process

    def look(self) -> None:
        """Before twistd does, which would tell of what it finds at length, or with a traceback.

        Raises:
            ToolkitError: There is one, of a process that lives, or one that cannot be read.
        """
        try:
            if self._path:
                with open(self._path, "rb"):
                    pass
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise self._unusable("read", error) from error
        self._refuse_living()

    def refuse_another(self) -> None:
        """Before it is written: look once more, and take it.

        Raises:
            ToolkitError: There is one by now, of a process that lives, or it cannot be written.
        """
        if not self._path or self._options.get("chroot"):  # else it will be another file
            return
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            while not self._locked():
                self._refuse_living()
                if time.monotonic() > deadline:
                    return
                time.sleep(0.01)
            try:
                self._refuse_living()
            except StartFailed:
                self._let_go()
                raise
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%d" % os.getpid(), 0)
        except (OSError, ValueError) as error:
            raise self._unusable("written", error) from error

    def _locked(self) -> bool:
        """Whether the file is there, and this process has its lock."""
        self._lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may have removed it since it was opened.
            if os.path.samestat(os.fstat(self._lock), os.stat(self._path)):
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return True
        self._let_go()
        return False

    def _let_go(self) -> None:
        os.close(self._lock)
        self._lock = -1

    def _refuse_living(self) -> None:
        holder = self._holder()
        if holder and holder != os.getpid() and _lives(holder):
            raise StartFailed(
                f"process {holder} has the pid file {self._path}; stop it first, or name another "
                "file by twistd's option --pidfile"
            )

    def _unusable(self, verb: str, error: Exception) -> ToolkitError:
        reason = getattr(error, "strerror", None) or str(error)
        return ToolkitError(
            f"the pid file {self._path} cannot be {verb}: {reason}; name another file by twistd's "
            "option --pidfile",
            "start-failed",
        )

    def keep(self) -> None:
        """Once the services are up: write it anew, if it is gone or a dead process's.

        Raises:
            StartFailed: A process that lives has it by now: it was removed meanwhile, or locks
                are not known there.
        """
        self._refuse_living()
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
