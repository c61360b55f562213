"""A site's database in real processes: started first, stopped last, shared, and only if used."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import pytest_twisted

from tests.processes import Start

VISITS = '''
"""Visits: counts its starts, in the database."""

from twisted.application.service import Service

from toolkit import Declaration, Settings
from twisted.logger import Logger


class VisitsSettings(Settings):
    """Count the starts."""


class Visits(Service):
    log = Logger()

    def __init__(self, database):
        self.database = database

    async def startService(self):
        await self.database.migrate(["CREATE TABLE visits (at INTEGER)"])
        await self.database.execute("INSERT INTO visits VALUES ({at})", at=1)
        row = await self.database.one("SELECT count(*) AS n FROM visits")
        self.log.info("visit {n} of " + type(self.database).__name__, n=row["n"])

    async def stopService(self):
        await self.database.execute("INSERT INTO visits VALUES ({at})", at=-1)


def make(shared, settings):
    return Visits(shared.database)


SERVICE = Declaration(VisitsSettings, make)
'''
SITE = """
[database]
url = "sqlite:site.db"
[service.first]
kind = "visits"
[service.second]
kind = "visits"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "visits.py").write_text(VISITS)
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


@pytest_twisted.ensureDeferred
async def test_services_share_a_database_from_before_their_start_to_after_their_stop(
    start: Start, site: Path
) -> None:
    program = start("twistd", "-n", "toolkit", "--config", str(site))
    await program.line("ready")
    assert "visit 1 of Database" in program.out
    assert "visit 2 of Database" in program.out
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert "failed" not in program.out
    with closing(sqlite3.connect(site.parent / "site.db")) as database:
        rows = database.execute("SELECT at, count(*) FROM visits GROUP BY at ORDER BY at")
        assert rows.fetchall() == [(-1, 2), (1, 2)]


@pytest_twisted.ensureDeferred
async def test_with_another_url_the_same_site_runs_on_postgresql(
    start: Start, site: Path, postgresql: str
) -> None:
    env = {"TOOLKIT_DATABASE_URL": postgresql}
    program = start("twistd", "-n", "toolkit", "--config", str(site), env=env)
    await program.line("ready")
    assert "visit 2 of Database" in program.out
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert not (site.parent / "site.db").exists()


@pytest_twisted.ensureDeferred
async def test_a_database_that_nobody_uses_is_not_opened(start: Start, tmp_path: Path) -> None:
    env = {"TOOLKIT_DATABASE_URL": "sqlite:/no/such/folder/x.db"}
    options = ("echo", "--listen", "tcp:0:interface=127.0.0.1")
    program = start("twistd", "-n", "toolkit", *options, env=env)
    await program.line("ready")
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:/no/such/folder/x.db", "'/no/such/folder/x.db' cannot be opened: there is no suc"),
        ("postgresql://u:hunter2@127.0.0.1:1/x", "cannot connect to postgresql://****@127.0.0.1:1"),
        ("sqlite:site.toml", "'site.toml': file is not a database"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_database_that_is_away_ends_the_start_with_one_line_and_status_1(
    start: Start, site: Path, url: str, reason: str
) -> None:
    site.write_text(SITE + "#" * 1000)
    program = start(
        "twistd", "-n", "toolkit", "--config", str(site), env={"TOOLKIT_DATABASE_URL": url}
    )
    assert await program.ended() == 1
    lines = [line for line in (program.out + program.err).splitlines() if reason in line]
    assert lines
    assert all(f"database could not start: {reason}" in line for line in lines)
    assert "Traceback" not in program.out + program.err
    assert "hunter2" not in program.out + program.err


@pytest_twisted.ensureDeferred
async def test_settings_in_force_show_the_database_without_its_password(
    start: Start, site: Path
) -> None:
    env = {
        "TOOLKIT_DATABASE_URL": "postgresql://ann:hunter2@db/shop",
        "TOOLKIT_DATABASE_PASSWORD": "hunter3",
        "TOOLKIT_DATABASE_CONNECTIONS": "3",
    }
    program = start("twistd", "-n", "toolkit", "--config", str(site), "--show-settings", env=env)
    assert await program.ended() == 0
    assert '\n[database]\npassword = "****"  # TOOLKIT_DATABASE_PASSWORD\n' in program.out
    assert "connections = 3  # TOOLKIT_DATABASE_CONNECTIONS\n" in program.out
    assert 'url = "postgresql://****@db/shop"  # TOOLKIT_DATABASE_URL\n' in program.out
    assert "hunter" not in program.out


@pytest_twisted.ensureDeferred
async def test_a_url_that_is_none_is_one_line_with_its_place(start: Start, site: Path) -> None:
    site.write_text('[database]\nurl = "mysql://x"\n[service.visits]\n')
    program = start("twistd", "-n", "toolkit", "--config", str(site))
    assert await program.ended() == 1
    assert program.err == (
        f"toolkit: {site}:2: [database] url: expected sqlite:PATH, sqlite::memory: or "
        'postgresql://HOST/NAME (there is no other kind), found "mysql://x"\n'
    )
