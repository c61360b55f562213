"""The plugin in real processes: what an operator types, and what happens."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.processes import Start
from toolkit.services import SERVICES

LOCAL = "tcp:0:interface=127.0.0.1"
ADDRESS = r"{} listening on tcp:127\.0\.0\.1:(\d+)"
SITE = """
    [service.echo]
    listen = "tcp:0:interface=127.0.0.1"
    [service.countdown]
    listen = "tcp:0:interface=127.0.0.1"
    [service.insults]
    listen = "tcp:0:interface=127.0.0.1"
"""
FREE_DEFAULTS = {
    f"TOOLKIT_{name}_LISTEN": LOCAL for name in ("ECHO", "COUNTDOWN", "INSULTS")
}  # the ports of the default site may be taken on the machine that runs the tests


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest_twisted.ensureDeferred
async def test_the_default_site_names_its_addresses_then_says_ready(start: Start) -> None:
    program = start("twistd", "-n", "toolkit", env=FREE_DEFAULTS)
    await program.line("ready")
    order = [program.out.index(f"{name} listening on") for name in ("echo", "countdown", "insults")]
    assert order == sorted(order)
    assert order[-1] < program.out.index("ready")
    program.signal(signal.SIGINT)
    assert await program.ended() == 0


@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest_twisted.ensureDeferred
async def test_a_signal_ends_an_idle_process_within_a_second_with_status_0(
    start: Start, command: str, number: signal.Signals
) -> None:
    options = ["-n"] if command == "twistd" else []
    program = start(command, *options, "toolkit", "echo", "--listen", LOCAL)
    await program.line("ready")
    began = time.monotonic()
    program.signal(number)
    assert await program.ended() == 0
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest_twisted.ensureDeferred
async def test_the_port_the_kernel_gave_is_named_and_served(start: Start, command: str) -> None:
    options = ["-n"] if command == "twistd" else ["--log-format", "text"]
    program = start(command, *options, "toolkit", "echo", "--listen", LOCAL)
    port = int((await program.line(ADDRESS.format("echo")))[1])
    await program.line("ready")
    assert await deferToThread(echoed, port) == b"hello"
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert is_free(port)


def echoed(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1024), b""))


@pytest.mark.parametrize("name", sorted(SERVICES))
@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest_twisted.ensureDeferred
async def test_help_lists_each_option_of_each_service(
    start: Start, command: str, name: str
) -> None:
    from toolkit.services import load
    from toolkit.settings import fields_of

    program = start(command, *(["-n"] if command == "twistd" else []), "toolkit", name, "--help")
    assert await program.ended() == 0
    shown = " ".join(program.out.split())
    for field in fields_of(load(name).settings):
        assert f"--{field.option}" in shown
        assert field.help.split()[0] in shown
    assert SERVICES[name] in shown
    assert "default: " in shown


@pytest_twisted.ensureDeferred
async def test_a_file_with_several_of_one_kind_and_one_of_another_package(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "shout.py").write_text(
        "from toolkit import Declaration, Endpoint, ListenSettings, Shared, listening\n"
        "from twisted.internet.protocol import Factory, Protocol\n"
        "class Shout(Protocol):\n"
        "    def dataReceived(self, data): self.transport.write(data.upper())\n"
        "class ShoutSettings(ListenSettings):\n"
        '    """Send everything back, louder."""\n'
        '    listen: Endpoint = "tcp:0:interface=127.0.0.1"\n'
        "def make(shared, settings):\n"
        "    return listening(shared, Factory.forProtocol(Shout), settings)\n"
        "SERVICE = Declaration(ShoutSettings, make)\n"
    )
    (tmp_path / "site.toml").write_text(SITE + '[service.two]\nkind = "echo"\n'
        f'listen = "{LOCAL}"\n[service.loud]\nkind = "shout"\n')  # fmt: skip
    program = start(
        "twistd", "-n", "toolkit", "--config", str(tmp_path / "site.toml"), cwd=Path("/")
    )
    await program.line("ready")
    two = int((await program.line(ADDRESS.format("two")))[1])
    loud = int((await program.line(ADDRESS.format("loud")))[1])
    assert await deferToThread(echoed, two) == b"hello"
    with socket.create_connection(("127.0.0.1", loud), timeout=10) as connection:
        connection.sendall(b"hello")
        assert await deferToThread(connection.recv, 100) == b"HELLO"
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0


@pytest_twisted.ensureDeferred
async def test_a_service_of_the_file_is_a_subcommand(start: Start, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[service.two]\nkind = "echo"\nlisten = "tcp:1"\n')
    program = start("twistd", "-n", "toolkit", "--config", "site.toml", "two", "--listen", LOCAL)
    await program.line("ready")
    assert "two listening on tcp:127.0.0.1:" in program.out
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--no-such"], 2, "option --no-such not recognized"),
        (["--cofnig", "x"], 2, "did you mean '--config'"),
        (["ehco"], 2, "Unknown command: ehco; did you mean 'echo'"),
        (["--config", ""], 2, "there is no such file"),
        (["echo", "--listen", "stdio:"], 2, "stdio cannot be listened on"),
        (["echo", "--listn", "tcp:0"], 2, "did you mean '--listen'"),
        (["echo", "--idle-seconds", "-1"], 2, "--idle-seconds: expected a number greater than 0"),
        (
            ["echo", "--idle-seconds", "x"],
            2,
            "--idle-seconds: expected a number greater than 0, fo",
        ),
        (["echo", "--idle-seconds"], 2, "requires argument"),
        (["echo", "--listen", "nowhere:1"], 2, "--listen: expected an endpoint such as"),
        (["echo", "--listen", "ssl:0:privateKey=none.pem"], 2, "none.pem')"),
        (["echo", "--listen", "ssl:0:privateKey=bad.toml"], 2, "holds no key or no certificate"),
        (["echo", "extra"], 2, "unexpected argument 'extra'"),
        (["--config", "none.toml"], 2, "none.toml: there is no such file"),
        (["--config", "bad.toml"], 1, "bad.toml:1: not a TOML file"),
        (["--config", "unknown.toml"], 1, "did you mean 'idle_seconds'"),
        (
            ["--config", "negative.toml"],
            1,
            "idle_seconds: expected a number greater than 0, found -",
        ),
        (["--config", "endpoint.toml"], 1, "listen: expected an endpoint such as"),
        (["--config", "service.toml"], 1, "there is no service 'ehco'; did you mean 'echo'"),
        (["--config", "unknown.toml", "--show-settings"], 1, "did you mean 'idle_seconds'"),
        (["--config", "."], 2, "--config .: cannot be read: Is a directory"),
        (["echo", "--max-connections", "1e9"], 2, 'a whole number at least 1, found "1e9"'),
    ],
)
@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest_twisted.ensureDeferred
async def test_bad_input_gets_one_line_and_a_status(
    start: Start, tmp_path: Path, command: str, arguments: list[str], status: int, told: str
) -> None:
    (tmp_path / "bad.toml").write_text("this is not TOML")
    (tmp_path / "unknown.toml").write_text("[service.echo]\nidle_secnds = 3\n")
    (tmp_path / "negative.toml").write_text("[service.echo]\nidle_seconds = -3\n")
    (tmp_path / "endpoint.toml").write_text("[service.echo]\nlisten = 'nowhere'\n")
    (tmp_path / "service.toml").write_text("[service.ehco]\n")
    program = start(command, *(["-n"] if command == "twistd" else []), "toolkit", *arguments)
    assert await program.ended() == status
    assert told in program.err
    assert 1 <= len((program.out + program.err).splitlines()) <= 3
    assert "Traceback" not in program.out + program.err


@pytest_twisted.ensureDeferred
async def test_a_mistake_in_the_environment_is_status_1(start: Start) -> None:
    program = start("twistd", "-n", "toolkit", "echo", env={"TOOLKIT_ECHO_LISTEN": "nowhere"})
    assert await program.ended() == 1
    assert program.err.startswith("toolkit: TOOLKIT_ECHO_LISTEN: expected an endpoint")


@pytest.mark.parametrize("command", ["twistd", "twist"])
@pytest_twisted.ensureDeferred
async def test_a_taken_port_ends_the_start_with_status_1(
    start: Start, tmp_path: Path, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "site.toml").write_text(
            f'[service.first]\nkind = "echo"\nlisten = "{LOCAL}"\n'
            f'[service.second]\nkind = "echo"\nlisten = "tcp:{port}:interface=127.0.0.1"\n'
        )
        options = ["-n"] if command == "twistd" else ["--log-format", "text"]
        program = start(command, *options, "toolkit", "--config", "site.toml")
        assert await program.ended() == 1
    told = [line for line in program.out.splitlines() if "could not start" in line]
    assert len(told) == 1
    assert f"second could not start: cannot listen on tcp:{port}" in told[0]
    assert "the address is in use" in told[0]
    assert "Traceback" not in program.out + program.err
    assert "ready" not in program.out
    first = int((await program.line(ADDRESS.format("first")))[1])
    assert is_free(first)
    assert not (tmp_path / "twistd.pid").exists()


@pytest_twisted.ensureDeferred
async def test_why_it_cannot_start_is_told_on_stderr_when_the_log_is_a_file(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        program = start("twistd", "-n", "-l", "site.log", "toolkit", "echo", "--listen", listen)
        assert await program.ended() == 1
    assert program.out == ""
    [line] = program.err.splitlines()
    assert line.startswith(f"toolkit: echo could not start: cannot listen on {listen}")


ODD = """
import sys
from toolkit import Declaration, Settings
class OddSettings(Settings):
    "Odd."
def make(shared, settings):
    {}
SERVICE = Declaration(OddSettings, make)
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ValueError('it is broken')", "it is broken"),
        ("return None", "it returned NoneType"),
        ("sys.exit(3)", "could not be made: 3"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_service_that_cannot_be_made_is_one_line(
    start: Start, tmp_path: Path, body: str, told: str
) -> None:
    (tmp_path / "odd_one.py").write_text(ODD.format(body))
    (tmp_path / "site.toml").write_text('[service.one]\nkind = "odd_one"\n')
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    assert await program.ended() == 1
    [line] = (program.out + program.err).splitlines()
    assert line.startswith("toolkit: one could not be made: ")
    assert told in line


@pytest.mark.parametrize(
    ("body", "make", "last", "has_traceback"),
    [
        ("return {}['url']", "make", "KeyError: 'url' at odd_one.py:6", True),
        (
            "pass",
            "(lambda: None)",
            "<lambda>() takes 0 positional arguments but 2 were given; "
            "make at odd_one.py:7 is called as make(shared, settings)",
            False,
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_bug_in_make_is_told_with_its_type_and_place(
    start: Start, tmp_path: Path, body: str, make: str, last: str, has_traceback: bool
) -> None:
    odd = ODD.format(body).replace(", make)", f", {make})").replace("import sys\n", "")
    (tmp_path / "odd_one.py").write_text(odd)
    (tmp_path / "site.toml").write_text('[service.one]\nkind = "odd_one"\n')
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    assert await program.ended() == 1
    assert program.err.splitlines()[-1] == f"toolkit: one could not be made: {last}"
    assert ("Traceback (most recent call last)" in program.err) is has_traceback
    assert "_application.py" not in program.err


@pytest_twisted.ensureDeferred
async def test_a_reactor_that_hangs_is_ended_after_one_signal(start: Start, hanging: Path) -> None:
    program = start("twistd", "-n", "toolkit", "--config", site_of(hanging, "loop", 0.5))
    await program.line("looping")
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    assert await program.ended() == 1
    assert time.monotonic() - began < 4


HANGING = """
import signal
from toolkit import Declaration, Settings
from twisted.application.service import Service
from twisted.internet.defer import Deferred
class HangingSettings(Settings):
    '''Hangs.'''
    where: str = "stop"
class Hanging(Service):
    def __init__(self, shared, settings):
        self.shared, self.where = shared, settings.where
    def startService(self):
        if self.where == "start":
            return Deferred(lambda d: None)
        if self.where == "raise":
            raise RuntimeError("it is broken")
        if self.where == "loop":
            def loop():
                print("looping")
                while True:
                    pass
            self.shared.reactor.callLater(0, loop)
        if self.where == "thread":
            import time
            self.shared.reactor.callInThread(time.sleep, 60)
    async def stopService(self):
        print("stopping")
        if self.where == "block":
            import time
            time.sleep(60)
        if self.where == "stop":
            await Deferred(lambda d: None)
SERVICE = Declaration(HangingSettings, Hanging)
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    (tmp_path / "hanging.py").write_text(HANGING)
    return tmp_path


def site_of(folder: Path, where: str, stop_seconds: float = 30) -> str:
    (folder / "site.toml").write_text(
        f"[site]\nstart_seconds = 0.5\nstop_seconds = {stop_seconds}\n"
        f'[service.echo]\nlisten = "{LOCAL}"\n'
        f'[service.hanging]\nwhere = "{where}"\n'
    )
    return str(folder / "site.toml")


@pytest.mark.parametrize("where", ["start", "raise"])
@pytest_twisted.ensureDeferred
async def test_a_start_that_hangs_or_raises_is_rolled_back_with_status_1(
    start: Start, hanging: Path, where: str
) -> None:
    program = start("twistd", "-n", "toolkit", "--config", site_of(hanging, where))
    assert await program.ended() == 1
    assert program.out.count("hanging could not start") == 1
    assert ("it is broken" if where == "raise" else "not ready after") in program.out
    assert not (hanging / "twistd.pid").exists()


@pytest.mark.parametrize("where", ["stop", "block"])
@pytest_twisted.ensureDeferred
async def test_a_second_signal_ends_the_process_at_once(
    start: Start, reactor: Any, hanging: Path, where: str
) -> None:
    program = start("twistd", "-n", "toolkit", "--config", site_of(hanging, where))
    await program.line("ready")
    program.signal(signal.SIGTERM)
    await program.line("stopping\n")
    await deferLater(reactor, 0.25)  # or it would be taken for the first, told twice
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    assert await program.ended() == 1
    assert time.monotonic() - began < 1
    assert not (hanging / "twistd.pid").exists()


@pytest.mark.parametrize(("where", "status"), [("stop", 0), ("block", 1), ("thread", 1)])
@pytest_twisted.ensureDeferred
async def test_the_whole_stop_is_bounded(
    start: Start, hanging: Path, where: str, status: int
) -> None:
    program = start("twistd", "-n", "toolkit", "--config", site_of(hanging, where, 0.5))
    await program.line("ready")
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    assert await program.ended() == status
    assert time.monotonic() - began < 4
    assert not (hanging / "twistd.pid").exists()


@pytest_twisted.ensureDeferred
async def test_a_signal_during_the_start_ends_it_with_status_0(start: Start, hanging: Path) -> None:
    file = site_of(hanging, "start")
    Path(file).write_text(Path(file).read_text().replace("start_seconds = 0.5", ""))
    program = start("twistd", "-n", "toolkit", "--config", file)
    await program.line("echo listening")
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert "ready" not in program.out


@pytest_twisted.ensureDeferred
async def test_settings_in_force_are_shown_and_can_be_loaded(start: Start, tmp_path: Path) -> None:
    env = {"TOOLKIT_ECHO_IDLE_SECONDS": "7"}
    program = start(
        "twistd", "-n", "toolkit", "--show-settings", "echo", "--listen", LOCAL, env=env
    )
    assert await program.ended() == 0
    assert program.err == ""
    assert f'listen = "{LOCAL}"  # --listen' in program.out
    assert "idle_seconds = 7.0  # TOOLKIT_ECHO_IDLE_SECONDS" in program.out
    (tmp_path / "again.toml").write_text(program.out)
    again = start("twistd", "-n", "toolkit", "--config", "again.toml", "--show-settings")
    assert await again.ended() == 0
    assert "idle_seconds = 7.0" in again.out


@pytest_twisted.ensureDeferred
async def test_systemd_is_told_ready_and_stopping(start: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(10)
        program = start(
            "twistd", "-n", "toolkit", "echo", "--listen", LOCAL, env={"NOTIFY_SOCKET": path}
        )
        assert await deferToThread(systemd.recv, 100) == b"READY=1"
        await program.line("ready")
        program.signal(signal.SIGTERM)
        assert await deferToThread(systemd.recv, 100) == b"STOPPING=1"
    assert await program.ended() == 0


@pytest_twisted.ensureDeferred
async def test_the_log_goes_where_it_is_sent_and_is_reopened_on_sighup(
    start: Start, tmp_path: Path, reactor: Any
) -> None:
    log = tmp_path / "site.log"
    (tmp_path / "site.toml").write_text(
        f'[log]\nfile = "site.log"\nformat = "json"\n[service.echo]\nlisten = "{LOCAL}"\n'
    )
    program = start("twistd", "-n", "toolkit", "--config", "site.toml")
    await until(reactor, lambda: log.exists() and b'"message":"ready"' in log.read_bytes())
    assert program.out == ""
    log.rename(tmp_path / "site.log.old")
    program.signal(signal.SIGHUP)
    await until(reactor, log.exists)
    program.signal(signal.SIGTERM)
    assert await program.ended() == 0
    assert b"stopping on SIGTERM" in log.read_bytes()
    assert b"\x1e" not in log.read_bytes()


async def until(reactor: Any, happened: Any) -> None:
    """Look again and again, for there is no event for a file of another process."""
    for _ in range(500):
        if happened():
            return
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.02, turn.callback, None)
        await turn
    raise AssertionError("it did not happen")


@pytest_twisted.ensureDeferred
async def test_a_daemon_serves_logs_and_stops(start: Start, tmp_path: Path, reactor: Any) -> None:
    program = start("twistd", "toolkit", "echo", "--listen", LOCAL)
    assert await program.ended() == 0
    log, pid = tmp_path / "twistd.log", tmp_path / "twistd.pid"
    await until(reactor, lambda: log.exists() and "ready" in log.read_text())
    os.kill(int(pid.read_text()), signal.SIGTERM)
    await until(reactor, lambda: not pid.exists())
    assert "stopping on SIGTERM" in log.read_text()
