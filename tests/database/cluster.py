"""A PostgreSQL server of the tests' own, which they may stop and start."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.database.databases import absent


class Cluster:
    """A server in a folder, on a port that the kernel picked."""

    def __init__(self, programs: Path, folder: str, user: str | None, options: str) -> None:
        self._options = options
        self._programs = programs
        self._folder = folder
        self._user = user
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.url = f"postgresql://toolkit@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-A", "trust", "-U", "toolkit", "--no-sync")

    def becomes_standby(self) -> None:
        """Have it only read, from its next start on."""
        Path(self._folder, "data", "standby.signal").touch()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-F -p {self.port} -h 127.0.0.1 -k {self._folder} {self._options}"
        self._run("pg_ctl", "start", "-w", "-t", "20", "-o", options, "-l", f"{self._folder}/log")

    def stop(self) -> None:
        """Stop the server as a crash would."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-t", "20")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), "-D", f"{self._folder}/data", *arguments],
            check=True,
            user=self._user,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
        )


@contextmanager
def cluster(*options: str) -> Iterator[Cluster]:
    """A server that runs, with these options; it is stopped and deleted afterwards."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
    if not found[-1]:
        absent("initdb is not installed: there can be no PostgreSQL server of the tests' own")
    user = None
    if os.geteuid() == 0:  # as whom the server refuses to run
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            absent("there is no user postgres, and root may not run a PostgreSQL server")
    with tempfile.TemporaryDirectory() as folder:
        if user is not None:
            shutil.chown(folder, user)
        server = Cluster(Path(found[-1]).parent, folder, user, " ".join(options))
        server.start()
        yield server
        with suppress(subprocess.CalledProcessError):  # it may be stopped
            server.stop()
