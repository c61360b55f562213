"""Help, and importing the toolkit, load only what they need."""

from __future__ import annotations

import pytest
import pytest_twisted

from tests.processes import Start
from toolkit.services import SERVICES

HEAVY = {"klein", "treq", "rich", "msgspec", "werkzeug", "twisted.web", "twisted.enterprise"}
HELP = """
import sys, runpy
sys.argv = {argv!r}
try:
    {call}
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sys.modules)
"""
TWISTD = "from twisted.scripts.twistd import run; run()"
PROGRAMS = ["fetch", "insult", "countdown", "wait_for_file", "collect", "copy_database"]


async def loaded(start: Start, script: str) -> set[str]:
    program = start("python", "-c", script)
    assert await program.ended() == 0, program.err
    return set(program.out.partition("LOADED ")[2].split())


@pytest_twisted.ensureDeferred
async def test_the_plugins_help_loads_no_service_and_no_library(start: Start) -> None:
    script = HELP.format(argv=["twistd", "-n", "toolkit", "--help"], call=TWISTD)
    modules = await loaded(start, script)
    assert "toolkit._twistd" in modules
    assert not modules & HEAVY
    assert not {f"toolkit.services.{name}" for name in SERVICES} & modules


@pytest_twisted.ensureDeferred
async def test_the_help_of_twistd_loads_nothing_but_the_plugin(start: Start) -> None:
    modules = await loaded(start, HELP.format(argv=["twistd", "--help"], call=TWISTD))
    assert "twisted.plugins.toolkit_dropin" in modules
    assert not {name for name in modules if name.startswith("toolkit")}


@pytest_twisted.ensureDeferred
async def test_the_help_of_a_service_loads_no_other(start: Start) -> None:
    script = HELP.format(argv=["twistd", "-n", "toolkit", "echo", "--help"], call=TWISTD)
    modules = await loaded(start, script)
    assert "toolkit.services.echo" in modules
    assert not modules & (HEAVY - {"msgspec"})


@pytest.mark.parametrize("program", PROGRAMS)
@pytest_twisted.ensureDeferred
async def test_a_programs_help_loads_nothing_but_itself(start: Start, program: str) -> None:
    call = f"runpy.run_module('apps.{program}', run_name='__main__', alter_sys=True)"
    modules = await loaded(start, HELP.format(argv=[program, "--help"], call=call))
    assert not modules & HEAVY
    assert not {name for name in modules if name.split(".")[0] in ("toolkit", "twisted")}


@pytest_twisted.ensureDeferred
async def test_importing_the_toolkit_installs_no_reactor(start: Start) -> None:
    script = (
        "import sys, toolkit\n"
        "light = set(sys.modules)\n"
        "for name in toolkit.__all__: getattr(toolkit, name)\n"
        "assert 'twisted.internet.reactor' not in sys.modules\n"
        "assert 'klein' not in sys.modules\n"
        "print('LOADED', *light)"
    )
    modules = await loaded(start, script)
    assert not {name for name in modules if name.split(".")[0] in ("twisted", *HEAVY)}
