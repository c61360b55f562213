"""What cannot be made is left out and told; a table that cannot be made ends the copy."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import pytest_twisted

from tests.database.databases import Open
from toolkit.database.copying.copied import CopyFailed
from toolkit.database.copying.schema.making import Making
from toolkit.database.copying.schema.reading import schema_of
from toolkit.database.copying.schema.tables import Column, Schema, Table
from toolkit.database.transaction import Transaction

ODD = Table("t", (Column("x", "integer", generated="1"),), odd=("the thing 'o'",))


class ByHand(Making):
    """Makes what the test says."""

    def begin(self) -> None:
        self._try("the first", 'CREATE TABLE "a" (x INTEGER)', "INSERT INTO nowhere VALUES (1)")
        self._try("the second", 'CREATE TABLE "b" (x INTEGER)')

    def table(self, table: Table) -> None:
        self._make(table, "CREATE TABLE")

    def rules(self, tables: Iterable[Table]) -> None:
        self._leave_out_odd(tables)

    def end(self) -> None:
        """Nothing."""


@pytest_twisted.ensureDeferred
async def test_what_fails_is_undone_whole_and_told_and_the_rest_is_made(opens: Open) -> None:
    database = await opens()

    def makes(transaction: Transaction) -> list[str]:
        making = ByHand(transaction, Schema(transaction.dialect, ()), {})
        making.begin()
        return making.left_out

    (line,) = await database.transaction(makes)
    assert line.startswith("the first: ")
    assert "nowhere" in line
    assert "INSERT" not in line
    assert [table.name for table in (await database.transaction(schema_of)).tables] == ["b"]


@pytest_twisted.ensureDeferred
async def test_a_table_that_cannot_be_made_is_told_without_the_statement(opens: Open) -> None:
    database = await opens()

    def makes(transaction: Transaction) -> None:
        ByHand(transaction, Schema(transaction.dialect, ()), {}).table(ODD)

    with pytest.raises(CopyFailed, match=r"^the table 't' cannot be made: ") as raised:
        await database.transaction(makes)
    assert "in: " not in str(raised.value)


@pytest_twisted.ensureDeferred
async def test_what_the_other_kind_does_not_know_is_told_of_each_table(opens_at: Open) -> None:
    database = await opens_at("sqlite::memory:")

    def makes(transaction: Transaction) -> list[str]:
        making = ByHand(transaction, Schema("postgresql", ()), {})
        making.rules([ODD])
        return making.left_out

    assert await database.transaction(makes) == [
        "the thing 'o', of the table 't'",
        "the column 'x' of the table 't': it is computed, which the other database does in "
        "another way",
    ]
