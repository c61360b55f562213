"""What was acknowledged is there after `kill -9`, and what is there is whole."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

KILLS = int(os.environ.get("TOOLKIT_TEST_KILLS", "20"))


def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    acknowledged: set[int] = set()
    chance = random.Random(os.environ.get("TOOLKIT_TEST_SEED", "1"))
    for turn in range(KILLS):
        command = [sys.executable, "-m", "tests.database.writer", f"sqlite:{path}", f"{turn}000000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 500)):
                acknowledged.add(int(process.stdout.readline()))
            process.kill()
            # The last line may have been cut off by the kill.
            acknowledged |= {int(line) for line in process.stdout if line.endswith(b"\n")}
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            written = [row[0] for row in database.execute("SELECT number FROM written")]
            again = [row[0] for row in database.execute("SELECT number FROM again")]
        assert len(set(written)) == len(written)
        assert sorted(written) == sorted(again)
        assert acknowledged <= set(written)
    assert len(acknowledged) > KILLS
