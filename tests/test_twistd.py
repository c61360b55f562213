"""The plugin's options and its service, without a process around them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as some
from twisted.application.service import IService

from toolkit._twistd import Options, makeService
from toolkit.services import SERVICES, load
from toolkit.settings import fields_of


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment without the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TOOLKIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text('[service.inbox]\nkind = "echo"\nlisten = "tcp:1"\n[service.echo]\n')
    return path


def parsed(*arguments: str | Path) -> Options:
    options = Options()
    options.parseOptions([str(one) for one in arguments])
    return options


def subcommands(options: Options) -> dict[str, str]:
    return {name: summary for name, _, _, summary in options.subCommands}


def test_each_service_of_the_registry_is_a_subcommand() -> None:
    assert subcommands(parsed()) == SERVICES


def test_a_service_of_the_file_is_one_beside_them(file: Path) -> None:
    found = subcommands(parsed("--config", file))
    assert found == {**SERVICES, "inbox": f"echo, as {file} sets it"}


def test_a_subcommand_sets_what_it_is_told_over_the_file(file: Path) -> None:
    [table] = parsed("-c", file, "inbox", "--idle-seconds", "7").site.services
    assert (table.name, table.kind) == ("inbox", "echo")
    assert (table.settings.listen, table.settings.idle_seconds) == ("tcp:1", 7)
    assert table.places["idle_seconds"] == "--idle-seconds"


def test_without_a_subcommand_the_file_runs(file: Path) -> None:
    assert [table.name for table in parsed("--config", file).site.services] == ["inbox", "echo"]


def test_show_settings_prints_them_and_stops(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--show-settings", "--config", file, "inbox", "--drain-seconds", "2")
    output = capsys.readouterr()
    assert (ended.value.code, output.err) == (0, "")
    assert '[service.inbox]\nkind = "echo"\n' in output.out
    assert f'listen = "tcp:1"  # {file}:3: [service.inbox] listen\n' in output.out
    assert "drain_seconds = 2.0  # --drain-seconds\n" in output.out
    assert "[service.echo]" not in output.out


@pytest.mark.parametrize(
    ("content", "arguments", "status"),
    [
        ("[service.echo]\nidle_seconds = 0\n", [], 1),
        ("[service.echo]\n", ["echo", "--idle-seconds", "0"], 2),
    ],
)
def test_a_mistake_is_one_line_and_its_status_says_where_it_is(
    file: Path, content: str, arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(content)
    with pytest.raises(SystemExit) as ended:
        parsed("--config", file, *arguments)
    assert ended.value.code == status
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("toolkit: ")
    assert "expected a number greater than 0, found" in line


@pytest.mark.parametrize("before", [[], ["echo"]])
def test_an_argument_of_several_lines_is_told_in_one(
    before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, lines = ended(capsys, *before, "--two\nlines")
    assert (status, len(lines)) == (2, 1)


def ended(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, list[str]]:
    """The status, what is on stdout, and the lines on stderr."""
    with pytest.raises(SystemExit) as caught:
        parsed(*arguments)
    output = capsys.readouterr()
    return int(caught.value.code or 0), output.out, output.err.splitlines()


def test_mistakes_of_file_variables_and_command_line_are_told_together(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(
        "[lgo]\n[log]\nlevel = 'loud'\n[service.echo]\n"
        "idle_secnds = 1\nlisten = 'nowhere'\ndrain_seconds = -1\n"
    )
    monkeypatch.setenv("TOOLKIT_ECHO_MAX_CONNECTIONS", "none")
    status, out, lines = ended(
        capsys, "--config", file, "echo", "--zzz", "1", "--idle-seconds", "x"
    )
    assert (status, out) == (2, "")
    assert [line.partition(": expected")[0] for line in lines] == [
        "toolkit: option --zzz not recognized; see --help",
        "toolkit: --idle-seconds",
        f"toolkit: {file}:5: [service.echo] idle_secnds: unknown setting; "
        "did you mean 'idle_seconds'?",
        f"toolkit: {file}:6: [service.echo] listen",
        f"toolkit: {file}:7: [service.echo] drain_seconds",
        "toolkit: TOOLKIT_ECHO_MAX_CONNECTIONS",
        f"toolkit: {file}:1: unknown table [lgo]; did you mean 'log'?",
        f"toolkit: {file}:3: [log] level",
    ]


def test_a_screen_of_mistakes_is_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("".join(f"[x{number}]\n" for number in range(100)))
    status, _, lines = ended(capsys, "--config", file, "--show-settings")
    assert (status, len(lines), lines[-1]) == (1, 20, "toolkit: and 81 more mistakes")


SECRETIVE = """
from toolkit import Declaration, Secret, Settings
class SecretiveSettings(Settings):
    "Has a password."
    password: Secret
    tokens: tuple[Secret, ...] = ()
    retries: int = 3
SERVICE = Declaration(SecretiveSettings, None)
"""


@pytest.fixture
def secretive(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a site whose one service needs a password."""
    (file.parent / "secretive.py").write_text(SECRETIVE)
    (file.parent / "password").write_text("hush-4711\n")
    (file.parent / "password").chmod(0o600)
    monkeypatch.syspath_prepend(file.parent)
    file.write_text('[service.mine]\nkind = "secretive"\n')
    return file


def test_a_secret_comes_from_a_file_that_each_source_may_name(
    secretive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secretive.parent / "password"
    options = ["--show-settings", "--config", str(secretive), "mine"]
    status, out, lines = ended(capsys, *options, "--password-file", path)
    assert (status, lines) == (0, [])
    assert f'password_file = "{path}"  # --password-file\n' in out
    monkeypatch.setenv("TOOLKIT_MINE_PASSWORD_FILE", str(path))
    status, out, _ = ended(capsys, *options)
    assert f'password_file = "{path}"  # TOOLKIT_MINE_PASSWORD_FILE\n' in out
    secretive.write_text(out)
    [table] = parsed("--config", secretive).site.services
    assert table.settings.password.reveal() == "hush-4711"


def test_a_credential_wins_over_the_file_and_a_variable_over_both(
    secretive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secretive.parent / "toolkit.mine.password").write_text("of systemd")
    secretive.write_text(secretive.read_text() + 'password = "of the file"\n')
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secretive.parent))
    assert password_of(secretive) == "of systemd"
    monkeypatch.setenv("TOOLKIT_MINE_PASSWORD", "of the environment")
    assert password_of(secretive) == "of the environment"
    assert password_of(secretive, "--password", "typed") == "typed"


def password_of(file: Path, *arguments: str) -> str:
    [table] = parsed("--config", file, "mine", *arguments).site.services
    password: str = table.settings.password.reveal()
    return password


def test_a_secret_that_others_may_read_is_warned_of(
    secretive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = secretive.parent / "password"
    path.chmod(0o644)
    secretive.write_text(secretive.read_text() + f'password_file = "{path}"\n')
    status, out, lines = ended(capsys, "--show-settings", "--config", secretive)
    assert status == 0
    assert lines == [
        f"toolkit: warning: {secretive}:3: [service.mine] password_file: every user of this "
        f"machine may read '{path}'; chmod o-r would end that"
    ]
    assert tomllib.loads(out)["service"]["mine"]["password_file"] == str(path)


def test_a_masked_secret_ends_the_check_and_the_start(
    secretive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secretive.write_text(secretive.read_text() + 'password = "hush-4711"\n')
    _, out, _ = ended(capsys, "--show-settings", "--config", secretive)
    assert "hush" not in out
    secretive.write_text(out)
    for arguments in (["--show-settings"], []):
        status, out, [line] = ended(capsys, "--config", secretive, *arguments)
        assert (status, out) == (1, "")
        assert "[service.mine] password: expected the secret itself, found ****" in line


def test_help_shows_what_the_file_sets_and_comes_even_when_the_file_is_wrong(
    secretive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = ended(capsys, "--config", secretive, "mine", "--help")
    assert "[default: 3]" in out
    text = secretive.read_text() + 'password = "hush-4711"\nretries = 7\n'
    secretive.write_text(text)
    status, out, _ = ended(capsys, "--config", secretive, "mine", "--help")
    shown = "".join(out.split())
    assert status == 0
    assert f"[default:7,from{secretive}:4:[service.mine]retries]" in shown
    assert "hush" not in out


@pytest.mark.parametrize("arguments", [["--version"], ["echo", "--version"]])
def test_version_is_the_toolkits(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, lines = ended(capsys, *arguments)
    assert (status, lines) == (0, [])
    assert out.startswith("twisted-app-toolkit ")


KEYS = ["service", "log", "site", "echo", "inbox", "kind", "listen", "level", "levels", "'a b'"]
KEYS += ["idle_seconds", "also_stdout", "start_seconds", "paths", '""', '"\\u0000"', "x", "poller"]
VALUES = ["1", "-0.0", "nan", "-inf", "1e999", "9" * 40, "0x" + "f" * 5000, "true", '"echo"', '""']
VALUES += ["2024-01-01", "07:32:00.5", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00", "'debug'"]
VALUES += ["'poller'", "'tcp:0'", "'http://u:p@x/'", '"\\u0000\\ud7ff"', 3 * '"' + "\n" + 3 * '"']
VALUES += ["[" * 60 + "]" * 60, "{" + "a.b={" * 30 + "}" * 30 + "}", "'.x'", "'os'", "'a/b'"]
HEADERS = [
    "[service.echo]",
    "[service.poller]",
    "[service.inbox]\nkind = 'poller'",
    "[log]",
    "[site]",
]
VARIABLES = ["ECHO_LISTEN", "LOG_LEVELS", "LOG_ALSO_STDOUT", "INBOX_PATHS", "ECHO_IDLE_SECOND"]
TEXTS = [
    "/",
    "[1",
    "[" * 900,
    "a=debug,=",
    "nan",
    "1" * 5000,
    "yes",
    "\udcff",
    "null",
    "a\nb",
    "tcp:1",
]
DAMAGE = [b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\r", b"\xed\xa0\x80", b"="]
keys = some.lists(some.sampled_from(KEYS), min_size=1, max_size=3).map(".".join)
values = some.recursive(
    some.sampled_from(VALUES),
    lambda inner: (
        some.lists(inner, max_size=3).map(lambda many: f"[{', '.join(many)}]")
        | some.tuples(keys, inner).map(lambda pair: f"{{ {pair[0]} = {pair[1]} }}")
    ),
    max_leaves=4,
)
settings_of_all = [
    f"{field.name} = " for name in ("echo", "poller") for field in fields_of(load(name).settings)
]
statements = (
    some.tuples(some.sampled_from(settings_of_all), values).map("".join)
    | some.tuples(some.sampled_from(HEADERS), some.just("")).map("".join)
    | some.tuples(keys, values).map(" = ".join)
    | keys.map(lambda key: f"[{key}]")
    | keys.map(lambda key: f"[[{key}]]")
)
toml = some.tuples(some.sampled_from(HEADERS), some.lists(statements, max_size=5)).map(
    lambda parts: "\n".join([parts[0], *parts[1]]).encode()
)
damage = some.sampled_from([b""] * 20 + DAMAGE)
documents = some.tuples(damage, toml, damage).map(b"".join)
variables = some.dictionaries(
    some.sampled_from([*(f"TOOLKIT_{name}" for name in VARIABLES), "CREDENTIALS_DIRECTORY"]),
    some.sampled_from(TEXTS)
    | some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10),
    max_size=2,
)
arguments = some.lists(
    some.sampled_from(["--paths", "--listen", "-x", "--idle-seconds", "--no-announce-existing"])
    | some.sampled_from(["--help", "--version", "--", "\udcff", "\ud800", "a\0b", "--paths=/srv"])
    | some.sampled_from(["9", "1" * 5000, "/srv", "tcp:0", "--pahts", "--listen=unix:/x"])
    | some.text(max_size=6),
    max_size=4,
)
typed_ = some.tuples(
    some.sampled_from([[], ["--show-settings"]]),
    some.sampled_from([[], ["echo"], ["poller"], ["inbox"]]),
    arguments | some.just([]),
).map(lambda parts: [one for part in parts for one in part])


@given(
    content=documents | some.binary(max_size=60) | some.none(), environment=variables, typed=typed_
)
@example(b"[service.echo]\nlisten." + b".".join([b"a"] * 4000) + b" = 1", {}, [])
@example(b"[service.echo]\nidle_seconds = 0x" + b"f" * 9000, {}, [])
@example(b"[service.poller]\npaths = ['/']", {}, ["--show-settings", "poller", "--paths", "\udcff"])
@example(b"[service.poller]\npaths = ['http://u:p@x/\\U0001f600\\u0085']", {}, ["--show-settings"])
@settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=None)
def test_nothing_that_is_set_gives_a_traceback(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    environment: dict[str, str],
    typed: list[str],
) -> None:
    if content is not None:
        file.write_bytes(content)
    given_: Any = typed if content is None else ["--config", str(file), *typed]
    status: int | None = None
    with monkeypatch.context() as patch:
        for name, text in environment.items():
            patch.setenv(name, text)
        try:
            site = parsed(*given_).site
        except SystemExit as end:
            status = int(end.code or 0)
        else:
            assert all(table.settings is not None for table in site.services)
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert all(line.startswith("toolkit: ") and line.isprintable() for line in lines)
    assert len(lines) <= 20
    assert status in (None, 0, 1, 2)
    assert bool(lines) == (status in (1, 2))
    assert bool(output.out) == (status == 0)
    if status == 0 and not {"--help", "--version"} & {*typed}:
        assert {"site", "log"} <= set(tomllib.loads(output.out))


def test_what_was_settled_becomes_a_service_that_has_not_started() -> None:
    service = makeService(parsed("echo"))
    assert IService.providedBy(service)
    assert not service.running


def test_a_service_that_cannot_be_made_is_one_line_and_status_1(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"[log]\nfile = '{file.parent}/none/log'\n[service.echo]\n")
    options = parsed("--config", file)
    with pytest.raises(SystemExit) as ended:
        makeService(options)
    assert ended.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("toolkit: cannot write the log file")
