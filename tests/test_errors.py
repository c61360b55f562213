"""Errors carry a stable code, and say what is wrong in few lines."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from toolkit import errors
from toolkit.errors import ConnectFailed, SettingsError, ToolkitError, printable, reason_of, told

KINDS: list[type[ToolkitError]] = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ToolkitError) and kind is not SettingsError
]


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [SettingsError.code, *(kind.code for kind in KINDS)]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and " " not in code for code in codes)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_its_message_and_has_its_class_code(kind: type[ToolkitError]) -> None:
    error = kind("the disk is gone")
    assert str(error) == "the disk is gone"
    assert error.code == kind.code
    assert isinstance(error, ToolkitError)


def test_a_code_may_be_given_for_one_error_alone() -> None:
    error = ConnectFailed("refused", "connect-refused")
    assert error.code == "connect-refused"
    assert ConnectFailed("again").code == ConnectFailed.code == "connect-failed"


def test_an_error_survives_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(ConnectFailed("refused", "connect-refused")))
    assert (str(error), error.code) == ("refused", "connect-refused")


@given(st.lists(st.text(), min_size=1, max_size=40))
def test_a_settings_error_fits_on_a_screen(problems: list[str]) -> None:
    error = SettingsError(problems)
    assert len(str(error).split("\n")) == min(len(problems), 20)
    assert error.problems == problems


def test_as_many_problems_as_fit_are_all_shown() -> None:
    problems = [f"problem {number}" for number in range(20)]
    assert str(SettingsError(problems)).split("\n") == problems


def test_of_more_problems_the_others_are_counted() -> None:
    problems = [f"problem {number}" for number in range(22)]
    error = SettingsError(problems)
    assert str(error).split("\n") == [*problems[:19], "and 3 more mistakes"]
    assert error.problems == problems


def test_a_settings_error_knows_whether_it_is_of_the_command_line() -> None:
    assert not SettingsError(["x"]).on_command_line
    assert SettingsError(["x"], on_command_line=True).on_command_line


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("no such disk"), "no such disk"),
        (OSError("no such\n\n  disk\n"), "no such; disk"),
        (KeyError(), "KeyError"),
        (ValueError(" \n "), "ValueError"),
        (SystemExit("bye"), "bye"),
    ],
)
def test_a_reason_is_one_line(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_bug_is_told_with_its_type_and_place() -> None:
    with pytest.raises(KeyError) as caught:
        dict[str, str]()["url"]
    place = f" at test_errors.py:{caught.tb.tb_lineno}"
    assert told(caught.value) == f"KeyError: 'url'{place}"
    assert told(KeyError("never raised")) == "KeyError: 'never raised'"
    assert told(AssertionError()) == "AssertionError"


@given(st.text())
def test_a_reason_is_never_empty_and_never_two_lines(text: str) -> None:
    assert len(reason_of(ToolkitError(text)).splitlines()) == 1


def test_what_is_escaped_can_still_be_read() -> None:
    assert printable("a\tb\n\x1b[31m\x9b\u202e\udcff é") == ("a\\tb\\n\\x1b[31m\\x9b\\u202e\\xff é")


@given(st.text(st.characters()))
def test_any_text_can_be_printed_on_one_line_and_what_could_be_already_is_as_it_was(
    text: str,
) -> None:
    line = printable(text)
    assert line.isprintable()
    assert printable(line) == line
    assert line == text or not text.isprintable()


@given(st.binary())
def test_a_name_that_is_not_utf_8_shows_its_bytes(name: bytes) -> None:
    shown = printable(name.decode("ascii", "surrogateescape"))
    assert shown == "".join(
        chr(one) if 0x20 <= one < 0x7F else ascii(chr(one))[1:-1] for one in name
    )
