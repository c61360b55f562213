"""What is printed stays in its columns, whatever a server or a URL holds."""

from __future__ import annotations

from hypothesis import given, strategies as st

from apps.fetch.report import Result, Summary, line, printable, unreadable

OK = Result("http://a.example/", 0.0314, 200, 12345)
REFUSED = Result(
    "http://b.example/", 1.5, code="connect-refused", message="b.example:80 refused it"
)


def test_a_line_for_a_pipe_has_tabs() -> None:
    assert line(OK, aligned=False) == "200\t12345\t31\thttp://a.example/"
    assert (
        line(REFUSED, aligned=False)
        == "connect-refused\t-\t1500\thttp://b.example/\tb.example:80 refused it"
    )


def test_a_line_for_a_terminal_has_columns() -> None:
    lines = [line(OK, aligned=True), line(REFUSED, aligned=True)]
    assert lines[0].index("http://a") == lines[1].index("http://b")
    assert lines[0].startswith("200   ")
    assert "\t" not in "".join(lines)
    assert lines[1].endswith("  b.example:80 refused it")


@given(url=st.text(), message=st.text(), aligned=st.booleans())
def test_nothing_breaks_a_line_or_a_column(url: str, message: str, aligned: bool) -> None:
    result = Result(url, 0.0, code="invalid-url", message=message)
    printed = line(result, aligned)
    assert printed.replace("\t", "").isprintable()
    if not aligned:
        assert len(printed.split("\t")) == 5


def test_what_is_escaped_can_still_be_read() -> None:
    assert printable("a\tb\n\x1b[31m\x9b\u202e\udcff é") == ("a\\tb\\n\\x1b[31m\\x9b\\u202e\\xff é")


def test_an_answer_of_400_or_above_counts_as_failed() -> None:
    assert not Result("u", 0, 399).failed
    assert Result("u", 0, 400).failed
    assert REFUSED.failed


def test_the_summary_has_totals_and_what_failed() -> None:
    summary = Summary()
    for result in (OK, REFUSED, REFUSED, Result("u", 0, 404, 5)):
        summary.add(result)
    assert summary.text(2.34) == (
        "4 URLs in 2.3 s; 12350 bytes; 3 failed (connect-refused 2, 404 1)"
    )


def test_the_summary_says_what_was_not_finished() -> None:
    summary = Summary()
    summary.add(OK)
    assert summary.text(1) == "1 URL in 1.0 s; 12345 bytes; none failed"
    assert summary.text(1, 3).endswith("; 3 not finished")
    assert summary.text(1, 3, more=True).endswith("; 3 not finished, and those not yet read")


def test_an_unreadable_file_is_named() -> None:
    error = OSError(2, "No such file or directory")
    assert unreadable("a\nb", error) == "cannot read URLs from a\\nb: No such file or directory"
    assert "standard input" in unreadable("-", ValueError("it has none"))
