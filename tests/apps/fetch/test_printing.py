"""What is said of a file of URLs that cannot be used."""

from __future__ import annotations

from apps.fetch.printing import unreadable


def test_an_unreadable_file_is_named_on_one_line() -> None:
    failure = OSError(2, "No such file or directory")
    assert unreadable("a\nb", failure) == "cannot read URLs from a\\nb: No such file or directory"


def test_standard_input_has_its_own_name_and_an_error_of_no_system_its_words() -> None:
    said = unreadable("-", ValueError("it has none"))
    assert said == "cannot read URLs from standard input: it has none"
