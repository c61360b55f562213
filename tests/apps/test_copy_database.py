"""The program copies, prints a line for each table, and tells a mistake in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted

from tests.database.test_copying import contents, filled
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
