"""The figures count what was done, and what waits and runs."""

from __future__ import annotations

import pytest_twisted

from tests.database.calling import failure, with_people
from tests.database.databases import Open


@pytest_twisted.ensureDeferred
async def test_the_figures_count_what_was_done(opens: Open) -> None:
    database = await with_people(await opens(slow_seconds=30))
    before = database.figures().done
    await database.query("SELECT 1")
    await failure(database.query("SELECT nothing"))
    figures = database.figures()
    assert (figures.done - before, figures.failed) == (1, 1)
    assert (figures.waiting, figures.running, figures.refused) == (0, 0, 0)
    assert figures.connections >= 1
    assert figures.seconds > 0
