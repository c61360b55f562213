"""The program copies, prints a line for each table, and tells a mistake in one line."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from tests.database.copying.test_copy import contents, filled
from tests.processes import Start


@pytest_twisted.ensureDeferred
async def test_the_program_prints_each_table_and_keeps_to_what_it_was_told(
    start: Start, tmp_path: Path, postgresql: str
) -> None:
    filled(tmp_path / "first.db")
    command = ["-m", "apps.copy_database"]
    there = start("python", *command, "sqlite:first.db", postgresql)
    assert await there.ended() == 0, there.err
    lines = [line.split("\t") for line in there.out.splitlines()]
    assert [(table, rows) for table, rows, _ in lines] == [
        ("nobody", "0 rows"),
        ("orders", "2500 rows"),
        ('the "order" lines', "2500 rows"),
    ]
    again = start("python", *command, "sqlite:first.db", postgresql)
    assert await again.ended() == 1
    assert len(again.err.splitlines()) == 1
    assert "with --replace they are deleted first" in again.err
    back = start("python", *command, "--replace", postgresql, "sqlite:second.db")
    assert await back.ended() == 0, back.err
    assert sorted(back.out.splitlines()) == sorted(there.out.splitlines())
    assert contents(tmp_path / "second.db") == contents(tmp_path / "first.db")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("sqlite:missing.db", "sqlite:b.db"), 1, "'missing.db' cannot be opened"),
        (("missing.db", "sqlite:b.db"), 2, "expected sqlite:PATH"),
        (("sqlite:a.db", "postgresql://127.0.0.1:1/x"), 1, "cannot"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_mistake_is_one_line_and_makes_no_file(
    start: Start, tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    program = start("python", "-m", "apps.copy_database", *arguments)
    assert await program.ended() == status
    assert message in program.err
    assert len(program.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest_twisted.ensureDeferred
async def test_what_is_left_out_has_a_line_each_and_a_status_of_its_own(
    start: Start, tmp_path: Path, postgresql: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE t (x TEXT COLLATE NOCASE, y INTEGER AS (1))")
        database.execute('CREATE VIEW "v\x1b" AS SELECT 1')
    there = start("python", "-m", "apps.copy_database", "sqlite:a.db", postgresql)
    assert await there.ended() == 3
    assert there.out.startswith("t\t0 rows\t")
    assert [line.partition(": left out: ")[2] for line in there.err.splitlines()] == [
        "the collation NOCASE of the column 'x', of the table 't'",
        "the column 'y' of the table 't': it is computed, which the other database does in "
        "another way",
        "the view 'v\\x1b': it is written in SQLite's way",
    ]
    same = start("python", "-m", "apps.copy_database", "sqlite:a.db", "sqlite:b.db")
    assert await same.ended() == 0
    assert same.err == ""


@pytest_twisted.ensureDeferred
async def test_a_database_that_is_not_there_is_to_be_made_first(
    start: Start, tmp_path: Path, postgresql: str
) -> None:
    filled(tmp_path / "a.db")
    program = start("python", "-m", "apps.copy_database", "sqlite:a.db", f"{postgresql}_no")
    assert await program.ended() == 1
    assert "does not exist; make an empty database of that name first" in program.err
    assert len(program.err.splitlines()) == 1


@pytest_twisted.ensureDeferred
async def test_a_file_is_not_copied_onto_itself(start: Start, tmp_path: Path) -> None:
    filled(tmp_path / "a.db")
    before = contents(tmp_path / "a.db")
    program = start(
        "python", "-m", "apps.copy_database", "sqlite:a.db", "sqlite:./a.db", "--replace"
    )
    assert await program.ended() == 1
    assert "the source and the target are one database: " in program.err
    assert contents(tmp_path / "a.db") == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest_twisted.ensureDeferred
async def test_an_interrupted_copy_says_so_and_leaves_no_file_behind(
    start: Start, tmp_path: Path, postgresql: str, reactor: Any, number: signal.Signals, status: int
) -> None:
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute("CREATE TABLE t (x INT)")
        other.execute("BEGIN")
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        program = start("python", "-m", "apps.copy_database", postgresql, "sqlite:b.db")
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
        for _ in range(600):
            if other.execute(waits).fetchone():
                break
            await deferLater(reactor, 0.05)
        assert (tmp_path / "b.db").exists()
        program.signal(number)
        assert await program.ended() == status
    assert program.err == "copy_database: interrupted: nothing was copied\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_copy_that_fails_leaves_a_file_only_where_there_was_one(
    start: Start, tmp_path: Path, postgresql: str, is_there: bool
) -> None:
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute("CREATE TABLE t (x FLOAT8)")
        other.execute("INSERT INTO t VALUES ('NaN')")
    if is_there:
        (tmp_path / "b.db").touch()
    program = start("python", "-m", "apps.copy_database", postgresql, "sqlite:b.db")
    assert await program.ended() == 1
    assert "is NaN" in program.err
    assert [path.name for path in tmp_path.iterdir()] == ["b.db"] * is_there


@pytest_twisted.ensureDeferred
async def test_a_source_without_tables_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    program = start("python", "-m", "apps.copy_database", "sqlite:a.db", "sqlite:b.db")
    assert await program.ended() == 0
    assert (program.out, program.err) == ("", "copy_database: no tables were copied\n")


@pytest_twisted.ensureDeferred
async def test_a_column_that_becomes_of_another_type_has_a_line_and_the_status_is_0(
    start: Start, tmp_path: Path, postgresql: str
) -> None:
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute("CREATE TABLE t (x INTERVAL)")
    program = start("python", "-m", "apps.copy_database", postgresql, "sqlite:b.db")
    assert await program.ended() == 0
    assert program.err == (
        "copy_database: note: the column 'x' of the table 't' is of interval, and kept as TEXT\n"
    )


@pytest_twisted.ensureDeferred
async def test_the_help_names_the_options_and_the_statuses(start: Start) -> None:
    program = start("python", "-m", "apps.copy_database", "--help", env={"COLUMNS": "200"})
    assert await program.ended() == 0
    words = " ".join(program.out.split())
    for part in ("SOURCE", "TARGET", "--replace", "--batch-rows", "--deadline", "Exit status"):
        assert part in words
    assert "shown on stderr, where that is a terminal" in words
    for status in ("0 all is the same", "1 nothing", "2 wrong", "3 the rows", "130 inter", "143"):
        assert status in words
