"""A process that writes without end, and prints each number when it is told that it is on disk."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred

from toolkit import run
from toolkit.database.database import Database
from toolkit.database.transaction import Transaction

AT_ONCE = 20


def _pair(transaction: Transaction, number: int) -> None:
    transaction.execute("INSERT INTO written VALUES ({number})", number=number)
    transaction.execute("INSERT INTO again VALUES ({number})", number=number)


async def _main(reactor: Any) -> None:
    database = Database(reactor, sys.argv[1])
    await database.startService()
    await database.migrate(
        ["CREATE TABLE written (number INTEGER); CREATE TABLE again (number INTEGER)"]
    )
    numbers = iter(range(int(sys.argv[2]), sys.maxsize))

    async def writes() -> None:
        for number in numbers:
            await database.transaction(_pair, number)
            print(number, flush=True)

    for _ in range(AT_ONCE):
        Deferred.fromCoroutine(writes())
    await Deferred()


if __name__ == "__main__":
    run(_main)
