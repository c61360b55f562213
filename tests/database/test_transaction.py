"""A transaction is kept whole or not at all, and its calls are for its function alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import pytest_twisted

from tests.database.calling import failure, with_people
from tests.database.databases import Open, sqlite_url
from tests.database.stepped import MemorySession
from toolkit.database import errors
from toolkit.database.rows import row_class
from toolkit.database.sql import Statements
from toolkit.database.transaction import Transaction, only, only_or_none


@pytest_twisted.ensureDeferred
async def test_a_transaction_is_kept_whole_or_not_at_all(opens: Open) -> None:
    database = await with_people(await opens())

    def birthday(transaction: Transaction, name: str, *, fails: bool) -> int:
        transaction.execute("UPDATE people SET age = age + 1 WHERE name = {name}", name=name)
        if fails:
            raise LookupError("no cake")
        age: int = transaction.one("SELECT age FROM people WHERE name = {name}", name=name)["age"]
        return age

    assert await database.transaction(birthday, "ann", fails=False) == 32
    assert str(await failure(database.transaction(birthday, "ann", fails=True))) == "no cake"
    assert (await database.one("SELECT age FROM people WHERE id = 1"))[0] == 32


@pytest_twisted.ensureDeferred
async def test_a_savepoint_undoes_only_what_is_in_it(opens: Open) -> None:
    database = await with_people(await opens())

    def adds(transaction: Transaction) -> str:
        transaction.execute("INSERT INTO people VALUES (3, 'eve', 5)")
        try:
            with transaction.savepoint():
                transaction.execute("INSERT INTO people VALUES (4, 'max', 5)")
                transaction.execute_many(
                    "INSERT INTO people VALUES (5, {name}, 5)", [{"name": "ann"}]
                )
        except errors.UniqueViolation as error:
            assert transaction.maybe_one("SELECT 1 FROM people WHERE id = 4") is None
            return error.code
        return "kept"

    assert await database.transaction(adds) == "unique-violation"
    rows = await database.query("SELECT name FROM people ORDER BY id")
    assert [row["name"] for row in rows] == ["ann", "ben", "eve"]


@pytest_twisted.ensureDeferred
async def test_a_transaction_that_has_ended_does_nothing(opens: Open) -> None:
    database = await opens()
    left: list[Transaction] = []
    await database.transaction(left.append)
    with pytest.raises(errors.Closed, match="the transaction has ended"):
        left[0].execute("CREATE TABLE t (x INTEGER)")


def test_savepoints_within_one_another_undo_what_is_in_each() -> None:
    session = MemorySession()
    transaction = Transaction(session, Statements("?"))
    session.command("BEGIN")

    def fails() -> None:
        with transaction.savepoint():
            transaction.execute("INSERT 2")
            raise LookupError

    with transaction.savepoint():
        transaction.execute("INSERT 1")
        with pytest.raises(LookupError):
            fails()
        transaction.execute_many("INSERT {x}", [{"x": 3}])
    session.command("COMMIT")
    assert session.kept == [("INSERT 1",), ("INSERT {x}", 3)]


def test_where_the_transaction_is_gone_a_savepoint_raises_what_ended_it() -> None:
    session = MemorySession()
    session.command("BEGIN")

    def fails() -> None:
        with Transaction(session, Statements("?")).savepoint():
            session.loses_all()
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert session.commands == ["BEGIN", "SAVEPOINT inner_1"]


def test_of_rows_the_only_one_is_wanted() -> None:
    row = row_class(("x",))((1,))
    assert [only([row], ""), only_or_none([row], ""), only_or_none([], "")] == [row, row, None]
    with pytest.raises(errors.NoRow, match="expected one row, found none, in: SELECT 1"):
        only([], "SELECT 1")
    for one in (only, only_or_none):
        with pytest.raises(errors.TooManyRows, match="found 2, in: SELECT 1"):
            one([row, row], "SELECT 1")


@pytest_twisted.ensureDeferred
async def test_a_function_that_goes_on_after_its_transaction_was_lost_keeps_nothing(
    opens_at: Open, tmp_path: Path
) -> None:
    database = await opens_at(sqlite_url(tmp_path))
    await database.execute("CREATE TABLE t (x TEXT)")
    await database.execute(
        "CREATE TRIGGER no BEFORE INSERT ON t WHEN new.x = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    insert = "INSERT INTO t VALUES ({x})"

    def goes_on(transaction: Transaction, again: bool) -> None:
        transaction.execute(insert, x="first")
        with suppress(errors.ConstraintViolation):
            transaction.execute(insert, x="bad")
        if again:
            transaction.execute(insert, x="after")

    for again in (True, False):
        alone = await failure(database.transaction(goes_on, again))
        grouped = [database.transaction(goes_on, again) for _ in range(3)]
        kept = [database.execute(insert, x="kept") for _ in range(3)]
        for error in [alone, *[await failure(one) for one in grouped]]:
            assert isinstance(error, errors.StatementError)
            assert "rolled" in str(error)
        assert [await one for one in kept] == [1, 1, 1]
    rows = await database.query("SELECT x FROM t")
    assert [row["x"] for row in rows] == ["kept"] * 6


@pytest_twisted.ensureDeferred
async def test_an_error_within_a_savepoint_is_itself_though_the_transaction_is_lost(
    opens_at: Open, tmp_path: Path
) -> None:
    database = await opens_at(sqlite_url(tmp_path))
    await database.execute("CREATE TABLE t (x TEXT UNIQUE)")
    await database.execute("INSERT INTO t VALUES ('a')")

    def adds(transaction: Transaction) -> None:
        with transaction.savepoint():
            transaction.execute("INSERT OR ROLLBACK INTO t VALUES ('a')")

    assert isinstance(await failure(database.transaction(adds)), errors.UniqueViolation)
