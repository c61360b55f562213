"""A site's file: what is no table of ours is found, and a kind is loaded where it is."""

from __future__ import annotations

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
    assert empty.shared == {name: {} for name in TABLES}


def test_a_value_knows_its_file_table_and_key_and_the_kind_is_none(file: Path) -> None:
    found = document(file, "[service.inbox]\nkind = 'poller'\npaths = ['/srv']\n")
    values = found.values("service.inbox", found.services["inbox"])
    assert values == {"paths": Value(["/srv"], f"{file}: [service.inbox] paths")}


def test_a_kind_is_the_name_unless_the_table_says(file: Path) -> None:
    found = document(file, "[service.echo]\n[service.inbox]\nkind = 'poller'\n")
    kinds = [found.kind(name) for name in ("echo", "inbox", "not-in-the-file")]
    assert kinds == ["echo", "poller", "not-in-the-file"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[sevrice.echo]", "unknown table [sevrice]; did you mean 'service'"),
        ("service = 3", "service must be a table: [service]"),
        ("[[service]]", "service must be a table: [service]"),
        ("[service]\necho = 3", "service.echo must be a table: [service.echo]"),
        ("log = 3", "log must be a table: [log]"),
        ("[service.log]", "[service.log]: a service's name is letters"),
        ("[service.'a b']", "[service.a b]: a service's name is letters"),
        ("[service.'']", "a service's name is letters"),
        ("[service.'echo\\n']", "a service's name is letters"),
        ("[service.x]\nkind = 3", "[service.x] kind: expected text, found 3"),
        ("this is not TOML", "not a TOML file"),
        ("a = 1\na = 2", "not a TOML file"),
        ("a = " + "[" * 5000, "not a TOML file"),
    ],
)
def test_what_is_no_file_of_settings_is_told_in_one_line(
    file: Path, content: str, told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        document(file, content)
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{file}: ")
    assert told in line
    assert not caught.value.on_command_line


def test_every_table_that_is_unknown_is_told(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        document(file, "[zzz]\n[lgo]\nlevel = 'info'\n")
    assert caught.value.problems == [
        f"{file}: unknown table [zzz]",
        f"{file}: unknown table [lgo]; did you mean 'log'?",
    ]


def test_a_file_that_is_not_there_is_a_mistake_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file") as caught:
        Document(str(tmp_path / "none.toml"))
    assert caught.value.on_command_line


def test_a_folder_and_binary_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Document(str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not a TOML file"):
        Document(str(tmp_path / "binary"))


def test_a_kind_of_the_registry_is_loaded_with_and_without_a_file(file: Path) -> None:
    assert load_service(Document(), "echo") is ECHO
    assert load_service(document(file, "[service.two]\nkind = 'echo'\n"), "two") is ECHO


def test_a_kind_of_another_package_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "their_kind_of_echo.py").write_text("from toolkit.services.echo import SERVICE\n")
    found = document(tmp_path / "site.toml", "[service.a]\nkind = 'their_kind_of_echo'\n")
    assert load_service(found, "a") is ECHO
    assert load_service(found, "their_kind_of_echo") is ECHO


def test_a_module_beside_the_file_does_not_hide_another(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("from toolkit.services.echo import SERVICE\n")
    found = document(tmp_path / "site.toml", "[service.a]\nkind = 'json'\n")
    assert "module 'json' declares no service" in problem(found, "a")


def test_a_kind_that_breaks_when_imported_is_told(file: Path) -> None:
    (file.parent / "their_broken_kind.py").write_text("1 / 0\n")
    found = document(file, "[service.a]\nkind = 'their_broken_kind'\n")
    told = problem(found, "a")
    assert told.startswith(f"{file}: [service.a]: service 'their_broken_kind' cannot be imported")
    assert "ZeroDivisionError" in told


def test_a_kind_that_needs_a_package_that_is_missing_is_told(file: Path) -> None:
    (file.parent / "their_needy_kind.py").write_text("import no_such_package_at_all\n")
    found = document(file, "[service.a]\nkind = 'their_needy_kind'\n")
    assert "needs the package 'no_such_package_at_all'" in problem(found, "a")


def test_a_name_that_is_not_in_the_file_is_told_without_a_place(file: Path) -> None:
    found = document(file, "[service.echo]\n")
    assert problem(found, "ehco") == "there is no service 'ehco'; did you mean 'echo'?"
    assert "echo" in SERVICES


@given(some.binary(max_size=200) | some.text(max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_gives_a_traceback(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        found = Document(str(file))
    except SettingsError as error:
        assert 1 <= len(str(error).splitlines()) <= 3
    else:
        assert all(isinstance(table, dict) for table in found.shared.values())
