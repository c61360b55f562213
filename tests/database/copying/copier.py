"""A process that copies, tells of each batch, and stands still after one, if told to."""

from __future__ import annotations

import sys
from typing import Any

from toolkit import run
from toolkit.database.copying.copy import copy_database
from toolkit.database.database import Database


def _progress(table: str, done: int, total: int) -> None:
    line = f"{table}: {done} of {total}"
    print(line, flush=True)
    if line == sys.argv[3]:
        sys.stdin.read()


async def _main(reactor: Any) -> None:
    source, target = Database(reactor, sys.argv[1]), Database(reactor, sys.argv[2])
    try:
        await source.startService()
        await target.startService()
        await copy_database(source, target, progress=_progress)
    finally:
        await target.stopService()
        await source.stopService()


if __name__ == "__main__":
    run(_main, program="copier")
