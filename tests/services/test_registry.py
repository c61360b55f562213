"""The registry: a service is loaded when it is asked for, and what cannot be is said."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.errors import MissingExtra, ToolkitError
from toolkit.service import Declaration
from toolkit.services import SERVICES, load


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder from which modules can be imported."""
    before = set(sys.modules)
    sys.path.append(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        if name.startswith("theirs"):
            del sys.modules[name]


def test_every_service_of_the_registry_loads_and_says_what_it_is() -> None:
    for name, summary in SERVICES.items():
        assert load(name).summary == summary


def test_the_registry_is_in_the_order_of_the_alphabet() -> None:
    assert list(SERVICES) == sorted(SERVICES)


def test_every_module_of_a_service_is_in_the_registry() -> None:
    import toolkit.services

    [folder] = toolkit.services.__path__
    modules = {path.stem for path in Path(folder).glob("[a-z]*.py")}
    assert modules == set(SERVICES)


def test_a_module_of_another_package_declares_one_too(folder: Path) -> None:
    (folder / "theirs").mkdir()
    (folder / "theirs" / "__init__.py").touch()
    (folder / "theirs" / "inner.py").write_text("from toolkit.services.echo import SERVICE\n")
    assert isinstance(load("theirs.inner"), Declaration)


@pytest.mark.parametrize("kind", ["theirs_is_not_there", "no.such.module", "theirs.no", "echo.x"])
def test_a_module_that_is_not_there_is_no_service(folder: Path, kind: str) -> None:
    (folder / "theirs.py").touch()
    with pytest.raises(ToolkitError, match=f"there is no service '{kind}'") as caught:
        load(kind)
    assert caught.value.code == "no-such-service"


@pytest.mark.parametrize("kind", ["", ".", ".echo", "theirs..x", "a b", "../echo"])
def test_what_is_no_name_of_a_module_is_a_toolkit_error(folder: Path, kind: str) -> None:
    with pytest.raises(ToolkitError):
        load(kind)


@pytest.mark.parametrize("content", ["", "SERVICE = None", "SERVICE = dict()"])
def test_a_module_that_declares_nothing_is_no_service(folder: Path, content: str) -> None:
    (folder / "theirs_empty.py").write_text(content)
    with pytest.raises(ToolkitError, match="declares no service: it needs SERVICE") as caught:
        load("theirs_empty")
    assert caught.value.code == "no-such-service"


def test_a_package_that_a_module_needs_is_named(folder: Path) -> None:
    (folder / "theirs_needy.py").write_text("import no_such_package_at_all\n")
    with pytest.raises(MissingExtra, match="needs the package 'no_such_package_at_all'"):
        load("theirs_needy")


@pytest.mark.parametrize(
    ("content", "told"), [("1 / 0", "ZeroDivisionError"), ("def", "SyntaxError")]
)
def test_a_module_that_breaks_is_told_with_its_error(folder: Path, content: str, told: str) -> None:
    (folder / "theirs_broken.py").write_text(content)
    with pytest.raises(ToolkitError, match=f"cannot be imported: {told}") as caught:
        load("theirs_broken")
    assert caught.value.code == "broken-service"
    assert caught.value.__cause__ is not None
