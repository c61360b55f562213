"""A service is made, or it is told why not: in one line, and of a bug with its traceback."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.application.service import IService, Service
from twisted.internet.task import Clock

from toolkit._making import made
from toolkit.errors import ToolkitError
from toolkit.log.secrets import Masks
from toolkit.log.value import LIMIT, Values
from toolkit.service import Declaration, Health, Shared
from toolkit.settings import Settings
from toolkit.site import ServiceTable

SECRET = "hunter2-of-a-service"


class NoSettings(Settings):
    """None."""


def making(make: Callable[[Shared, NoSettings], IService]) -> IService:
    declaration = Declaration(NoSettings, make)
    table = ServiceTable("one", NoSettings(), {}, "job", declaration)
    masks = Masks()
    masks.hide(SECRET)
    return made(table, Shared(Clock(), "one", Health("one")), 30, Values(masks))


def failing(error: BaseException) -> Callable[[Shared, NoSettings], IService]:
    def make(_shared: Shared, _settings: NoSettings) -> IService:
        raise error

    return make


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_the_service_that_was_made_is_given() -> None:
    service = Service()
    assert making(lambda _shared, _settings: service) is service


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("it is broken"), "ValueError: it is broken at test_making.py:"),
        (FileNotFoundError(2, "No such file"), "FileNotFoundError: [Errno 2] No such file at "),
        (SystemExit(3), "SystemExit: 3 at test_making.py:"),
        (KeyError("url"), "KeyError: 'url' at test_making.py:"),
        (Mute(), "Mute that cannot be shown at test_making.py:"),
    ],
)
def test_a_bug_is_told_with_its_type_and_place_and_a_traceback(
    error: BaseException, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolkitError) as raised:
        making(failing(error))
    assert str(raised.value).startswith(f"one could not be made: {told}")
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_what_the_toolkit_foresees_is_its_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ToolkitError, match=r"\Athere is no disk\Z"):
        making(failing(ToolkitError("there is no disk")))
    assert capsys.readouterr().err == ""


def test_a_traceback_holds_no_secret_and_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = f"\x1b[31m{SECRET} http://bob:own-words@h/?token=their-words"
    with pytest.raises(ToolkitError):
        making(failing(KeyError(text)))
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert not any(part in err for part in (SECRET, "own-words", "their-words", "\x1b"))


def test_a_traceback_is_cut_as_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ToolkitError):
        making(failing(ValueError("x" * 1_000_000)))
    err = capsys.readouterr().err
    assert len(err) < LIMIT + 1000
    assert "…[cut: " in err


def test_what_is_no_service_is_refused() -> None:
    nothing: Callable[[Shared, NoSettings], IService] = lambda *_: None  # type: ignore[assignment] # noqa: E731
    with pytest.raises(ToolkitError, match="it returned NoneType"):
        making(nothing)
