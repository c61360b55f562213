"""A secret can be read when it is asked for, and in no other way by accident."""

from __future__ import annotations

import copy
import json
import os
import traceback
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.secret import Secret, is_exposed, is_masked, read_secret, secrets_in
from toolkit.settings import Settings

HUSH = "hush-4711"


class Account(Settings):
    """Holds one."""

    password: Secret | None = None


def test_it_is_revealed_to_who_asks() -> None:
    assert Secret(HUSH).reveal() == HUSH


@pytest.mark.parametrize("form", ["{}", "{!r}", "{!s}", "{!a}"])
def test_it_does_not_print(form: str) -> None:
    assert form.format(Secret(HUSH)) == "****"
    for holder in ([Secret(HUSH)], {"key": Secret(HUSH)}, Account(password=Secret(HUSH))):
        shown = form.format(holder)
        assert "****" in shown
        assert HUSH not in shown


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, msgspec.to_builtins])
def test_it_cannot_be_encoded_by_mistake(encode: Any) -> None:
    with pytest.raises(TypeError) as caught:
        encode({"password": Secret(HUSH)})
    assert HUSH not in "".join(traceback.format_exception(caught.value))


def test_it_has_no_fields_to_be_listed() -> None:
    with pytest.raises(TypeError):
        vars(Secret(HUSH))


def test_two_of_the_same_value_are_equal_and_no_text_is() -> None:
    assert Secret(HUSH) == copy.copy(Secret(HUSH))
    assert len({Secret(HUSH), Secret(HUSH), Secret("other")}) == 2
    assert Secret(HUSH) != Secret("other")
    assert Secret(HUSH) != HUSH


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hush", "hush"),
        (b"hush\n", "hush"),
        (b"hush\r\n", "hush"),
        (b" two\nlines \n\n", " two\nlines "),
        (b"\xef\xbb\xbfh\xc3\xbcsh\n", "h\u00fcsh"),
        (b"x" * 65_536, "x" * 65_536),
    ],
)
def test_a_secret_is_what_its_file_holds_but_for_the_newlines_at_its_end(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    found = read_secret(str(path))
    assert (found.reveal(), found.file) == (secret, str(path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hush-4711\xff", "is not UTF-8"),
        (b"x" * 65_537, "is larger than 64 KiB"),
    ],
)
def test_a_file_that_holds_no_secret_is_told_without_what_it_holds(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told) as caught:
        read_secret(str(path))
    assert str(caught.value) == f"'{path}' {told}"
    assert HUSH not in "".join(traceback.format_exception(caught.value))


def test_what_cannot_be_read_is_told_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, told in (
        (str(tmp_path / "none"), "cannot be read: No such file or directory"),
        (str(tmp_path), "cannot be read: Is a directory"),
        (str(tmp_path / "fifo"), "is no regular file"),
        ("/dev/zero", "is no regular file"),
        ("a\0b", "is no path"),
        ("", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(ValueError, match=told) as caught:
            read_secret(path)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)]
)
def test_a_file_that_every_user_may_read_is_exposed(
    tmp_path: Path, mode: int, exposed: bool
) -> None:
    path = tmp_path / "secret"
    path.write_text(HUSH)
    path.chmod(mode)
    assert is_exposed(str(path)) is exposed
    assert not is_exposed(str(tmp_path / "gone"))


def test_secrets_are_found_in_lists_and_tables() -> None:
    one, two = Secret("one"), Secret("two")
    assert list(secrets_in((one, {"a": two, "b": 3}))) == [one, two]
    assert list(secrets_in("text")) == []


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (Secret("****"), True),
        (("a", Secret("****")), True),
        ({"a": ["http://****@example.org/"]}, True),
        ("http://example.org/?token=****", True),
        (Secret("*****"), False),
        ("/srv/****/a=****.csv", False),
        (None, False),
    ],
)
def test_a_mask_is_found_where_a_secret_should_be(value: object, masked: bool) -> None:
    assert is_masked(value) is masked
