"""A site's file: what is no table of ours is found, and a kind is loaded where it is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as some

from toolkit.document import TABLES, Document, load_service
from toolkit.errors import SettingsError
from toolkit.services import SERVICES
from toolkit.services.echo import SERVICE as ECHO
from toolkit.settings import Value


@pytest.fixture(autouse=True)
def _imports() -> Iterator[None]:
    """What can be imported, and what has been, as it was before the test."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("their_"):
            del sys.modules[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def document(file: Path, content: str) -> Document:
    file.write_text(content)
    return Document(str(file))


def problem(document: Document, name: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_service(document, name)
    return str(caught.value)


def test_without_a_file_every_table_is_empty() -> None:
    empty = Document()
    assert (empty.path, empty.services) == ("", {})
    assert [empty.values(name) for name in TABLES] == [{} for _ in TABLES]


def test_a_value_knows_its_file_line_table_and_key_and_the_kind_is_none(file: Path) -> None:
    found = document(file, "[service.inbox]\nkind = 'poller'\n\npaths = ['/srv']\n")
    values = found.values("service", "inbox")
    assert values == {"paths": Value(["/srv"], f"{file}:4: [service.inbox] paths")}


def test_a_table_is_named_with_its_place_if_it_is_in_the_file(file: Path) -> None:
    found = document(file, "\n[service.echo]\n")
    assert found.title("service", "echo") == f"{file}:2: [service.echo]"
    assert found.title("log") == "[log]"


def test_a_kind_is_the_name_unless_the_table_says(file: Path) -> None:
    found = document(file, "[service.echo]\n[service.inbox]\nkind = 'poller'\n")
    kinds = [found.kind(name) for name in ("echo", "inbox", "not-in-the-file")]
    assert kinds == ["echo", "poller", "not-in-the-file"]


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ("\n[sevrice.echo]", 2, "unknown table [sevrice]; did you mean 'service'"),
        ("service = 3", 1, "service must be a table: [service]"),
        ("[[service]]", 1, "service must be a table: [service]"),
        ("[service]\necho = 3", 2, "service.echo must be a table: [service.echo]"),
        ("log = 3", 1, "log must be a table: [log]"),
        ("[service.log]", 1, "[service.log]: a service's name is letters"),
        ("[service.LOG]", 1, "a service's name is letters"),
        ("[service.'a b']", 1, "[service.a b]: a service's name is letters"),
        ("[service.'']", 1, "a service's name is letters"),
        ("[service.'echo\\n']", 1, "a service's name is letters"),
        ("[service.x]\nkind = 3", 2, "kind: expected the name of a service or of a module, fo"),
        (f"[service.x]\nkind = 0x{'f' * 5000}", 2, "module, found a huge number"),
        ("[service.x]\nkind = ''", 2, 'name of a service or of a module, found ""'),
        ("[service.x]\nkind = '.foo'", 2, 'name of a service or of a module, found ".foo"'),
        ("[service.x]\nkind = 'a..b'", 2, 'name of a service or of a module, found "a..b"'),
    ],
)
def test_what_is_no_table_of_settings_is_told_in_one_line(
    file: Path, content: str, line: int, told: str
) -> None:
    found = document(file, content)
    [problem] = found.problems
    assert problem.startswith(f"{file}:{line}: ")
    assert told in problem
    assert found.services == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"this is not TOML", ":1: not a TOML file: Expected '='"),
        (b"\n[log]\nlevel = ", ":3: not a TOML file: Invalid value (column 9)"),
        (b"a = 1\na = 2", ":2: not a TOML file: Cannot overwrite a value"),
        (b"a.b = 1\na.b.c = 2", ":2: not a TOML file"),
        (b"\nx = '\xff'", ":2: not a TOML file: not UTF-8"),
        (b"\xff\xfe\x00", ":1: not a TOML file: not UTF-8"),
        (b"a = '\0'", ":1: not a TOML file: Found invalid character"),
        (b"a = " + b"[" * 5000, ": not a TOML file for settings: nested too deep"),
        (b"a = " + b"[" * 30 + b"]" * 30, ": not a TOML file for settings: nested too deep"),
        (b".".join([b"log"] + [b"a"] * 5000) + b" = 1", ": not a TOML file for settings: nested"),
        (b"a = 1" + b"0" * 5000, ": not a TOML file: Exceeds the limit"),
    ],
)
def test_what_is_no_toml_is_told_in_one_line(file: Path, content: bytes, told: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Document(str(file))
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{file}{told}")
    assert not caught.value.on_command_line


def test_the_mark_that_some_editors_begin_a_file_with_is_skipped(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[service.echo]\n")
    assert list(Document(str(file)).services) == ["echo"]


def test_every_table_that_is_unknown_is_told(file: Path) -> None:
    assert document(file, "[zzz]\n[lgo]\nlevel = 'info'\n").problems == [
        f"{file}:1: unknown table [zzz]",
        f"{file}:2: unknown table [lgo]; did you mean 'log'?",
    ]


def test_a_file_that_is_not_there_is_a_mistake_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file") as caught:
        Document(str(tmp_path / "none.toml"))
    assert caught.value.on_command_line


def test_what_is_too_large_is_a_mistake_on_the_command_line(file: Path) -> None:
    file.write_bytes(b"#" * 2_000_000)
    for path in (str(file), "/dev/zero"):
        with pytest.raises(SettingsError) as caught:
            Document(path)
        assert str(caught.value) == f"--config {path}: larger than 1024 KiB: no file of settings"
        assert caught.value.on_command_line


def test_a_folder_is_no_file_and_a_mistake_on_the_command_line_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory") as caught:
        Document(str(tmp_path))
    assert caught.value.on_command_line


def test_a_kind_of_the_registry_is_loaded_with_and_without_a_file(file: Path) -> None:
    assert load_service(Document(), "echo") is ECHO
    assert load_service(document(file, "[service.two]\nkind = 'echo'\n"), "two") is ECHO


def test_the_members_of_a_table_know_their_places(file: Path) -> None:
    content = '[log.levels]\n"a.b" = "info"\nc.d = "loud"\n'
    [value] = document(file, content).values("log").values()
    assert value.members == {
        "a.b": f"{file}:2: [log.levels] a.b",
        "c.d": f"{file}:3: [log.levels] c.d",
    }


def test_a_pipe_that_is_written_to_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"[service.echo]\n")
    os.close(writing)
    assert list(Document(f"/dev/fd/{reading}").services) == ["echo"]
    os.close(reading)


def test_a_fifo_that_nobody_writes_to_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SettingsError, match="expected a file, found what nobody writes to for 3"):
        Document(str(tmp_path / "fifo"))


def test_two_services_do_not_share_their_variables(file: Path) -> None:
    found = document(file, "[service.a-b]\nkind = 'echo'\n[service.A_b]\nkind = 'echo'\n")
    [told] = found.problems
    assert told == (
        f"{file}:3: [service.A_b]: its variables, TOOLKIT_A_B_*, would be those of [service.a-b] "
        "too; give it another name"
    )


def test_a_kind_of_another_package_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "their_kind_of_echo.py").write_text("from toolkit.services.echo import SERVICE\n")
    found = document(tmp_path / "site.toml", "[service.a]\nkind = 'their_kind_of_echo'\n")
    assert load_service(found, "a") is ECHO
    assert load_service(found, "their_kind_of_echo") is ECHO


def test_a_module_beside_the_file_does_not_hide_another(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("from toolkit.services.echo import SERVICE\n")
    found = document(tmp_path / "site.toml", "[service.a]\nkind = 'json'\n")
    told = problem(found, "a")
    assert f"module 'json' ({json.__file__}) declares no service" in told


def test_a_kind_that_breaks_when_imported_is_told(file: Path) -> None:
    (file.parent / "their_broken_kind.py").write_text("1 / 0\n")
    found = document(file, "[service.a]\nkind = 'their_broken_kind'\n")
    told = problem(found, "a")
    assert told.startswith(f"{file}:1: [service.a]: service 'their_broken_kind' cannot be imported")
    assert "ZeroDivisionError" in told


ODD = """
from toolkit import Declaration, Settings
class OddSettings(Settings):
    {}
SERVICE = Declaration(OddSettings, None)
"""


def test_each_field_that_can_be_no_setting_is_told_with_the_table(file: Path) -> None:
    (file.parent / "their_odd_kind.py").write_text(ODD.format("x: int = 1; help: int = 2"))
    found = document(file, "[service.a]\nkind = 'their_odd_kind'\n")
    lines = problem(found, "a").splitlines()
    assert [line.partition(" cannot be ")[0] for line in lines] == [
        f"{file}:1: [service.a]: OddSettings.x",
        f"{file}:1: [service.a]: OddSettings.help",
    ]


def test_a_kind_that_needs_a_package_that_is_missing_is_told(file: Path) -> None:
    (file.parent / "their_needy_kind.py").write_text("import no_such_package_at_all\n")
    found = document(file, "[service.a]\nkind = 'their_needy_kind'\n")
    assert "needs the package 'no_such_package_at_all'" in problem(found, "a")


def test_a_name_that_is_not_in_the_file_is_told_without_a_place(file: Path) -> None:
    found = document(file, "[service.echo]\n")
    assert problem(found, "ehco") == "there is no service 'ehco'; did you mean 'echo'?"
    assert "echo" in SERVICES


@given(some.binary(max_size=200) | some.text(max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_file_gives_a_traceback(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        found = Document(str(file))
    except SettingsError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(isinstance(table, dict) for table in found.services.values())
