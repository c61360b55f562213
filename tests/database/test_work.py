"""Every job is answered once, and truly: done, failed, late, cancelled or tried again."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from tests.database.databases import Open


@pytest_twisted.ensureDeferred
async def test_a_slow_statement_is_logged_without_its_values(
    opens: Open, logged: list[Any]
) -> None:
    database = await opens(slow_seconds=1e-9)
    await database.query("SELECT {secret}", secret="hunter2")
    (event,) = [one for one in logged if one.get("sql") == "SELECT {secret}"]
    assert event["parameters"] == "secret=****"
    assert event["seconds"] > 0
    assert "hunter2" not in str(event)
    assert database.figures().slow >= 1
