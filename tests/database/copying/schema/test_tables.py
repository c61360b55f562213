"""Names stand in a statement whatever characters they have."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given, strategies as some

from toolkit.database.copying.schema.tables import Column, ForeignKey, Table, listed, quoted
from toolkit.database.sql import Statements

NAMES = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(some.lists(NAMES, min_size=1, max_size=3))
def test_any_name_comes_through_a_statement(names: list[str]) -> None:
    columns = ", ".join(f"1 AS {quoted(name)}" for name in names)
    with closing(sqlite3.connect(":memory:")) as database:
        found = database.execute(Statements("?").get(f"SELECT {columns}").text)
        assert [one[0] for one in found.description] == names


def test_several_are_parted_by_commas() -> None:
    assert listed(["a", 'b"', "{c}"]) == '"a", "b""", "{{c}}"'


def test_what_is_computed_is_not_kept() -> None:
    table = Table("t", (Column("a", "integer"), Column("b", "integer", generated="a + 1")))
    assert [column.name for column in table.kept] == ["a"]


def test_rows_are_numbered_by_an_integer_that_is_their_only_key() -> None:
    columns = (Column("a", "integer"), Column("b", "text"))
    numbers = [Table("t", columns, key).number for key in [("a",), ("b",), ("a", "b"), ()]]
    assert numbers == ["a", "", "", ""]


def test_a_foreign_key_is_told_by_its_columns_and_where_they_lead() -> None:
    key = ForeignKey(("a", "b"), "other's", ("c", "d"))
    assert str(key) == 'the foreign key (a, b) to "other\'s"'
