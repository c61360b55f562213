"""What a table's statement tells is found in it, whatever stands around."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import example, given, strategies as some

from toolkit.database.copying.schema.sqlite_text import expressions_of, parts_of, plain, where_of

TABLE = """
CREATE TABLE "a, (b" ( -- CHECK (a > 0), a comment
    [a b] INTEGER PRIMARY KEY AUTOINCREMENT CHECK ([a b] > 0) CONSTRAINT two CHECK (1),
    'c' TEXT DEFAULT 'CHECK (x)' COLLATE "NOCASE" REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED,
    `d` NUMERIC(10, 2) DEFAULT (1 + (2)) /* , e TEXT */ UNIQUE ON CONFLICT REPLACE,
    e INT GENERATED ALWAYS AS (d * (2 + 1)) STORED,
    CONSTRAINT "a rule" CHECK (c NOT IN ('(', ')')), CHECK (e),
    FOREIGN KEY (c, "d") REFERENCES u
)
"""


def test_each_part_of_a_table_is_found() -> None:
    first, second, third, fourth, fifth, sixth, last = parts_of(TABLE)
    assert (first.column, first.checks) == ("a b", (("[a b] > 0", ""), ("1", "two")))
    assert first.numbers_on
    assert (second.column, second.checks, second.collation) == ("c", (), "NOCASE")
    assert second.keys == ((("c",), True),)
    assert (third.column, third.checks, third.conflict) == ("d", (), "REPLACE")
    assert (fourth.column, fourth.computed) == ("e", "d * (2 + 1)")
    assert (fifth.column, fifth.checks) == ("", (("c NOT IN ('(', ')')", "a rule"),))
    assert sixth.checks == (("e", ""),)
    assert last.keys == ((("c", "d"), False),)


def test_a_column_may_be_called_as_a_rule_begins() -> None:
    assert [part.column for part in parts_of('CREATE TABLE t ("check" TEXT, [unique] INT)')] == [
        "check",
        "unique",
    ]


def test_the_parts_and_rows_of_an_index_are_found() -> None:
    sql = "CREATE INDEX i ON t (lower(a) DESC, \"b, c\", (d + 1) asc) WHERE a <> 'WHERE (' AND (b)"
    assert expressions_of(sql) == ["lower(a)", '"b, c"', "(d + 1)"]
    assert where_of(sql) == "a <> 'WHERE (' AND (b)"
    assert where_of('CREATE INDEX i ON t ("WHERE")') == ""


NAMES = some.text(
    some.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
)


@given(some.lists(NAMES, min_size=1, max_size=5, unique_by=lambda name: name.lower()))
def test_columns_of_any_name_are_found_as_sqlite_finds_them(names: list[str]) -> None:
    columns = ['"' + name.replace('"', '""') + '"' for name in names]
    rules = ", ".join(f"{name} TEXT CHECK ({name} <> ')')" for name in columns)
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute(f"CREATE TABLE t ({rules})")
        except sqlite3.OperationalError:  # two names that are one to SQLite
            return
        sql = database.execute("SELECT sql FROM sqlite_master").fetchone()[0]
        found = [row[1] for row in database.execute("PRAGMA table_info(t)")]
    parts = parts_of(sql)
    assert [part.column for part in parts] == found
    assert [part.checks for part in parts] == [((f"{name} <> ')'", ""),) for name in columns]


@given(some.text(max_size=60) | some.text("(),'CHECK \"", max_size=60))
@example(",")
def test_any_text_is_read_to_its_end(text: str) -> None:
    assert isinstance(parts_of(f"CREATE TABLE t ({text}"), list)
    assert isinstance(where_of(text), str)


def test_names_lose_their_quotes() -> None:
    assert [plain(word) for word in ("a", '"a""b"', "[a]", "`a``b`", "'a'")] == [
        "a",
        'a"b',
        "a",
        "a`b",
        "a",
    ]
